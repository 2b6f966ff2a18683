"""Release 0.1's code, from the history of this repository, for benchmarks that measure beside it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

BEFORE = "79f16d7"
HERE = Path(__file__).parents[2]


def checked_out(work: Path, bench: str) -> Path:
    """A folder of it in `work`, with today's benchmark `bench` in it."""
    code = work / f"code-{BEFORE}"
    if not code.is_dir():
        code.mkdir(parents=True)
        archive = subprocess.run(["git", "archive", BEFORE], cwd=HERE, check=True, stdout=subprocess.PIPE)
        subprocess.run(["tar", "-x", "-C", str(code)], input=archive.stdout, check=True)
    shutil.copytree(Path(__file__).parent / bench, code / "tests" / "bench" / bench, dirs_exist_ok=True)
    return code
