"""`controller demo`: a controller and a fleet of real agent processes on this machine, and the loop runs by itself."""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

from controller.cli.demo.outcome import outcome
from controller.cli.demo.processes import Processes
from controller.cli.demo.report import print_report
from controller.cli.demo.stage import Stage, set_stage
from controller.cli.demo.story import CHAPTERS, Story
from controller.cli.demo.teller import DemoFailed, Teller
from controller.cli.demo.verdict import shortcomings
from controller.cli.output import show_line

CACHE = Path("~/.cache/hedgerow")


def run_demo(*, as_json: bool, keep: bool, state: Path | None, cache: Path | None) -> int:
    """Play the whole story; 0 where everything holds that it claims, 1 with the reasons where not.

    Ended by SIGTERM or Ctrl-C, it ends every process that it started.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if state is not None:
        return _play(as_json, keep, state.expanduser().resolve(), cache)
    with tempfile.TemporaryDirectory(prefix="hedgerow-demo-") as scratch:
        return _play(as_json, keep, Path(scratch) / "demo", cache)


def _play(as_json: bool, keep: bool, root: Path, cache: Path | None) -> int:
    out = sys.stderr if as_json else sys.stdout
    teller = Teller(out, CHAPTERS)
    stage = set_stage(root)
    processes = Processes(root / "logs")
    try:
        story = Story(stage, processes, teller, (cache or CACHE).expanduser())
        scenes = story.play()
        wrong = shortcomings(scenes)
        print_report(scenes, wrong, out)
        if as_json:
            show_line(outcome(scenes))
        if keep:
            _stay(stage, processes, teller)
        return 1 if wrong else 0
    except DemoFailed as error:
        teller.say(f"the demo failed: {error}")
        return 1
    except KeyboardInterrupt:
        teller.say("interrupted")
        return 130
    finally:
        processes.end()


def _stay(stage: Stage, processes: Processes, teller: Teller) -> None:
    teller.say(f"still running: {stage.api} (Ctrl-C ends it; logs in {stage.root / 'logs'})")
    teller.say(f"try: controller device list --api {stage.api}")
    try:
        processes.wait()
    except KeyboardInterrupt:
        teller.say("ending")
