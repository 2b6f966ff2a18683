"""HTTP/1.1 on sockets that the supervisor owns: a thread a connection, and an end that drops no request.

The sockets stay open in the supervisor while workers come and go, so a client that connects in between waits and is
served. A worker that drains accepts no more and tells those who are connected that the next answer is the last.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler
from typing import Any

from agent.worker.api import Answer, Headers, no_memory, refusal

Answering = Callable[[str, str, Headers, bytes], Answer]
"""(method, path, headers, body) to the answer."""

CONNECTIONS = 32
STACK_BYTES = 512 * 1024  # of a connection's thread; the usual 8 MiB would count against the worker's memory cap
_IDLE_S = 120.0  # of a connection on which nothing comes
_LINGER_S = 2.0


class HttpServer:
    """Serves `answering` on `sockets` that listen and do not block; `most_bytes` is the largest body that is read.

    `shed` is told of each request that there was no room for.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        answering: Answering,
        most_bytes: int,
        shed: Callable[[], object] = lambda: None,
    ) -> None:
        self.answering, self.most_bytes, self.shed = answering, most_bytes, shed
        self.draining = False
        self._sockets = sockets
        self._room = threading.Semaphore(CONNECTIONS)
        self._wake_read, self._wake_write = socket.socketpair()
        self._thread = threading.Thread(target=self._accept, name="http", daemon=True)

    def start(self) -> None:
        threading.stack_size(STACK_BYTES)
        self._thread.start()

    def drain(self, within_s: float) -> None:
        """Accept no more; return when all who were connected are gone, or when the time is over."""
        until_s = time.monotonic() + within_s
        self._wake_write.send(b"\0")  # first: the accepting thread closes it when it ends
        self.draining = True
        for _ in range(CONNECTIONS):
            if not self._room.acquire(timeout=max(0.0, until_s - time.monotonic())):
                return

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector, self._wake_read, self._wake_write:
            for each in (*self._sockets, self._wake_read):
                selector.register(each, selectors.EVENT_READ)
            while not self.draining:
                self._room.acquire()  # who comes when all places are taken waits in the backlog
                if not self._take_one(selector):
                    self._room.release()

    def _take_one(self, selector: selectors.BaseSelector) -> bool:
        """Wait for a connection and serve it in a thread of its own; false where there is none after all.

        Who comes when there is no memory for a thread, or no further one is allowed, is sent away and may ask again.
        """
        key, _ = selector.select()[0]
        door = key.fileobj
        if self.draining or door is self._wake_read or not isinstance(door, socket.socket):
            return False
        try:
            connection, _ = door.accept()
        except OSError:  # the client has left, or another worker was quicker
            return False
        connection.settimeout(_IDLE_S)
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()
        except (RuntimeError, MemoryError):
            self.shed()
            connection.close()
            return False
        return True

    def _serve(self, connection: socket.socket) -> None:
        try:
            with contextlib.suppress(OSError):  # the client is gone
                _Handler(connection, self)
        finally:
            connection.close()
            self._room.release()


class _Handler(BaseHTTPRequestHandler):
    """One connection; each request in turn."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "hedgerow", ""
    wbufsize = -1  # head and body leave together

    def __init__(self, connection: socket.socket, server: HttpServer) -> None:
        self._http = server
        super().__init__(connection, ("", 0), server)  # type: ignore[arg-type]  # it is only kept, as an attribute

    def _answer(self) -> None:
        refused, length = self._length()
        if refused is not None:
            self._refuse(refused)
            return
        try:
            body = self.rfile.read(length)
        except MemoryError:
            self._http.shed()
            self._refuse(no_memory())
            return
        if len(body) < length:
            self.close_connection = True
            return
        self._say(self._http.answering(self.command, self.path, self.headers, body), last=self._http.draining)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _answer  # noqa: N815 - what the base class looks for

    def handle_expect_100(self) -> bool:
        """The client waits for a word before it sends the body."""
        refused, _ = self._length()
        if refused is not None:
            self._refuse(refused)
            return False
        super().handle_expect_100()
        self.wfile.flush()
        return True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the base class refuses: no HTTP, headers too long, a method without a name."""
        self.request_version = self.protocol_version  # of what is no HTTP the base class takes it for 0.9
        self._say(refusal(code, message or explain or "not understood"), last=True)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class calls it so
        """Requests are counted in windows, not logged."""

    def _length(self) -> tuple[Answer | None, int]:
        """Of the body, or why it is not read."""
        if self.headers.get("Transfer-Encoding") is not None:
            return refusal(411, "a Content-Length is needed"), 0
        if self.headers.get("Content-Encoding", "identity") != "identity":
            return refusal(415, "compressed bodies are not read"), 0
        text = self.headers.get("Content-Length", "0")
        if not text.isdecimal():
            return refusal(400, f"Content-Length: {text!r} is no number of bytes"), 0
        if int(text) > self._http.most_bytes:
            return refusal(413, f"{text} bytes; at most {self._http.most_bytes} are read"), 0
        return None, int(text)

    def _say(self, answer: Answer, *, last: bool) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        if last:
            self.send_header("Connection", "close")  # the base class closes then
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
        self.wfile.flush()

    def _refuse(self, answer: Answer) -> None:
        """In place of reading the body."""
        self._say(answer, last=True)
        self._linger()

    def _linger(self) -> None:
        """Closed at once, what the client still sends would make its kernel throw our answer away unread."""
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(_LINGER_S)
        until_s = time.monotonic() + _LINGER_S
        with contextlib.suppress(OSError):
            while time.monotonic() < until_s and self.connection.recv(65536):
                pass
