"""One run of the demo, watched from outside: how it ended, how long it took, and how long it said nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any

from tests.bench.demo.spin import busy_core

_LIMIT_S = 1200.0
Row = dict[str, Any]


def once(cache: Path, log: Path, busy: bool) -> Row:
    """The run's row. `cache` holds what is kept between runs; what the demo says goes to `log`."""
    with busy_core() if busy else nullcontext():
        began = time.monotonic()
        command = [sys.executable, "-m", "controller.cli", "demo", "--json", "--cache", str(cache)]
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"XDG_CACHE_HOME": str(cache)},  # where kernel times are kept
        ) as demo:
            assert demo.stdout is not None
            assert demo.stderr is not None
            too_long = threading.Timer(_LIMIT_S, demo.terminate)
            too_long.start()
            silence_s = _listen(demo.stderr, log, began)
            told = demo.stdout.read()
            code = demo.wait()
            too_long.cancel()
        seconds = time.monotonic() - began
    return {"busy": busy, "exit": code, "seconds": seconds, "longest_silence_s": silence_s, **_told(told)}


def _listen(lines: IO[str], log: Path, began: float) -> float:
    """Write down every line with its second; the longest time between two of them."""
    last, longest = began, 0.0
    with log.open("w") as out:
        for line in lines:
            now = time.monotonic()
            last, longest = now, max(longest, now - last)
            print(f"{now - began:6.1f}  {line.rstrip()}", file=out, flush=True)
    return longest


def _told(text: str) -> Row:
    """What the demo's own JSON says; null where it did not come so far."""
    found: Row = json.loads(text.splitlines()[-1]) if text.strip() else {}
    return {
        "prunes": found.get("prunes"),
        "variants_ran": found.get("variants_ran"),
        "incident_seconds": found["incident"]["seconds"] if found else None,
        "not_shown": found.get("not_shown", ["it did not come to its end"]),
    }
