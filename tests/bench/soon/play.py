"""The jobs of one network, one after the other, by whichever release's code is here.

`python -m tests.bench.soon.play FOLDER SPEC SHARE BUDGET_S JOB...` writes `FOLDER/jobs.json` after each. Begun
again it goes on with the job that the budget ended. Kernel times are in `$XDG_CACHE_HOME`, which is the network's own.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.wire.units import Unit, parse_quantity
from controller.core.nouns.caps import Caps
from controller.core.nouns.job import JobState
from controller.core.nouns.work import Dense, Prune
from controller.core.relax import relaxations_of_caps
from controller.pruning.job import JobRequest, JobResult
from tests.bench.soon import left
from tests.bench.soon.jobs import COLD, JOBS, REFUSED, chain
from tests.bench.soon.watch import watch

LIMIT_S = 900.0  # of one job
_THREADS = 2
_NAMED = re.compile(r"a latency of ([\d.]+ \w+)")
Row = dict[str, Any]


@dataclass
class Play:
    """Rows by job, those of an earlier play among them. Jobs with no cap of their own get `share` of dense latency."""

    folder: Path
    spec: str
    share: float
    rows: dict[str, Row] = field(default_factory=dict)

    def play(self, name: str, limit_s: float) -> bool:
        """False where `limit_s`, less than a job may take, ended it: it is as if it had not been asked for."""
        job = JOBS[name]
        cap_s = None if job.cap_s is None else job.cap_s(self.rows, self.share)
        if job.cap_s is not None and cap_s is None:
            self.rows[name] = {"state": "not asked", "detail": "what its cap is told from has no answer", "ended": True}
            return True
        caps = Caps(latency_s=cap_s)
        result, row = watch(name, self._request(name, caps), min(limit_s, LIMIT_S))
        if not row["ended"] and limit_s < LIMIT_S:
            return False
        self.rows[name] = row | {"cap_s": cap_s} | (_would_do(result, caps) if name == REFUSED else {})
        return True

    def _request(self, name: str, caps: Caps) -> JobRequest:
        known = (self.rows[each].get("variant") for each in chain(name) if self.rows[each]["state"] == JobState.DONE)
        return JobRequest(
            work=Dense() if JOBS[name].cap_s is None else Prune(caps),
            spec_path=self.spec,
            artifact_dir=str(self._shelf(name)),
            start_from=tuple(each["sha256"] for each in known if each is not None),
            seed=JOBS[name].seed,
            threads=_THREADS,
        )

    def _shelf(self, name: str) -> Path:
        """A copy of what was left, so that a job that is begun again finds what it found the first time."""
        shelf, after = left.shelf(self.folder, name), JOBS[name].after
        shutil.rmtree(shelf, ignore_errors=True)
        if after is None:
            shelf.mkdir(parents=True)
        else:
            shutil.copytree(left.shelf(self.folder, after), shelf)
        return shelf


def main() -> None:
    folder, spec, share, budget_s, *names = sys.argv[1:]
    until_s = time.monotonic() + float(budget_s)
    rows = left.rows(Path(folder))
    play = Play(Path(folder), spec, float(share), rows)
    if COLD[0] in names and COLD[-1] not in rows:
        rows.pop(COLD[0], None)
        shutil.rmtree(Path(os.environ["XDG_CACHE_HOME"]), ignore_errors=True)
    for name in names:
        if name not in rows:
            print(f"{folder}: {name}", flush=True)
            if not play.play(name, until_s - time.monotonic()):
                break
            left.put_rows(Path(folder), rows)
            print({key: rows[name].get(key) for key in ("state", "detail", "seconds", "stages")}, flush=True)


def _would_do(result: JobResult, caps: Caps) -> Row:
    """What a refusal says would do, and the latency that it names."""
    if result.state is not JobState.INFEASIBLE:
        return {}
    closest = () if result.variant is None else (result.variant,)
    texts = relaxations_of_caps(caps, closest, result.least)
    named = next(filter(None, map(_NAMED.search, texts)), None)
    return {"would_do": list(texts), "named_s": None if named is None else parse_quantity(named[1], Unit.SECONDS)}


if __name__ == "__main__":
    main()
