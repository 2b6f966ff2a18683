"""`python -m controller.store.migrate check|upgrade`: the tables without the controller."""

from __future__ import annotations

import argparse
import sys
import tempfile

from controller.store import schema
from controller.store.engine import make_engine
from controller.store.errors import StoreError


def _check() -> int:
    with tempfile.TemporaryDirectory() as directory:
        engine = make_engine(f"sqlite:///{directory}/check.db")
        schema.upgrade(engine)
        found = schema.differences(engine)
        engine.dispose()
    for difference in found:
        sys.stderr.write(f"tables.py and the migrations differ: {difference}\n")
    return 1 if found else 0


def _upgrade(url: str) -> int:
    engine = make_engine(url)
    try:
        schema.upgrade(engine)
    finally:
        engine.dispose()
    return 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m controller.store.migrate", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="compare the migrations with tables.py, in a temporary database")
    commands.add_parser("upgrade", help="bring a database to this release").add_argument("--url", required=True)
    chosen = parser.parse_args(arguments)
    if chosen.command == "check":
        return _check()
    try:
        return _upgrade(chosen.url)
    except StoreError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
