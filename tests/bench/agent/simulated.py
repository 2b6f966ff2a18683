"""What `agent simulate` takes for a fleet of modelled devices, with a broker and the least controller beside it."""

from __future__ import annotations

import base64
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fleet import KEY, Hand, assignment
from realagent import PROFILE, A, cpu_s, rss_bytes
from realbroker import RealBroker

from agent.wire.messages import Message, Need, Reported, Result, Status

_STEADY_S = 60.0
_NEEDS_EVERY_S = 2.0  # blocks go to all at once, so not for each that asks
_LIMIT_S = 300.0


class _Fleet:
    """The process of the devices, and a hand that counts who is online and who runs the model."""

    def __init__(self, folder: Path, count: int) -> None:
        self.broker = RealBroker(folder)
        self.broker.start()
        self.hand = Hand(self.broker)
        self.hand.add(A)
        self.online, self.placed = set[str](), set[str]()
        self._answer = self.hand.answer
        self.hand.answer = self._count  # type: ignore[method-assign]
        self._sent_s = 0.0
        (folder / "profile.yaml").write_text(PROFILE)
        (folder / "key").write_text(base64.b64encode(KEY.public_key().public_bytes_raw()).decode())
        command = [sys.executable, "-m", "agent.cli", "simulate", "-n", str(count), "--profile"]
        command += [str(folder / "profile.yaml"), "--broker", f"127.0.0.1:{self.broker.port}"]
        self.process = subprocess.Popen([*command, "--trusted-key", str(folder / "key")], stdout=subprocess.DEVNULL)

    def until(self, done: Callable[[], bool]) -> float:
        """Seconds until then."""
        began = time.monotonic()
        while not done():
            assert time.monotonic() - began < _LIMIT_S, f"{len(self.online)} online, {len(self.placed)} placed"
            self.hand.work()
            self.hand.heard.clear()
            time.sleep(0.02)
        return time.monotonic() - began

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.hand.link.stop()
        self.broker.stop()

    def _count(self, message: Message) -> None:
        if isinstance(message, Status) and message.online:
            self.online.add(message.device)
        if isinstance(message, Reported) and message.result is Result.SUCCEEDED:
            self.placed.add(message.device)
        if isinstance(message, Need):
            if time.monotonic() < self._sent_s + _NEEDS_EVERY_S:
                return
            self._sent_s = time.monotonic()
        self._answer(message)


def simulated(folder: Path, count: int) -> dict[str, Any]:
    """From nothing to `count` devices that run a model, and a minute of their telemetry."""
    fleet = _Fleet(folder, count)
    pid = fleet.process.pid
    try:
        online_s = fleet.until(lambda: len(fleet.online) == count)
        waiting = sorted(fleet.online)

        def assigned() -> bool:
            for device in [waiting.pop() for _ in range(min(50, len(waiting)))]:
                fleet.hand.assign(assignment(A, 1, device=device, rate_hz=20.0))
            return len(fleet.placed) == count

        placed_s = fleet.until(assigned)
        since, cpu = time.monotonic(), cpu_s(pid)
        fleet.until(lambda: time.monotonic() >= since + _STEADY_S)
        return {
            "devices": count,
            "online_s": online_s,
            "placed_s": placed_s,
            "rss_bytes": rss_bytes(pid),
            "cpu_share": (cpu_s(pid) - cpu) / (time.monotonic() - since),
            "threads": len(list(Path(f"/proc/{pid}/task").iterdir())),
        }
    finally:
        fleet.close()
