"""Release 0.1's code, or that of another revision in this repository's history, to measure beside."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

BEFORE = "79f16d7"
HERE = Path(__file__).parents[2]


def checked_out(work: Path, bench: str, revision: str = BEFORE) -> Path:
    """A folder of it in `work`, with today's benchmark `bench` in it."""
    code = work / f"code-{revision}"
    if not code.is_dir():
        code.mkdir(parents=True)
        archive = subprocess.run(["git", "archive", revision], cwd=HERE, check=True, stdout=subprocess.PIPE)
        subprocess.run(["tar", "-x", "-C", str(code)], input=archive.stdout, check=True)
    shutil.copytree(Path(__file__).parent / bench, code / "tests" / "bench" / bench, dirs_exist_ok=True)
    return code
