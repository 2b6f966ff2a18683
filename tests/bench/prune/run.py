"""The whole campaign, part by part. A finished part is kept, so that a run that was stopped goes on from there."""

from __future__ import annotations

import json
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.bench.prune import envelopes, points, profiles, rivals, solving
from tests.bench.prune.lab import Lab
from tests.bench.prune.table import page
from tests.bench.prune.targets import targets

_EPOCHS = {"residual": 1.75, "wearable": 4.0, "mobile": 2.0}
PARTS = tuple(_EPOCHS)
_ENVELOPES = 10  # of each network
_BESPOKE = 10
_SERVING = "residual"  # a thousand profiles: a quarter of an hour for each network
Row = dict[str, Any]


def main(work: Path, docs: Path, fresh: bool, names: Sequence[str]) -> None:
    """Measure the networks called `names`; each is published when it is done, beside what was there of the others."""
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[{(time.monotonic() - began) / 60:5.1f} min] {text}", flush=True)

    if fresh:
        for name in names:
            shutil.rmtree(work / name, ignore_errors=True)
    solves, networks = {**_measured(), **solving.solves()}, _published(docs)
    for name in names:
        networks[name] = _network(Lab(name, work, _EPOCHS[name], say))
        results = _publish(docs, solves, networks)
    for each in results["targets"]:
        say(f"{'reached' if each['reached'] else 'MISSED '} {each['name']}: {each['measured']} ({each['target']})")


def _published(docs: Path) -> Row:
    path = docs / "prune.json"
    networks: Row = json.loads(path.read_text())["networks"] if path.is_file() else {}
    return networks


def _publish(docs: Path, solves: Row, networks: Row) -> Row:
    results: Row = {
        "repeat": "make bench BENCH=prune",
        "solve": solves,
        "networks": {name: networks[name] for name in PARTS if name in networks},
    }
    results["targets"] = targets(results)
    docs.mkdir(parents=True, exist_ok=True)
    (docs / "prune.json").write_text(json.dumps(results, indent=1) + "\n")
    (docs / "prune.md").write_text(page(results))
    return results


def _network(lab: Lab) -> Row:
    network: Row = _part(lab, "measured", _measured)
    network["ladder"] = _part(lab, "ladder", lambda: points.ladder(lab))
    ours = network["ladder"]["points"]
    network["peers"] = _part(lab, "peers", lambda: rivals.rivals(lab, ours))
    network["from_ladder"] = _part(lab, "from-ladder", lambda: rivals.from_ladder(lab, ours))
    network["points"] = list(_beside(network))
    network["predictions"] = _part(lab, "predictions", lambda: points.tracked(lab, ours))
    network["envelopes"] = _part(lab, "envelopes", lambda: envelopes.envelopes(lab, _ENVELOPES))
    if lab.name == _SERVING:
        network["profiles"] = _part(lab, "profiles", lambda: profiles.profiles(lab, _BESPOKE))
    return network


def _beside(network: Row) -> Iterator[Row]:
    """What a picture of the ladder shows beside its rungs."""
    for each in network["ladder"]["points"]:
        if (each["series"], each["rung"]) == ("hedgerow int8", 0):
            yield each | {"series": "dense int8"}
    yield from (each for each in (*network["peers"], *network["from_ladder"]) if "accuracy" in each)


def _part(lab: Lab, name: str, make: Callable[[], Any]) -> Any:
    path = lab.work / lab.name / f"part-{name}.json"
    if path.is_file():
        lab.say(f"{lab.name}: {name} is there already")
        return json.loads(path.read_text())
    lab.say(f"{lab.name}: {name}")
    made = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(made, indent=1))
    return made


def _measured() -> Row:
    return {"date": time.strftime("%Y-%m-%d"), "host": _host()}


def _host() -> Row:
    cpu = platform.processor()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": version("torch"),
        "onnxruntime": version("onnxruntime"),
        "torch_pruning": version("torch-pruning"),
    }
