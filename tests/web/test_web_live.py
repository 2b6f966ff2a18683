"""Live events and the server that carries them."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import event

from agent.link import Arrived
from agent.wire.messages import Status, Telemetry, Window, encode
from agent.wire.topics import Leaf, topic
from controller.core.intents import AcceptDevice, AskJob, ForgetDevice, RecalibrateDevice, RevokeDevice, StartRollout
from controller.core.nouns.caps import Caps
from controller.core.nouns.work import Prune
from controller.loop.changes import Change, Changes
from controller.loop.facts import Question
from controller.web.app import create_app
from controller.web.feed import Feed
from controller.web.server import WebServer
from tests.real import RealController
from tests.stories.test_story_unwritable import refuses
from tests.web.test_web_pages import register, statements

pytestmark = pytest.mark.usefixtures("on_each_database")


def told(feed: Feed, since: int, **asked: Any) -> Any:
    event = feed.after(since, **asked)
    return None if event is None else json.loads(event.data)


def ids(news: Any, kind: str = "devices") -> list[str]:
    return [each["id"] for each in news.get(kind, [])]


def fresh(controller: RealController) -> Feed:
    """It looks at once: a feed tells all who ask within one tick the same."""
    return Feed(controller.port)


def test_only_what_changed_is_sent_and_the_counts_if_they_did(controller: RealController) -> None:
    since = fresh(controller).now()
    begun = fresh(controller).after(since)
    assert begun is not None
    assert json.loads(begun.data) == {"commit": since, "counts": json.loads(begun.counts)}
    assert json.loads(begun.counts)["devices"] == 3
    assert fresh(controller).after(since, begun.counts) is None
    controller.ask(AcceptDevice("newcomer"))
    news = told(fresh(controller), since, counts=begun.counts)
    assert [(each["id"], each["state"]) for each in news["devices"]] == [("newcomer", "accepted")]
    assert news["counts"]["devices_accepted"] == 3
    assert news["commit"] == fresh(controller).now() > since
    controller.ask(RecalibrateDevice("cam-1"))
    news = told(fresh(controller), news["commit"], counts=msgspec.json.encode(news["counts"]))
    assert (ids(news), "counts" in news) == (["cam-1"], False)


def test_rollouts_and_jobs_are_told_of_too_and_what_is_gone(controller: RealController) -> None:
    since = fresh(controller).now()
    rollout = controller.ask(StartRollout("fall@1", "site=north"))
    job = controller.ask(AskJob("fall@1", Prune(Caps(latency_s=0.004))))
    news = told(fresh(controller), since)
    assert (ids(news, "rollouts"), job in ids(news, "jobs"), ids(news)) == ([rollout], True, ["cam-1"])
    controller.put(lambda tx: tx.drop_job(job))
    assert told(fresh(controller), since) == {"commit": fresh(controller).now()}, "written behind the loop: begin anew"
    since = fresh(controller).now()
    controller.daemon.changes.tell(Change(since + 1, jobs=(job,)))
    assert told(fresh(controller), since)["gone"] == {"jobs": [job]}


def test_a_device_that_is_forgotten_is_gone_with_its_incidents(controller: RealController) -> None:
    feed = fresh(controller)
    since, figures = feed.now(), controller.port.figures()
    controller.ask(ForgetDevice("cam-1"))
    news = told(fresh(controller), since)
    assert news["gone"]["devices"] == ["cam-1"]
    counts = news["counts"]
    assert (figures["incidents_open"], counts["incidents_open"], counts["devices"]) == (1, 0, 2)
    controller.assert_memory_is_what_is_stored()


def test_that_a_device_was_heard_of_is_told_now_and_then(controller: RealController) -> None:
    since = fresh(controller).now()
    window = Window(seq=99, duration_s=5.0, latency_p95_ms=9.0)
    for seq in (99, 100):
        message = Telemetry(device="cam-1", boot="b1", windows=[msgspec.structs.replace(window, seq=seq)])
        controller.daemon.turn([Arrived(topic("cam-1", Leaf.TELEMETRY), encode(message))])
    first = controller.daemon.changes.since(since)
    assert first is not None
    assert len([*first.devices]) <= 1, "at once or later, and once for both"
    controller.run(3)
    news = told(fresh(controller), since)
    assert [(each["id"], each["latency_p95_ms"]) for each in news["devices"]] == [("cam-1", 9.0)]


def online(device: str) -> Status:
    return Status(device=device, online=True, boot="b1", window_s=5.0, hold_s=0.0)


def presences(controller: RealController, since: int, only: set[str] | None = None) -> dict[str, str]:
    return {each["id"]: each["presence"] for each in told(fresh(controller), since, only=only).get("devices", [])}


def test_who_falls_silent_is_told_of_though_no_message_says_so(controller: RealController) -> None:
    controller.hear(online("cam-1"))
    controller.run(3)
    since = fresh(controller).now()
    controller.run(30)
    assert presences(controller, since) == {"cam-1": "quiet"}
    controller.hear(online("cam-1"))
    controller.run(3)
    since = fresh(controller).now()
    controller.broker._disconnect(controller.link, "cut")  # type: ignore[attr-defined]
    controller.run(3)
    assert presences(controller, since) == {"cam-1": "unknown"}
    assert presences(controller, since, {"cam-1"}) == {"cam-1": "unknown"}
    assert presences(controller, since, {"sensor-9"}) == {}


def test_who_says_goodbye_is_told_of_though_no_row_of_his_is_written(controller: RealController) -> None:
    controller.hear(online("cam-1"))
    controller.run(3)
    since = fresh(controller).now()
    controller.hear(Status(device="cam-1", online=False, boot="b1"))
    controller.run(3)
    assert presences(controller, since) == {"cam-1": "offline"}


def test_many_who_fall_silent_together_are_no_commit_each(controller: RealController) -> None:
    register(controller, 30)
    for at in range(30):
        controller.hear(online(f"d-{at:02}"))
    controller.run(3)
    since, writes = fresh(controller).now(), list[object]()
    event.listen(controller.store._opened(), "commit", writes.append)
    controller.run(40)
    shown = presences(controller, since)
    assert (len(shown), {*shown.values()}) == (30, {"quiet"})
    assert fresh(controller).now() - since <= 2
    assert len(writes) < 30


def test_while_nothing_can_be_written_the_counts_tell_who_is_silent(
    controller: RealController, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller.hear(online("cam-1"))
    controller.run(3)
    since = fresh(controller).now()
    with monkeypatch.context() as full:
        full.setattr(controller.store, "begin", refuses)
        controller.hear(online("sensor-9"))
        controller.run(30)
        assert controller.port.figures()["devices_quiet"] == 1
        assert presences(controller, since) == {}
    controller.run(3)
    assert presences(controller, since)["cam-1"] == "quiet"


def test_whoever_watches_what_does_not_change_is_not_left_behind(controller: RealController) -> None:
    controller.daemon.changes = Changes(commits=3)
    controller.daemon.reload()
    since, counts = fresh(controller).now(), b""
    for _ in range(10):
        controller.ask(RecalibrateDevice("cam-1"))
        heard = fresh(controller).after(since, counts, only={"sensor-9"})
        assert heard is not None
        assert (heard.kind, ids(json.loads(heard.data)), heard.commit > since) == ("changed", [], True)
        assert f"id: {heard.commit}\n" in heard.text()
        since, counts = heard.commit, heard.counts
    assert fresh(controller).after(since, counts, only={"sensor-9"}) is None


def test_of_devices_only_those_that_are_shown(controller: RealController) -> None:
    since = fresh(controller).now()
    controller.ask(AcceptDevice("newcomer"))
    controller.ask(RecalibrateDevice("cam-1"))
    assert ids(told(fresh(controller), since, only={"cam-1"})) == ["cam-1"]
    assert ids(told(fresh(controller), since, only={"sensor-9"})) == []


def test_all_who_watch_share_one_reading(controller: RealController) -> None:
    feed = fresh(controller)
    since = feed.now()
    controller.ask(AcceptDevice("newcomer"))
    controller.ask(RecalibrateDevice("cam-1"))
    with statements(controller) as asked:
        first = told(feed, since)
        cost = len(asked)
        assert told(feed, since) == first
        assert ids(told(feed, since, only={"cam-1"})) == ["cam-1"]
    assert len(asked) == cost > 0


def test_nobody_who_watches_costs_nothing_but_the_names(controller: RealController) -> None:
    with statements(controller) as asked:
        controller.ask(AcceptDevice("newcomer"))
        cost = len(asked)
    feed = fresh(controller)
    feed.after(feed.now() - 1)
    with statements(controller) as asked:
        controller.ask(RevokeDevice("newcomer"))
    assert len(asked) == cost


def test_who_comes_back_after_a_restart_goes_on_or_is_told_to_begin_anew(controller: RealController) -> None:
    before = fresh(controller).now()
    controller.ask(AcceptDevice("newcomer"))
    last = fresh(controller).now()
    controller.kill_controller()
    controller.restart_controller()
    controller.tick()
    begun = fresh(controller).after(before)
    assert begun is not None
    assert (begun.kind, begun.commit >= last) == ("reset", True)
    assert fresh(controller).now() >= last, "numbers never go back"
    ahead = fresh(controller).after(last + 10_000)
    assert ahead is not None
    assert ahead.kind == "reset", "as after a backup was put in the place of what was"


def events(lines: Iterator[str]) -> Iterator[tuple[str, int, Any]]:
    """(kind, id, data) of each."""
    kind, commit = "", 0
    for line in lines:
        name, _, value = line.partition(": ")
        if name == "event":
            kind = value
        if name == "id":
            commit = int(value)
        if name == "data":
            yield kind, commit, json.loads(value)


def test_the_server_streams_what_happens_and_stops_while_a_page_watches(controller: RealController) -> None:
    controller.tick()  # what follows from the rows that were put there
    with (
        WebServer(create_app(controller.port)) as server,
        httpx.Client(base_url=server.address, trust_env=False) as client,
    ):
        commit = client.get("/api/v1/devices").json()["commit"]
        client.post("/api/v1/devices/sensor-9/revoke").raise_for_status()
        with client.stream("GET", "/api/v1/events", params={"since": commit}) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            arriving = events(answer.iter_lines())
            kind, last, first = next(arriving)
            assert (kind, ids(first)) == ("changed", ["sensor-9"]), "between the page and the stream"
            client.post("/api/v1/devices/newcomer/accept").raise_for_status()
            _, last, news = next(arriving)
            assert [device["state"] for device in news["devices"]] == ["accepted"]
            began = time.monotonic()
            stopping = threading.Thread(target=server.stop)
            stopping.start()
            assert list(arriving) == []
        stopping.join(5)
        assert time.monotonic() - began < 5
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.address, trust_env=False)
    controller.ask(RecalibrateDevice("cam-1"))
    with (
        WebServer(create_app(controller.port)) as server,
        httpx.Client(base_url=server.address, trust_env=False) as client,
    ):
        for header, expected in ((str(last), ("changed", ["cam-1"])), ("99999", ("reset", [])), ("?", ("reset", []))):
            with client.stream("GET", "/api/v1/events?since=0", headers={"Last-Event-ID": header}) as answer:
                kind, _, news = next(events(answer.iter_lines()))
                assert (kind, ids(news)) == expected
        for device, expected_ids in (("cam-1", ["cam-1"]), ("", [])):
            with client.stream("GET", "/api/v1/events", params={"since": last, "device": [device]}) as answer:
                assert ids(next(events(answer.iter_lines()))[2]) == expected_ids


def test_who_reads_nothing_keeps_nobody_waiting(controller: RealController) -> None:
    with (
        WebServer(create_app(controller.port)) as server,
        httpx.Client(base_url=server.address, trust_env=False) as client,
        client.stream("GET", "/api/v1/events"),
        client.stream("GET", "/api/v1/events") as answer,
    ):
        arriving = events(answer.iter_lines())
        next(arriving)
        for device in ("cam-1", "sensor-9", "newcomer"):
            began = time.monotonic()
            client.post(f"/api/v1/devices/{device}/revoke").raise_for_status()
            assert ids(next(arriving)[2]) == [device]
            assert time.monotonic() - began < 5


def test_health_waits_for_a_fleet_that_is_still_being_read(controller: RealController) -> None:
    figures, controller.daemon.figures = controller.daemon.figures, {}
    asked = list[object]()

    def heard(fact: Question) -> None:
        asked.append(fact)
        controller.daemon.figures = figures
        fact.answer.set_result(None)

    controller.daemon.enqueue = heard  # type: ignore[method-assign, assignment]
    assert controller.port.figures() == figures
    assert len(asked) == 1


def test_a_taken_port_is_an_error_at_once(controller: RealController) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        WebServer(create_app(controller.port), port=taken.getsockname()[1])


def test_a_server_on_ipv6_loopback(controller: RealController) -> None:
    try:
        made = WebServer(create_app(controller.port), host="[::1]")
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with made as server:
        assert httpx.get(f"{server.address}/api/v1/health", trust_env=False).status_code == 200


def test_an_answers_body_does_not_wait_for_the_client_to_acknowledge_its_head(controller: RealController) -> None:
    """Each connection has what the listening socket has."""
    with WebServer(create_app(controller.port)) as server:
        assert server._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
