"""The demo's processes: real ones, each with its own log, all ended at the end whatever happens."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_GRACE_S = 8.0


class Processes:
    """Started by name; `end()` asks them all to stop, newest first, and then makes them."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        logs.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, module: str, arguments: Sequence[str]) -> None:
        """Run `python -m module arguments...`, output to `<logs>/<name>.log`."""
        with (self._logs / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
                start_new_session=True,  # Ctrl-C reaches the demo alone, which then ends them in order
            )

    def dead(self) -> list[str]:
        """The names of those that have ended by themselves."""
        return [name for name, process in self._running.items() if process.poll() is not None]

    def ended(self, name: str) -> int | None:
        """The exit code of one that is to end by itself, which is then forgotten; None while it runs."""
        code = self._running[name].poll()
        if code is not None:
            del self._running[name]
        return code

    def tail(self, name: str, lines: int = 8) -> str:
        """The last lines of a log, for an error message."""
        with contextlib.suppress(OSError):
            return "\n".join((self._logs / f"{name}.log").read_text(errors="replace").splitlines()[-lines:])
        return ""

    def wait(self) -> None:
        """Until any of them ends."""
        for process in self._running.values():
            process.wait()
            return

    def end(self) -> None:
        for process in reversed(list(self._running.values())):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._running.values():
            try:
                process.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()
