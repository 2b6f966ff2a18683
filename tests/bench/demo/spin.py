"""`python -m tests.bench.demo.spin`: keep the last core busy until the process that started this one has ended."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_SPINS = 1_000_000


@contextmanager
def busy_core() -> Iterator[None]:
    """One core less for everybody else."""
    spinner = subprocess.Popen([sys.executable, "-m", "tests.bench.demo.spin"])
    try:
        yield
    finally:
        spinner.kill()
        spinner.wait()


def main() -> None:
    parent = os.getppid()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    while os.getppid() == parent:
        for _ in range(_SPINS):
            pass


if __name__ == "__main__":
    main()
