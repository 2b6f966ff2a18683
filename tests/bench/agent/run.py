"""All measurements of the agent, and the page and targets made of them."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench.agent import measures
from tests.bench.parts import host

_IDLE_S = float(os.environ.get("HEDGEROW_IDLE_S", "1800"))
_SWAPS = 100
_SIMULATED = 1000
PARTS = ()
Row = dict[str, Any]


def main(_work: Path, docs: Path, _fresh: bool, _parts: Sequence[str]) -> None:
    def measured(name: str, *args: Any) -> Row:
        print(f"{name} ...", flush=True)
        with tempfile.TemporaryDirectory(prefix="hg-") as folder:
            row: Row = getattr(measures, name)(Path(folder), *args)
        print(f"{name}: {row}", flush=True)
        return row

    results: Row = {
        "repeat": "make bench BENCH=agent",
        "date": time.strftime("%Y-%m-%d"),
        "host": host(),
        "start": measured("starts"),
        "overhead": measured("overheads"),
        "swap": measured("swaps", _SWAPS),
        "by_hand": measured("by_hand"),
        "simulated": measured("simulated", _SIMULATED),
        "installed": measures.installed(),
        "idle": measured("idles", _IDLE_S),
    }
    results["targets"] = targets(results)
    docs.mkdir(parents=True, exist_ok=True)
    (docs / "agent.json").write_text(json.dumps(results, indent=1) + "\n")
    (docs / "agent.md").write_text(page(results))


def targets(results: Row) -> list[Row]:
    idle, over, swap = results["idle"], results["overhead"], results["swap"]
    added_s = over["binary_s"] - over["bare_s"]
    return [
        _target("supervisor RSS when idle", "at most 30 MB", f"{idle['supervisor_rss_bytes'] / 1e6:.1f} MB over "
                f"{idle['lasted_s'] / 60:.0f} min", idle["supervisor_rss_bytes"] <= 30e6),
        _target("supervisor CPU when idle", "at most 0.5 % of a core", f"{idle['supervisor_cpu_share']:.2%}",
                idle["supervisor_cpu_share"] <= 0.005),
        _target("leak", "none in 30 min: at most 256 KiB in the second half",
                f"{idle['supervisor_grew_late_bytes'] / 1024:.0f} KiB in the last {idle['lasted_s'] / 120:.0f} min, "
                f"{idle['supervisor_grew_bytes'] / 1024:.0f} KiB in all", idle["supervisor_grew_late_bytes"] <= 2**18),
        _target("start to connected", "under 1 s", f"{results['start']['start_to_connected_s']:.2f} s",
                results["start"]["start_to_connected_s"] < 1),
        _target("overhead of an inference over HTTP", "under 0.5 ms at the median, binary, kept connection",
                f"{added_s * 1e3:.2f} ms over {over['bare_s'] * 1e3:.3f} ms (JSON: "
                f"{(over['json_s'] - over['bare_s']) * 1e3:.2f} ms)", added_s < 0.5e-3),
        _target("swaps under load", "0 failed requests across 100", f"{swap['failed']} of {swap['requests']} requests "
                f"in {swap['swaps']} swaps, longest wait {swap['longest_s'] * 1e3:.0f} ms", swap["failed"] == 0),
    ]  # fmt: skip


def page(results: Row) -> str:
    host, hand, installed, idle = results["host"], results["by_hand"], results["installed"], results["idle"]
    many = results["simulated"]
    lines = [
        "# The agent, measured",
        "",
        f"Written by `{results['repeat']}` on {results['date']}: {host['cores']} cores, {host['machine']}, Python "
        f"{host['python']}.",
        "",
        "| target | aimed for | measured | reached |",
        "|---|---|---|---|",
        *(
            f"| {each['name']} | {each['target']} | {each['measured']} | {'yes' if each['reached'] else '**no**'} |"
            for each in results["targets"]
        ),
        "",
        "| | agent | by hand: paho and onnxruntime in one process |",
        "|---|---|---|",
        f"| RAM | {idle['supervisor_rss_bytes'] / 1e6:.0f} MB, worker {idle['worker_rss_bytes'] / 1e6:.0f} MB "
        f"| {hand['rss_bytes'] / 1e6:.0f} MB |",
        f"| an inference asked for and answered | {results['overhead']['binary_s'] * 1e3:.2f} ms over HTTP "
        f"| {hand['round_trip_s'] * 1e3:.2f} ms over MQTT (QoS 0) |",
        f"| installed | {installed['supervisor_bytes'] / 1e6:.0f} MB, worker {installed['worker_bytes'] / 1e6:.0f} MB "
        "| the same libraries |",
        "",
        f"`agent simulate -n {many['devices']}`: {many['rss_bytes'] / 1e6:.0f} MB, {many['threads']} threads, all "
        f"connected after {many['online_s']:.0f} s, all with their model {many['placed_s']:.0f} s later; then "
        f"{many['cpu_share']:.1%} of a core with a window each 30 s.",
        "",
        "By hand there is no update, no trial, no cap, no telemetry and no rollback.",
    ]
    return "\n".join(lines) + "\n"


def _target(name: str, target: str, measured: str, reached: bool) -> Row:
    return {"name": name, "target": target, "measured": measured, "reached": reached}
