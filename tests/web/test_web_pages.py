"""Lists in pages: in order, whole, filtered; and no page reads more than itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import event

from controller.core.intents import RegisterDevice
from controller.core.nouns.incident import BreachKind, Incident, IncidentState
from controller.core.nouns.job import JobState
from controller.core.nouns.rollout import Rollout
from controller.store import Tx
from tests.real import SHA, RealController
from tests.web.conftest import variant

API = "/api/v1"
pytestmark = pytest.mark.usefixtures("on_each_database")


def page(client: httpx.Client, path: str, **params: Any) -> Any:
    answer = client.get(f"{API}{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def in_pages(client: httpx.Client, path: str, limit: int, **params: Any) -> list[list[str]]:
    """The ids of each page, to the last one."""
    pages, after = list[list[str]](), ""
    while after is not None:
        found = page(client, path, limit=limit, after=after, **params)
        pages.append([each.get("id") or each.get("device") or each["sha256"] for each in found["items"]])
        after = found["next"]
    return pages


def register(controller: RealController, count: int) -> None:
    for at in range(count):
        controller.ask(RegisterDevice(f"device: d-{at:02}\nlabels: {{site: s{at % 2}}}\n"))


def test_devices_come_page_by_page_in_the_order_of_their_ids(client: httpx.Client) -> None:
    assert in_pages(client, "/devices", 2) == [["cam-1", "newcomer"], ["sensor-9"]]
    assert in_pages(client, "/devices", 3) == [["cam-1", "newcomer", "sensor-9"]]
    first = page(client, "/devices", limit=1)
    assert (first["total"], first["next"]) == (3, "cam-1")


def test_what_is_registered_or_gone_meanwhile_moves_nothing_to_another_page(
    client: httpx.Client, controller: RealController
) -> None:
    first = page(client, "/devices", limit=2)
    controller.ask(RegisterDevice("device: aaa\n"))
    controller.ask(RegisterDevice("device: nnn\n"))
    assert [each["id"] for each in page(client, "/devices", limit=9, after=first["next"])["items"]] == [
        "nnn",
        "sensor-9",
    ]
    assert page(client, "/devices", after="no-such-device")["items"][0]["id"] == "sensor-9"


def test_a_page_is_of_those_that_match(client: httpx.Client, controller: RealController) -> None:
    register(controller, 5)
    found = page(client, "/devices", selector="site=s0", limit=2)
    assert ([each["id"] for each in found["items"]], found["total"], found["next"]) == (["d-00", "d-02"], 3, "d-02")
    assert in_pages(client, "/devices", 2, selector="site=s0") == [["d-00", "d-02"], ["d-04"]]
    assert in_pages(client, "/devices", 9, state="pending") == [["newcomer"]]
    assert in_pages(client, "/devices", 9, state=["pending", "revoked"], selector="id=cam-1") == [[]]
    client.post(f"{API}/devices/d-00/revoke")
    assert in_pages(client, "/devices", 9, state="accepted", selector="site=s0") == [["d-02", "d-04"]]


def test_only_the_fields_that_are_asked_for(client: httpx.Client) -> None:
    rows = page(client, "/devices", fields="id, latency_p95_ms", limit=1)["items"]
    assert rows == [{"id": "cam-1", "latency_p95_ms": 8.0}]


@pytest.mark.parametrize(
    ("params", "status", "words"),
    [
        ({"limit": 0}, 422, "limit"),
        ({"limit": 1001}, 422, "limit"),
        ({"state": "sleeping"}, 422, "state"),
        ({"selector": "north"}, 400, "KEY=VALUE"),
        ({"fields": "id,colour"}, 400, "there is no 'colour'; allowed are id, class"),
    ],
)
def test_nonsense_is_refused_in_words(client: httpx.Client, params: Any, status: int, words: str) -> None:
    answer = client.get(f"{API}/devices", params=params)
    assert (answer.status_code, words in answer.json()["error"]) == (status, True), answer.text


def test_the_commit_of_a_page_is_the_newest_and_never_goes_back(
    client: httpx.Client, controller: RealController
) -> None:
    commits = [page(client, path)["commit"] for path in ("/devices", "/jobs", "/rollouts", "/incidents")]
    assert len({*commits}) == 1
    client.post(f"{API}/devices/newcomer/accept")
    after = page(client, "/devices")["commit"]
    assert after > commits[0]
    controller.kill_controller()
    controller.restart_controller()
    with controller.store.read() as tx:
        assert tx.commit_number() >= after


def test_incidents_by_device_by_selector_and_by_state_newest_first(
    client: httpx.Client, controller: RealController
) -> None:
    for at, (device, state) in enumerate(
        [("sensor-9", IncidentState.REPAIRED), ("cam-1", IncidentState.UNREPAIRED), ("cam-1", IncidentState.REPAIRED)]
    ):
        closed = Incident(
            id=f"i-{at + 2}", device=device, kind=BreachKind.LATENCY, state=state, opened_unix_s=50.0,
            closed_unix_s=60.0,
        )  # fmt: skip
        controller.put(lambda tx, closed=closed: tx.put_incident(closed))
    assert in_pages(client, "/incidents", 2) == [["i-1", "i-4"], ["i-3", "i-2"]], "as old: by id"
    assert in_pages(client, "/incidents", 1, selector="site=north") == [["i-1"], ["i-4"], ["i-3"]]
    assert in_pages(client, "/incidents", 9, device="sensor-9") == [["i-2"]]
    assert in_pages(client, "/incidents", 9, state="repaired") == [["i-4", "i-2"]]
    assert in_pages(client, "/incidents", 9, state="repaired", selector="site=north") == [["i-4"]]
    asked: tuple[dict[str, Any], ...] = ({}, {"device": "cam-1"}, {"open_only": 1})
    assert [page(client, "/incidents", limit=1, **only)["total"] for only in asked] == [4, 3, 1]


def test_jobs_rollouts_and_variants_come_page_by_page(client: httpx.Client, controller: RealController) -> None:
    known = controller.rollout("r1")
    for at in range(4):
        later = replace(known, id=f"r{at + 2}", started_unix_s=2.0 + at // 2)
        controller.put(lambda tx, later=later: tx.put_rollout(later))
        made = replace(variant(f"{at}" * 64, dense=False), created_unix_s=5.0)
        controller.put(lambda tx, made=made: tx.put_variant(made))
    assert in_pages(client, "/rollouts", 2) == [["r5", "r4"], ["r3", "r2"], ["r1"]]
    assert in_pages(client, "/rollouts", 2, state="running") == [[]]
    variants = [sha for sheet in in_pages(client, "/models/fall/variants", 4) for sha in sheet]
    assert variants[2:] == [f"{at}" * 64 for at in range(4)]
    assert SHA in variants[:2]
    jobs = [client.post(f"{API}/models/fall/prune", json={"latency_cap_ms": ms}).json()["id"] for ms in (1, 2)]
    found = [job for sheet in in_pages(client, "/jobs", 1) for job in sheet]
    assert found == [*sorted(jobs, reverse=True), "j-1"], "of the same moment: by id"
    assert set(in_pages(client, "/jobs", 9, state=[*JobState][:2])[0]) == set(jobs)


@pytest.mark.parametrize("path", ["/jobs", "/rollouts", "/incidents", "/models/fall/variants", "/bulks"])
@pytest.mark.parametrize("after", ["j-99", "nan,j-99", "7,", ",", "1.0"])
def test_what_no_page_has_told_as_its_next_is_refused_in_words(client: httpx.Client, path: str, after: str) -> None:
    answer = client.get(f"{API}{path}", params={"after": after})
    assert (answer.status_code, repr(after) in answer.json()["error"]) == (400, True), answer.text


def test_whoever_goes_on_after_a_row_that_is_gone_by_then_goes_on_where_it_stood(
    client: httpx.Client, controller: RealController
) -> None:
    for at in range(3):
        client.post(f"{API}/models/fall/prune", json={"latency_cap_ms": at + 1}).raise_for_status()
        made = replace(variant(f"{at}" * 64, dense=False), created_unix_s=5.0)
        controller.put(lambda tx, made=made: tx.put_variant(made))
        old = Incident(
            id=f"i-{at + 2}", device="sensor-9", kind=BreachKind.LATENCY, state=IncidentState.REPAIRED,
            opened_unix_s=50.0, closed_unix_s=60.0,
        )  # fmt: skip
        controller.put(lambda tx, old=old: tx.put_incident(old))
    goes: dict[str, Callable[[Tx, str], object]] = {
        "/jobs": lambda tx, name: tx.drop_job(name),
        "/models/fall/variants": lambda tx, name: tx.drop_variant(name),
        "/incidents": lambda tx, _: tx.forget_incidents("sensor-9", 100.0, ["i-2", "i-4"]),
    }
    for path, goes_now in goes.items():
        whole = [name for sheet in in_pages(client, path, 9) for name in sheet]
        first = page(client, path, limit=3)
        controller.put(lambda tx, goes_now=goes_now, last=whole[2]: goes_now(tx, last))
        rest = page(client, path, limit=9, after=first["next"])
        assert [each.get("id") or each["sha256"] for each in rest["items"]] == whole[3:] != []
        assert rest["total"] == first["total"] - 1, "it is gone"


def test_the_members_of_a_rollout_are_paged_and_their_standings_counted(
    client: httpx.Client, controller: RealController
) -> None:
    register(controller, 3)
    rollout = client.post(f"{API}/rollouts", json={"model": "fall"}).json()["id"]
    path = f"/rollouts/{rollout}/devices"
    assert in_pages(client, path, 2) == [["cam-1", "d-00"], ["d-01", "d-02"], ["sensor-9"]]
    shown = page(client, f"/rollouts/{rollout}")
    assert (shown["members"], sum(shown["devices_by_standing"].values())) == (5, 5)
    for standing, count in shown["devices_by_standing"].items():
        found = page(client, path, state=standing)
        assert (found["total"], {each["standing"] for each in found["items"]}) == (count, {standing})
    assert (
        page(client, path, state="waiting" if "waiting" not in shown["devices_by_standing"] else "left")["total"] == 0
    )
    assert client.get(f"{API}/rollouts/nothing/devices").status_code == 404


@contextmanager
def statements(controller: RealController) -> Iterator[list[str]]:
    told, engine = list[str](), controller.store._opened()

    def tell(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        told.append(statement)

    event.listen(engine, "before_cursor_execute", tell)
    yield told
    event.remove(engine, "before_cursor_execute", tell)


def test_a_page_costs_the_same_whatever_the_size_of_the_fleet_and_health_asks_no_database(
    client: httpx.Client, controller: RealController
) -> None:
    lists = ("/devices", "/jobs", "/rollouts", "/incidents", "/rollouts/r1/devices")

    def costs() -> list[int]:
        found = list[int]()
        for path in lists:
            with statements(controller) as told:
                page(client, path, limit=2)
            found.append(len(told))
        return found

    few = costs()
    register(controller, 20)
    of_none = Rollout(id="r2", model="fall@1", selector="site=none", started_unix_s=3.0)
    controller.put(lambda tx: tx.put_rollout(of_none))
    assert costs() == few
    with statements(controller) as told:
        assert page(client, "/health")["devices"] == 23
    assert told == []


def test_a_page_is_answered_while_nothing_can_be_written(
    client: httpx.Client, controller: RealController, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.stories.test_story_unwritable import refuses

    with monkeypatch.context() as full:
        full.setattr(controller.store, "begin", refuses)
        assert client.post(f"{API}/devices/newcomer/accept").status_code == 503
        assert page(client, "/devices")["total"] == 3
        assert page(client, "/health")["status"] == "degraded"
