"""A small user model, trained and written down as its owner would: a spec, a file of code and weights."""

from __future__ import annotations

import queue
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from controller.core.types import Caps
from controller.pruning.job import JobRequest, JobResult, JobRunner

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
Run = Callable[[JobRequest], JobResult]


def _train(code: dict[str, Callable[[], object]]) -> nn.Module:
    torch.manual_seed(0)
    model, data = code["build"](), code["data"]()
    assert isinstance(model, nn.Module)
    inputs, labels = map(torch.from_numpy, data.train)  # type: ignore[attr-defined]
    optimiser = torch.optim.AdamW(model.parameters(), 2e-3)
    for _ in range(8):
        for chosen in torch.randperm(len(inputs)).split(64):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(model(inputs[chosen]), labels[chosen]).backward()
            optimiser.step()
    return model


@pytest.fixture(scope="session")
def glyphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the user's model: `model.yaml`, and `strict.yaml` with a floor that no pruned variant meets."""
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("glyphs")
    (folder / "user.py").write_text(USER_CODE)
    code: dict[str, Callable[[], object]] = {}
    exec(USER_CODE, code)
    save_file(_train(code).state_dict(), folder / "weights.safetensors")
    (folder / "model.yaml").write_text(SPEC.format(floor="60 %"))
    (folder / "strict.yaml").write_text(SPEC.format(floor="99.99 %"))
    return folder


@pytest.fixture(scope="session")
def run_job() -> Run:
    """Run one job in its own process and wait for its result."""

    def run(request: JobRequest) -> JobResult:
        results: queue.Queue[JobResult] = queue.Queue()
        JobRunner().start("job", request, lambda *_: None, lambda _, result: results.put(result))
        return results.get(timeout=150)

    return run


@pytest.fixture(scope="session")
def shelf_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("artifacts")


@pytest.fixture(scope="session")
def dense(glyphs: Path, shelf_dir: Path, run_job: Run) -> JobResult:
    return run_job(
        JobRequest(kind="dense", spec_path=str(glyphs / "model.yaml"), caps=Caps(), artifact_dir=str(shelf_dir))
    )
