"""`python -m tests.bench NAME [PART ...] [--work FOLDER] [--fresh]`."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

_HERE = Path(__file__).parent
_DOCS = _HERE.parents[1] / "docs" / "bench"


def main() -> int:
    names = sorted(each.parent.name for each in _HERE.glob("*/run.py"))
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("name", choices=names)
    parser.add_argument("parts", nargs="*", metavar="PART", help="only these: what docs/bench has of the others stays")
    parser.add_argument(
        "--work",
        type=Path,
        default=Path.home() / ".cache" / "hedgerow" / "bench",
        help="keeps trained networks and finished parts: a run that was stopped goes on from there",
    )
    parser.add_argument("--fresh", action="store_true", help="forget the finished parts of earlier runs")
    arguments = parser.parse_args()
    run = importlib.import_module(f"tests.bench.{arguments.name}.run")
    unknown = [each for each in arguments.parts if each not in run.PARTS]
    if unknown:
        parser.error(f"{arguments.name} has no part {unknown[0]!r}; it has {', '.join(run.PARTS) or 'none'}")
    run.main(arguments.work / arguments.name, _DOCS, arguments.fresh, arguments.parts or run.PARTS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
