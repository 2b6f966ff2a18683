"""The benchmark of what prunes cost a fleet and what they win it, part by part.

`now` plays a rollout to a thousand devices under today's rule, `before` the same under release 0.1's, taken from the
history of this repository, for as many seconds of jobs. `bespoke` prunes for ten of the devices alone, `skipped` for
ten of those whose prune was said not to pay. What was chosen on one half of the gate is judged on the other.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from controller.core.nouns.caps import Caps
from controller.core.nouns.job import JobState
from controller.core.nouns.work import Prune
from controller.pruning.artifact.export import run_artifact
from controller.pruning.job import JobRequest, JobResult, JobRunner
from controller.pruning.judge.accuracy import right
from controller.zoo.reference import find_reference
from tests.bench.before import HERE, checked_out
from tests.bench.economy import halves
from tests.bench.economy.page import page
from tests.bench.economy.targets import targets
from tests.bench.parts import Row, host, kept, known, whole

PARTS = ("now", "before", "bespoke", "skipped")
_BUDGET_S = 900.0  # of jobs a run: it stays under twenty minutes, and the next one goes on
_EPOCHS = 1.75
_SAMPLED, _SEED = 10, 20261128


def main(work: Path, docs: Path, fresh: bool, parts: Sequence[str]) -> None:
    """Measure the parts that are not there yet, each published when it ends."""
    began = time.monotonic()
    if fresh:
        for part in parts:
            (work / f"part-{part}.json").unlink(missing_ok=True)
            shutil.rmtree(work / part, ignore_errors=True)
    (work / "networks").mkdir(parents=True, exist_ok=True)
    makers: dict[str, Callable[[Path], Row]] = {
        "now": lambda folder: _played(work, folder, HERE),
        "before": lambda folder: _played(work, folder, checked_out(work, "economy")),
        "bespoke": lambda _: _bespoke(work, kept(work, "now"), _sampled(kept(work, "now")["devices"])),
        "skipped": lambda _: _bespoke(work, kept(work, "now"), _sampled(_skipped(kept(work, "now")["devices"]))),
    }
    for part in parts:
        if not whole(work, part):
            print(f"[{(time.monotonic() - began) / 60:5.1f} min] {part}", flush=True)
            made = makers[part](work / part)
            (work / f"part-{part}.json").write_text(json.dumps(made, indent=1))
        publish(work, docs)


def publish(work: Path, docs: Path) -> None:
    parts = known(work, PARTS)
    results: Row = {
        "repeat": "make bench BENCH=economy",
        "date": time.strftime("%Y-%m-%d"),
        "host": host(),
        "budget_s": _BUDGET_S,
        "seed": _SEED,
        "parts": {name: {key: each[key] for key in each if key != "devices"} for name, each in parts.items()},
    }
    results["devices"] = {name: len(each["devices"]) for name, each in parts.items() if "history" in each}
    results["targets"] = targets(parts)
    docs.mkdir(parents=True, exist_ok=True)
    (docs / "economy.json").write_text(json.dumps(results, indent=1) + "\n")
    (docs / "economy.md").write_text(page(results, parts))


def spec_with(work: Path, epochs: float) -> Path:
    """The residual network's spec, judged by the first half of the gate; without a floor, what is bad is to be seen."""
    reference = find_reference("residual")
    path = reference.write_spec(work / "networks" / "residual", reference.train(work / "networks", print))
    spec = yaml.safe_load(path.read_text())
    spec |= {"data": "tests.bench.economy.halves:chosen_on", "recover": {"epochs": epochs}}
    spec.pop("accuracy", None)
    made = work / f"model-{epochs:g}.yaml"
    made.write_text(yaml.safe_dump(spec, sort_keys=False))
    return made


def _played(work: Path, folder: Path, code: Path) -> Row:
    """By the code in `code`, in a process of its own."""
    spec = spec_with(work, _EPOCHS)
    command = [sys.executable, "-m", "tests.bench.economy.fleet", str(folder), str(spec), f"{_BUDGET_S:g}"]
    subprocess.run(command, check=True, cwd=code, env=os.environ | {"PYTHONPATH": str(code)})
    played: Row = json.loads((folder / "fleet.json").read_text())
    return played


def _skipped(devices: Sequence[Row]) -> list[Row]:
    return [each for each in devices if each["reason"].endswith("not worth a job")]


def _sampled(devices: Sequence[Row]) -> list[Row]:
    dice = np.random.default_rng(_SEED)
    return [devices[int(at)] for at in dice.permutation(len(devices))[:_SAMPLED]]


def _bespoke(work: Path, played: Row, devices: Sequence[Row]) -> Row:
    """For each device a prune to its own caps, as long trained as what serves it, both judged on the other half."""
    known = {each["sha256"]: each for each in played["artifacts"]}
    gate = halves.judged_on()
    assert gate.labels is not None
    rows = []
    for each in devices:
        caps = Caps(ram_bytes=each["ram_bytes"], storage_bytes=each["storage_bytes"], latency_s=each["latency_s"])
        epochs = _epochs(known.get(each["sha256"] or ""), known)
        result = _pruned(work, caps, epochs)
        made = result.variant if result.state is JobState.DONE else None
        served = _right(work / "now" / "artifacts", each["sha256"], gate.inputs, gate.labels)
        own = _right(work / "bespoke-shelf", made.sha256 if made else None, gate.inputs, gate.labels)
        row = {"caps": caps.key, "epochs": epochs, "served": _mean(served), "bespoke": _mean(own)}
        if own is not None:  # what is not served loses all of it
            held = np.zeros_like(own) if served is None else served
            row |= {
                "regret": _mean(own) - _mean(held),
                "lost": int((own & ~held).sum()),
                "won": int((held & ~own).sum()),
            }
        print(row, flush=True)
        rows.append(row)
    return {"rows": rows, "samples": len(gate.labels), "of": len(devices)}


def _epochs(variant: Row | None, known: dict[str, Row]) -> float:
    """All that the variant was trained since the dense model, along what it was cut from."""
    total = 0.0
    while variant is not None:
        total += float(variant["lineage"].get("recovery_epochs", 0.0))
        variant = known.get(variant["lineage"].get("parent") or "")
    return max(total, _EPOCHS)


def _pruned(work: Path, caps: Caps, epochs: float) -> JobResult:
    shelf = work / "bespoke-shelf"
    if not shelf.exists():
        shutil.copytree(work / "now" / "artifacts", shelf)
    results, runner = list[JobResult](), JobRunner()
    request = JobRequest(work=Prune(caps), spec_path=str(spec_with(work, epochs)), artifact_dir=str(shelf), threads=1)
    runner.start("bespoke", request, lambda *_: None, lambda _job, result: results.append(result))
    while not results:
        time.sleep(0.5)
    return results[0]


def _right(folder: Path, sha256: str | None, inputs: Any, labels: Any) -> Any:
    """Whether the artifact is right on each sample; None where there is none."""
    if sha256 is None:
        return None
    return right(run_artifact((folder / f"{sha256}.onnx").read_bytes(), inputs), labels)


def _mean(rights: Any) -> float:
    return 0.0 if rights is None else float(np.mean(rights))
