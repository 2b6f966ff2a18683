"""Live events and the server that carries them."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from agent.wire.messages import Window
from controller.web.app import create_app
from controller.web.feed import Feed, changes
from controller.web.server import WebServer
from tests.real import RealController


def test_only_what_changed_is_sent(controller: RealController) -> None:
    first = Feed(controller.port).snapshot()
    everything = json.loads(changes(None, first) or "")
    assert len(everything["devices"]) == 3
    assert everything["overview"]["devices"] == 3
    assert changes(first, Feed(controller.port).snapshot()) is None
    window = Window(seq=99, duration_s=5.0, latency_p95_ms=9.0)
    controller.put(lambda tx: tx.add_windows("cam-1", "b1", 300.0, [window]))
    news = json.loads(changes(first, Feed(controller.port).snapshot()) or "")
    assert [device["id"] for device in news["devices"]] == ["cam-1"]
    assert "overview" not in news


def test_all_who_watch_share_one_reading(controller: RealController) -> None:
    feed = Feed(controller.port)
    assert feed.snapshot() is feed.snapshot()


def events(lines: Iterator[str]) -> Iterator[Any]:
    return (json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: "))


def test_the_server_streams_what_happens_and_stops_while_a_page_watches(controller: RealController) -> None:
    controller.tick()  # what follows from the rows that were put there
    with (
        WebServer(create_app(controller.port)) as server,
        httpx.Client(base_url=server.address, trust_env=False) as client,
    ):
        with client.stream("GET", "/api/v1/events") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            arriving = events(answer.iter_lines())
            assert len(next(arriving)["devices"]) == 3
            client.post("/api/v1/devices/newcomer/accept").raise_for_status()
            assert [device["state"] for device in next(arriving)["devices"]] == ["accepted"]
            began = time.monotonic()
            stopping = threading.Thread(target=server.stop)
            stopping.start()
            assert list(arriving) == []
        stopping.join(5)
        assert time.monotonic() - began < 5
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.address, trust_env=False)


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
