"""A model as its user brings it: a folder of code, weights and spec. A small net tells three waves in noise apart."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_CODE = """\
import sys
from types import SimpleNamespace

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn


def build():
    def block(i, o):
        return nn.Sequential(nn.Conv1d(i, o, 5, padding=2), nn.BatchNorm1d(o), nn.ReLU(), nn.MaxPool1d(4))
    head = nn.Sequential(nn.Flatten(), nn.Linear(256, 768), nn.ReLU(), nn.Linear(768, 512), nn.ReLU())
    return nn.Sequential(block(2, 32), block(32, 64), head, nn.Linear(512, 3))


def data():
    dice = np.random.default_rng(3)

    def split(n):
        labels = dice.integers(0, 3, n)
        times = np.arange(64) / 64 + dice.random((n, 1))
        waves = np.sin(2 * np.pi * (2 + 3 * labels[:, None]) * times)
        return (waves[:, None] + dice.normal(0, 0.3, (n, 2, 64))).astype("float32"), labels
    return SimpleNamespace(train=split(512), select=split(100), gate=split(200))


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model, (inputs, labels) = build(), map(torch.from_numpy, data().train)
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    for _ in range(4):
        for chosen in torch.randperm(512).split(32):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(inputs[chosen]), labels[chosen]).backward()
            optimiser.step()
    save_file(model.state_dict(), sys.argv[1])
"""
_SPEC = """\
name: waves
version: "1"
factory: user.py:build
weights: weights.safetensors
input: {shape: [1, 2, 64]}
data: user.py:data
accuracy: {floor: 60 %}
recover: {epochs: 1}
"""


def write_model(folder: Path) -> Path:
    """Train it and write it down; the path of its spec. In a process of its own: the test itself loads no torch."""
    folder.mkdir()
    (folder / "user.py").write_text(_CODE)
    weights = str(folder / "weights.safetensors")
    done = subprocess.run([sys.executable, "user.py", weights], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (folder / "model.yaml").write_text(_SPEC)
    return folder / "model.yaml"
