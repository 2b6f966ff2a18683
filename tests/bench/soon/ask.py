"""Jobs of a brought network, asked of a release's code in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.before import HERE
from tests.bench.parts import Row
from tests.bench.soon import left
from tests.bench.soon.jobs import COLD
from tests.bench.soon.nets import Net


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks for jobs of `net`, brought at `spec`, until the monotonic clock says `until_s`."""

    work: Path
    net: Net
    spec: Path
    until_s: float

    def part(self, name: str, code: Path, jobs: Sequence[str]) -> Row:
        """As much of it as there is time for."""
        rows = self.rows(self.work / name, code, jobs)
        ended = all(each in rows for each in jobs)
        if ended:
            left.forget_shelves(self.work / name)
        return {"jobs": rows, "ended": ended}

    def learn_kernels(self) -> None:
        """Their times, which all jobs of the network share."""
        self.rows(self.work / self.net.name, HERE, COLD)

    def rows(self, folder: Path, code: Path, jobs: Sequence[str], share: float | None = None) -> dict[str, Row]:
        """All that are in `folder`, with `jobs` where there is time for them. `share`, of the dense model's latency, is
        the cap of those that have none of their own; without one it is what no variant keeps."""
        folder.mkdir(parents=True, exist_ok=True)
        seconds = self.until_s - time.monotonic()
        if seconds > 0:
            given = self.net.impossible if share is None else share
            self._play(code, str(folder), str(self.spec), f"{given:g}", f"{seconds:g}", *jobs)
        return left.rows(folder)

    def _play(self, code: Path, *arguments: str) -> None:
        cache = self.work / self.net.name / "cache"
        environment = os.environ | {"PYTHONPATH": str(code), "XDG_CACHE_HOME": str(cache)}
        command = [sys.executable, "-m", "tests.bench.soon.play", *arguments]
        subprocess.run(command, check=True, cwd=code, env=environment)
