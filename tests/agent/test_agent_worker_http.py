"""The worker's HTTP server over real sockets: keep-alive, refusals that do not end it, a drain that drops nothing."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.doors import DoorError, close_doors, open_doors
from agent.worker.api import Answer, Headers
from agent.worker.http import CONNECTIONS, HttpServer

MOST = 1000
PORT = ("127.0.0.1", 0)


def echo(method: str, path: str, _headers: Headers, body: bytes) -> Answer:
    if path == "/slow":
        time.sleep(0.3)
    return Answer(200, f"{method} {path} ".encode() + body, {"X-Path": path})


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[tuple[socket.socket, ...]]:
    opened = open_doors(PORT, tmp_path / "i.sock")
    for each in opened:
        each.listen()
    yield opened
    close_doors(opened, tmp_path / "i.sock")


@pytest.fixture
def server(doors: tuple[socket.socket, ...]) -> Iterator[HttpServer]:
    started = HttpServer(doors, echo, MOST)
    started.start()
    yield started
    if not started.draining:
        started.drain(0.1)


Connect = Callable[[], http.client.HTTPConnection]


@pytest.fixture
def connect(doors: tuple[socket.socket, ...]) -> Iterator[Connect]:
    """Makes clients that are connected already."""
    with contextlib.ExitStack() as clients:

        def connected() -> http.client.HTTPConnection:
            made = http.client.HTTPConnection(*doors[1].getsockname(), timeout=10)
            clients.callback(made.close)
            made.connect()
            return made

        yield connected


def ask(connection: http.client.HTTPConnection, path: str = "/a", body: bytes = b"b") -> tuple[int, bytes]:
    connection.request("POST", path, body)
    answer = connection.getresponse()
    return answer.status, answer.read()


def raw(doors: tuple[socket.socket, ...], sent: bytes) -> bytes:
    """What comes back until the server closes."""
    with socket.create_connection(doors[1].getsockname(), timeout=10) as connection:
        connection.sendall(sent)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_one_connection_carries_many_requests(connect: Connect, server: HttpServer) -> None:
    connection = connect()
    assert [ask(connection, f"/{number}") for number in range(3)] == [
        (200, f"POST /{number} b".encode()) for number in range(3)
    ]


def test_the_unix_socket_answers_too(doors: tuple[socket.socket, ...], server: HttpServer) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(doors[0].getsockname())
        connection.sendall(b"GET /u HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert b"GET /u" in b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n", 415),
        (b"POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001, 413),
        (b"POST / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"BREW / HTTP/1.1\r\n\r\n", 501),
        (b"nonsense\r\n\r\n", 400),
    ],
)
def test_what_is_no_request_is_told_and_the_next_one_is_served(
    connect: Connect, doors: tuple[socket.socket, ...], server: HttpServer, sent: bytes, status: int
) -> None:
    head, _, body = raw(doors, sent).partition(b"\r\n\r\n")
    assert head.split()[1] == str(status).encode()
    assert list(json.loads(body)) == ["error"]
    assert ask(connect())[0] == 200


def expecting(doors: tuple[socket.socket, ...], length: int) -> socket.socket:
    """A client that says how much it would send and waits to be told to."""
    connection = socket.create_connection(doors[1].getsockname(), timeout=5)
    connection.sendall(f"POST /e HTTP/1.1\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n".encode())
    return connection


def test_who_waits_to_be_told_to_send_is_told(doors: tuple[socket.socket, ...], server: HttpServer) -> None:
    with expecting(doors, 2) as connection:
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"ab")
        assert connection.recv(1000).endswith(b"POST /e ab")


def test_or_that_it_need_not(connect: Connect, doors: tuple[socket.socket, ...], server: HttpServer) -> None:
    with expecting(doors, MOST + 1) as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 413 ")
        assert connection.recv(1000) == b""
    assert ask(connect())[0] == 200


def test_a_body_far_too_large_still_gets_its_answer(connect: Connect, server: HttpServer) -> None:
    connection = connect()
    status, body = ask(connection, body=bytes(8 * 2**20))
    assert (status, json.loads(body)) == (413, {"error": f"{8 * 2**20} bytes; at most {MOST} are read"})


def test_a_body_that_there_is_no_memory_for_is_refused(connect: Connect, server: HttpServer) -> None:
    server.most_bytes, shed = 2**50, list[int]()
    server.shed = lambda: shed.append(1)
    connection = connect()
    connection.putrequest("POST", "/")
    connection.putheader("Content-Length", str(2**45))
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())) == (503, {"error": "there is no memory for this request now"})
    assert ask(connect())[0] == 200
    assert shed == [1]


def test_a_client_that_leaves_in_the_middle_harms_nobody(
    connect: Connect, doors: tuple[socket.socket, ...], server: HttpServer
) -> None:
    with socket.create_connection(doors[1].getsockname()) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf")
    assert ask(connect())[0] == 200


def test_who_comes_when_all_places_are_taken_waits(
    connect: Connect, doors: tuple[socket.socket, ...], server: HttpServer
) -> None:
    held = [connect() for _ in range(CONNECTIONS)]
    assert all(ask(each)[0] == 200 for each in held)
    late = connect()
    late.request("GET", "/late")
    held.pop().close()
    assert late.getresponse().read() == b"GET /late "


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError()])
def test_who_comes_when_there_is_no_thread_is_sent_away_and_the_next_is_served(
    connect: Connect, server: HttpServer, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise error

    shed = list[int]()
    server.shed = lambda: shed.append(1)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(ConnectionError):
        ask(connect())
    monkeypatch.undo()
    assert shed == [1]
    held = [connect() for _ in range(CONNECTIONS)]
    assert all(ask(each)[0] == 200 for each in held)


def test_a_drain_answers_what_was_asked_and_says_that_it_is_the_last(connect: Connect, server: HttpServer) -> None:
    busy, idle = connect(), connect()
    assert ask(idle)[0] == 200
    said: list[tuple[int, bytes]] = []
    slow = threading.Thread(target=lambda: said.append(ask(busy, "/slow")))
    slow.start()
    time.sleep(0.1)
    drained = threading.Thread(target=server.drain, args=(5.0,))
    drained.start()
    time.sleep(0.1)
    idle.request("GET", "/last")
    answer = idle.getresponse()
    assert (answer.status, answer.getheader("Connection")) == (200, "close")
    slow.join()
    assert said == [(200, b"POST /slow b")]
    drained.join(1.0)
    assert not drained.is_alive()


def test_a_drain_waits_for_the_idle_only_so_long(connect: Connect, server: HttpServer) -> None:
    idle = connect()
    assert ask(idle)[0] == 200
    began = time.monotonic()
    server.drain(0.3)
    assert 0.25 < time.monotonic() - began < 2.0


def test_a_second_server_takes_over_the_same_sockets(
    connect: Connect, doors: tuple[socket.socket, ...], server: HttpServer
) -> None:
    server.drain(1.0)
    waiting = connect()  # nobody accepts: it waits in the backlog
    waiting.request("GET", "/later")
    second = HttpServer(doors, echo, MOST)
    second.start()
    assert waiting.getresponse().read() == b"GET /later "
    second.drain(0.1)


def test_doors_that_cannot_be_had_say_which_and_why(tmp_path: Path) -> None:
    with pytest.raises(DoorError, match="too long for a Unix socket"):
        open_doors(None, tmp_path / ("x" * 110))
    with pytest.raises(DoorError, match="No such file"):
        open_doors(None, tmp_path / "none" / "i.sock")
    with socket.create_server(PORT) as taken, pytest.raises(DoorError, match=r"127.0.0.1:\d+: in use"):
        open_doors(taken.getsockname(), tmp_path / "i.sock")


def test_a_dead_agents_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "i.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    doors = open_doors(None, path)
    assert path.stat().st_mode & 0o777 == 0o660
    close_doors(doors, path)
    assert not path.exists()
