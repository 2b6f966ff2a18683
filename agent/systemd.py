"""Telling systemd how the agent is (sd_notify(3)): ready, alive, stopping. Without systemd nothing is told."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping

_PINGS = 2  # a watchdog interval: sd_watchdog_enabled(3) asks for half of it


class Systemd:
    """`environment` is the process's own; what concerns another process in it does not count."""

    def __init__(self, environment: Mapping[str, str], pid: int) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        mine = environment.get("WATCHDOG_PID") in (None, str(pid))
        interval_us = environment.get("WATCHDOG_USEC", "") if mine else ""
        self._every_s = int(interval_us) / 1e6 / _PINGS if interval_us.isdecimal() else None
        self._next_s = 0.0

    def ready(self) -> None:
        self._tell("READY=1")

    def stopping(self) -> None:
        self._tell("STOPPING=1")

    def alive(self, now_s: float, status: str) -> None:
        """Ping the watchdog where one is due; `now_s` is monotonic."""
        if self._every_s is not None and now_s >= self._next_s:
            self._next_s = now_s + self._every_s
            self._tell(f"WATCHDOG=1\nSTATUS={status}")

    def _tell(self, text: str) -> None:
        if not self._address:
            return
        # An agent that cannot be heard goes on; systemd will end it if it has to.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.connect(self._address)
            out.send(text.encode())
