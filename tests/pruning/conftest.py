"""A small user model, trained and written down as its owner would: a spec, a file of code and weights."""

from __future__ import annotations

import queue
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
import torch
from torch import nn

from controller.core.nouns.variant import Precision, Variant
from controller.core.nouns.work import Dense, Ladder
from controller.pruning.job import JobRequest, JobResult, JobRunner
from controller.pruning.shelf import Shelf

USER_CODE = '''\
"""Ten glyphs of 12 x 12 pixels, shifted and noisy, and a small network that reads them."""
from types import SimpleNamespace

import numpy as np
from torch import nn


def build():
    def block(i, o):
        return nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU(), nn.MaxPool2d(2))
    return nn.Sequential(block(1, 32), block(32, 64), nn.Flatten(), nn.Linear(64 * 9, 96), nn.ReLU(), nn.Linear(96, 10))


def data():
    dice = np.random.default_rng(5)
    glyphs = dice.random((10, 8, 8)) > 0.5

    def split(n):
        labels = dice.integers(0, 10, n)
        images = dice.normal(0, 0.4, (n, 1, 12, 12))
        for image, label, (y, x) in zip(images, labels, dice.integers(0, 5, (n, 2))):
            image[0, y:y + 8, x:x + 8] += glyphs[label]
        return images.astype("float32"), labels
    return SimpleNamespace(train=split(1024), select=split(200), gate=split(400))


def unlabelled():
    labelled = data()
    return SimpleNamespace(**{name: (images, None) for name, (images, _) in vars(labelled).items()})
'''
SPEC = """\
name: glyphs
version: "1"
factory: user.py:build
weights: weights.safetensors
input:
  shape: [1, 1, 12, 12]
data: user.py:data
accuracy:
  floor: {floor}
recover:
  epochs: 2
seed: 1
"""
UNTAUGHT_CODE = """\
from torch import nn

def build():
    return nn.Sequential(nn.Linear(20, 64), nn.Tanh(), nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 3))
"""
BRIEF = """\
import controller.pruning.jobs.lab
from controller.pruning.artifact.measure import measure_together
from controller.pruning.jobs.child import main

def measure_briefly(artifacts, golden_seed, samples, repeats, *beside):
    return measure_together(artifacts, golden_seed, 10, 1, *beside)

controller.pruning.jobs.lab.measure_together = measure_briefly
main()
"""
RUNGS, SEED = 2, 7
Run = Callable[[JobRequest], JobResult]


@dataclass
class Followed:
    """What a job said: its steps and variants in order, then the result."""

    result: JobResult
    steps: list[str]
    variants: list[Variant]


def ladder_request(spec: Path, shelf: Path) -> JobRequest:
    return JobRequest(work=Ladder(RUNGS), spec_path=str(spec), artifact_dir=str(shelf), seed=SEED)


def artifacts(folder: Path) -> set[str]:
    """The digests of all that is there."""
    return {path.stem for path in folder.glob("*.onnx")}


def marks_of(shelf: Shelf) -> set[str]:
    """The digests of what times are told against."""
    dense = shelf.dense()
    assert dense is not None
    found = (shelf.marks(precision, dense) for precision in Precision)
    return {mark.sha256 for marks in found if marks is not None for mark in marks.marks}


class Follow(Protocol):
    def __call__(self, request: JobRequest, cancel_after: int | None = None) -> Followed: ...


class _Brief(subprocess.Popen[bytes]):
    def __init__(self, _command: list[str], **pipes: Any) -> None:
        super().__init__([sys.executable, "-c", BRIEF], **pipes)


def _follow(request: JobRequest, cancel_after: int | None = None) -> Followed:
    runner, results, steps, variants = JobRunner(), queue.Queue[JobResult](), list[str](), list[Variant]()

    def heard(_: str, variant: Variant) -> None:
        variants.append(variant)
        if len(variants) == cancel_after:
            runner.cancel("job")

    runner.start(
        "job", request, lambda _, _share, text: steps.append(text), lambda _, result: results.put(result), heard
    )
    return Followed(results.get(timeout=150), steps, variants)


def _train(code: dict[str, Callable[[], object]]) -> nn.Module:
    torch.manual_seed(0)
    model, data = code["build"](), code["data"]()
    assert isinstance(model, nn.Module)
    inputs, labels = map(torch.from_numpy, data.train)  # type: ignore[attr-defined]
    optimiser = torch.optim.AdamW(model.parameters(), 2e-3)
    for _ in range(8):
        for chosen in torch.split(torch.randperm(len(inputs)), 64):
            optimiser.zero_grad()
            torch.autograd.backward(torch.nn.functional.cross_entropy(model(inputs[chosen]), labels[chosen]))
            optimiser.step()
    return model


@pytest.fixture(scope="session", autouse=True)
def _kernel_tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Kernels are timed once a session, by whichever job asks first, and the user's own tables stay as they are.

    The start of a run takes longer than all of so small a net, and a ladder of it would have next to no rungs.
    """
    from controller.pruning.cost.tables import host_name
    from controller.pruning.paces import host_folder

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        kernels = host_folder() / "kernels"
        kernels.mkdir(parents=True)
        (kernels / f"{host_name()}.jsonl").write_text('{"kernel": "start", "seconds": 1e-6}\n')
        yield


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)  # these nets are too small to share


@pytest.fixture(scope="session")
def glyphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the user's model: `model.yaml`, `strict.yaml` with a floor that no pruned variant meets, `low.yaml`
    with one that all do, and `unlabelled.yaml`."""
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("glyphs")
    (folder / "user.py").write_text(USER_CODE)
    code: dict[str, Callable[[], object]] = {}
    exec(USER_CODE, code)
    save_file(_train(code).state_dict(), folder / "weights.safetensors")
    (folder / "model.yaml").write_text(SPEC.format(floor="60 %"))
    (folder / "strict.yaml").write_text(SPEC.format(floor="99.99 %"))
    (folder / "low.yaml").write_text(SPEC.format(floor="1 %"))
    (folder / "unlabelled.yaml").write_text(SPEC.format(floor="60 %").replace(":data", ":unlabelled"))
    return folder


@pytest.fixture(scope="session")
def untaught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model without data."""
    folder = tmp_path_factory.mktemp("untaught")
    (folder / "net.py").write_text(UNTAUGHT_CODE)
    code: dict[str, Callable[[], nn.Module]] = {}
    exec(UNTAUGHT_CODE, code)
    torch.manual_seed(0)
    torch.save(code["build"]().state_dict(), folder / "weights.pt")
    (folder / "model.yaml").write_text(
        "name: plain\nversion: a\nfactory: net.py:build\nweights: weights.pt\ninput: {shape: [1, 20]}\n"
        "accuracy: {floor: 90 %}\n"
    )
    return folder


@pytest.fixture(scope="session")
def briefly() -> Follow:
    """Run one job in a process of its own to its end, or until so many variants were told of.

    Its measurements are of a few inferences in one worker: for what does not depend on the times.
    """

    def follow(request: JobRequest, cancel_after: int | None = None) -> Followed:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(subprocess, "Popen", _Brief)
            return _follow(request, cancel_after)

    return follow


@pytest.fixture(scope="session")
def run_job() -> Run:
    """Run one job in its own process and wait for its result."""
    return lambda request: _follow(request).result


@pytest.fixture(scope="session")
def shelf_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("artifacts")


@pytest.fixture(scope="session")
def dense(glyphs: Path, shelf_dir: Path, briefly: Follow) -> JobResult:
    request = JobRequest(work=Dense(), spec_path=str(glyphs / "model.yaml"), artifact_dir=str(shelf_dir))
    return briefly(request).result
