"""Where the benchmark works: a network with its shelf, jobs as the controller runs them, measuring beside dense."""

from __future__ import annotations

import queue
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
import yaml
from torch import nn

from controller.core.nouns.caps import Caps
from controller.core.nouns.variant import Variant
from controller.core.nouns.work import Work
from controller.core.paired import Paired
from controller.pruning.artifact.export import run_artifact
from controller.pruning.job import JobRequest, JobResult, JobRunner
from controller.pruning.jobs.bench import Bench, open_bench
from controller.pruning.judge.accuracy import Accuracy, classify, pair
from controller.pruning.model.data import Floats, Split
from controller.pruning.model.outputs import answers
from controller.pruning.paces import Paces
from controller.pruning.recover.distil import recover
from controller.pruning.spec import load_spec
from controller.pruning.steps import Steps
from tests.bench.prune import nets
from tests.bench.prune.hot import speedup

THREADS = 2
SEED = 1
_TIMEOUT_S = 4 * 3600.0
_NO_CAPS = Caps()
Say = Callable[[str], None]


@dataclass(frozen=True)
class Lab:
    """One network of the benchmark. `epochs` is the recovery budget of a rung and of a one-off prune."""

    name: str
    work: Path
    epochs: float
    say: Say

    @cached_property
    def spec_path(self) -> Path:
        return self.spec_with(self.epochs)

    @property
    def shelf(self) -> Path:
        return self.work / self.name / "shelf"

    def copied_shelf(self, name: str) -> Path:
        """A copy of the shelf with what the ladder left on it, for jobs that are not to add to it."""
        copy = self.work / self.name / name
        if not copy.exists():
            shutil.copytree(self.shelf, copy)
        return copy

    def spec_with(self, epochs: float) -> Path:
        """The network's spec with a recovery budget of so many epochs, and no floor: what is bad is to be seen."""
        given = nets.prepare(self.name, self.work.parent / "networks", self.say)
        spec = yaml.safe_load(given.read_text())
        spec["recover"] = {"epochs": epochs}
        spec.pop("accuracy", None)
        path = self.work / self.name / f"model-{epochs:g}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(spec, sort_keys=False))
        return path

    @cached_property
    def bench(self) -> Bench:
        """For measuring and training in this process, on the jobs' own shelf."""
        torch.set_num_threads(THREADS)
        return open_bench(
            load_spec(self.spec_path), self.shelf, SEED, Steps(lambda _share, text: self.say(text), Paces(None))
        )

    def job(
        self,
        work: Work,
        *,
        spec: Path | None = None,
        shelf: Path | None = None,
        start_from: tuple[str, ...] = (),
        kill_after: int | None = None,
    ) -> tuple[JobResult, tuple[Variant, ...]]:
        """Run one job in a process of its own; its result and what it announced. `kill_after` so many variants."""
        runner, results, made = JobRunner(), queue.Queue[JobResult](), list[Variant]()
        began, told = time.monotonic(), ""

        def moved(_job: str, share: float, text: str) -> None:
            nonlocal told
            if text.split(",", maxsplit=1)[0] != told:
                told = text.split(",", maxsplit=1)[0]
                self.say(f"{self.name} {work.kind} {share:4.0%} {time.monotonic() - began:5.0f} s: {text}")

        def announced(job: str, variant: Variant) -> None:
            made.append(variant)
            if kill_after is not None and len(made) >= kill_after:
                runner.cancel(job)

        request = JobRequest(
            work=work,
            spec_path=str(spec or self.spec_path),
            artifact_dir=str(shelf or self.shelf),
            start_from=start_from,
            seed=SEED,
            threads=THREADS,
        )
        runner.start("bench", request, moved, lambda _job, result: results.put(result), announced)
        return results.get(timeout=_TIMEOUT_S), tuple(made)

    def speedup(self, artifact: bytes) -> float:
        """Over the dense artifact, back to back."""
        dense = self.bench.shelf.dense()
        assert dense is not None
        with tempfile.TemporaryDirectory(prefix="hedgerow-") as folder:
            path = Path(folder) / "artifact.onnx"
            path.write_bytes(artifact)
            return speedup(path, dense.artifact)

    def recovered(self, module: nn.Module) -> nn.Module:
        """By the same distillation and budget that our own variants get."""
        data = self.bench.model.data
        assert data is not None
        budget = self.bench.model.spec.recovery
        return recover(module, data, self.bench.teacher, budget, SEED, lambda *_: None).module

    def judged(self, outputs: Floats) -> tuple[Accuracy, Paired]:
        """Of outputs for the gate's inputs `[n, classes]`: alone, and against the dense model's."""
        gate = self.gate
        assert gate.labels is not None
        return classify(outputs, gate.labels), pair(self.dense_answers, outputs, gate.labels)

    def margin(self, sha256: str) -> float:
        """The smallest that the gate would pass this artifact of the shelf with."""
        return self.judged(run_artifact(self.artifact(sha256), self.gate.inputs))[1].smallest_margin

    def artifact(self, sha256: str) -> bytes:
        """Of the shelf."""
        return (self.shelf / f"{sha256}.onnx").read_bytes()

    def answers(self, module: nn.Module) -> Floats:
        return answers(module, self.gate.inputs)

    @property
    def gate(self) -> Split:
        data = self.bench.model.data
        assert data is not None
        return data.gate

    @cached_property
    def dense_answers(self) -> Floats:
        return self.answers(self.bench.model.module)
