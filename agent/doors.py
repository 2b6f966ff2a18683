"""The sockets on which applications ask for inferences: loopback TCP and a Unix socket, the supervisor's all along.

Workers inherit them. They are bound here and listen from the first worker that serves: until then clients are refused.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterable
from pathlib import Path

_UNIX_PATH_BYTES = 107  # unix(7): sun_path with its closing zero
_MODE = 0o660
_BACKLOG = 128


class DoorError(OSError):
    """A socket that cannot be had; the text says which, and why."""


def open_doors(http: tuple[str, int] | None, path: Path) -> tuple[socket.socket, ...]:
    """The Unix socket at `path`, replacing what a dead agent left there, and TCP at `http`. Raises `DoorError`."""
    doors = [_unix(path)]
    try:
        doors += [] if http is None else [_tcp(*http)]
    except DoorError:
        close_doors(doors, path)
        raise
    for each in doors:
        each.setblocking(False)  # two workers may wait for the same connection during a swap
    return tuple(doors)


def listen_at(doors: Iterable[socket.socket]) -> None:
    """From now on whoever comes waits until somebody accepts."""
    for each in doors:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        each.listen(_BACKLOG)


def close_doors(doors: Iterable[socket.socket], path: Path) -> None:
    for each in doors:
        each.close()
    with contextlib.suppress(OSError):
        path.unlink()


def _unix(path: Path) -> socket.socket:
    if len(os.fsencode(path)) > _UNIX_PATH_BYTES:
        raise DoorError(f"{path}: too long for a Unix socket, {_UNIX_PATH_BYTES} bytes at most; set 'socket'")
    door = socket.socket(socket.AF_UNIX)
    try:
        path.unlink(missing_ok=True)  # the state directory is locked: nobody alive owns it
        door.bind(str(path))
        path.chmod(_MODE)
    except OSError as error:
        door.close()
        raise DoorError(f"{path}: {error.strerror}") from None
    return door


def _tcp(host: str, port: int) -> socket.socket:
    """An address that is only bound may be bound again by whoever asks to reuse it as well, so that is taken back.

    Without asking, connections that are not long gone would be in the way; listening, they are again.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    door = socket.socket(family)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind((host, port))
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    except OSError as error:
        door.close()
        why = "in use by another program; set 'http'" if error.errno == errno.EADDRINUSE else error.strerror
        raise DoorError(f"{host}:{port}: {why}") from None
    return door
