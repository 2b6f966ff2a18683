"""A TCP proxy on the loopback interface whose path can be cut, or go silent without a word to either side."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass


@dataclass(slots=True)
class _Path:
    near: socket.socket
    far: socket.socket
    silent: bool

    def end(self) -> None:
        for each in (self.near, self.far):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def carry(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not self.silent:
                    sink.sendall(data)
        if not self.silent:
            self.end()


class Proxy:
    """Forwards to a port. A connection that lived through a silence stays dead, as behind a router that forgot it."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._paths: list[_Path] = []
        self._threads: list[threading.Thread] = []
        self._silent = self._shut = False
        self._start(self._accept)

    def silence(self) -> None:
        """Swallow every byte from now on, those of new connections too; nothing is closed."""
        with self._lock:
            self._silent = True
            for each in self._paths:
                each.silent = True

    def cut(self) -> None:
        """End every connection, and new ones at once."""
        with self._lock:
            self._shut = True
            for each in self._paths:
                each.end()

    def restore(self) -> None:
        """Let new connections through."""
        with self._lock:
            self._silent = self._shut = False

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self.cut()
        for thread in self._threads:
            thread.join()
        for path in self._paths:
            path.near.close()
            path.far.close()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if self._shut:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self._target_port))
                path = _Path(near, far, self._silent)
                self._paths.append(path)
            self._start(path.carry, near, far)
            self._start(path.carry, far, near)

    def _start(self, work: object, *args: object) -> None:
        assert callable(work)
        thread = threading.Thread(target=work, args=args, name="proxy", daemon=True)
        self._threads.append(thread)
        thread.start()
