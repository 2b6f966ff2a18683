"""The second runtime: what may reach it, and that it answers as the first does."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from realagent import A
from torch import nn

from agent.wire.errors import Failure
from agent.wire.work import WorkerSpec
from agent.worker.ask import TrialError, tried
from agent.worker.backends import ncnn, onnx
from agent.worker.backends.contract import ContractError
from agent.worker.runtime import example
from controller.pruning.artifact.export import export_onnx
from controller.pruning.artifact.ncnn import to_ncnn
from controller.pruning.errors import ExportError


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.norm, self.head = nn.BatchNorm2d(8), nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.first(x))
        return self.head((x + self.norm(self.second(x))).mean((2, 3)))  # type: ignore[no-any-return]


NETS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "MLP": (lambda: nn.Sequential(nn.Linear(12, 8), nn.GELU(), nn.Linear(8, 3)), (12,)),
    "1-D": (
        lambda: nn.Sequential(nn.Conv1d(6, 8, 5), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(8, 7)),
        (6, 40),
    ),
    "residual, depthwise": (Residual, (3, 16, 16)),
    "image to image": (lambda: nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Sigmoid()), (1, 9, 9)),
}


@pytest.mark.parametrize("name", NETS)
def test_both_runtimes_answer_alike(name: str) -> None:
    torch.manual_seed(0)
    build, shape = NETS[name]
    artifact = export_onnx(build().eval(), torch.randn(1, *shape))
    first, second = onnx.open_session(artifact), ncnn.open_session(to_ncnn(artifact))
    assert (first.inputs, first.outputs) == (second.inputs, second.outputs)
    for seed in range(3):
        inputs = example(first, np.random.default_rng(seed))
        kept = {name: each.copy() for name, each in inputs.items()}
        for mine, other in zip(first.run(inputs), second.run(inputs), strict=True):
            np.testing.assert_allclose(other, mine, rtol=1e-4, atol=1e-5)
        np.testing.assert_equal(inputs, kept)  # ncnn works in place


def test_equal_models_are_equal_bytes() -> None:
    assert to_ncnn(A) == to_ncnn(A)


def test_what_ncnn_has_no_operator_for_is_not_exported() -> None:
    class Odd(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.fmod(x, 0.3).cumsum(1)

    artifact = export_onnx(Odd(), torch.randn(1, 8))
    with pytest.raises(ExportError, match="ncnn"):
        to_ncnn(artifact)


def packed(parts: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", compression) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return data.getvalue()


X, Y = (b'{"name":"%s","datatype":"FP32","shape":[1,8]}' % name for name in (b"x", b"y"))
SIGNATURE = b'{"inputs":[%s],"outputs":[%s]}' % (X, Y)
GRAPH = b"7767517\n2 2\nInput in0 0 1 in0\nReLU relu 1 1 in0 out0\n"
PARTS = {"model.json": SIGNATURE, "model.param": GRAPH, "model.bin": b""}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"PK no archive", "no ncnn artifact"),
        (packed(PARTS | {"more": b""}), "is allowed"),
        (packed({"model.json": b""}), "is allowed"),
        (packed(PARTS, zipfile.ZIP_DEFLATED), "compressed"),
    ],
)
def test_what_is_no_artifact_does_not_reach_the_runtime(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / "artifact"
    path.write_bytes(data)
    with pytest.raises(ContractError, match=says):
        ncnn.check(path)


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        (PARTS | {"model.param": GRAPH.replace(b"ReLU", b"Secret")}, "does not know an operator"),
        (PARTS | {"model.param": GRAPH.replace(b"2 2", b"x y")}, "operator|inputs"),
        (PARTS | {"model.json": b"{}"}, "missing required field"),
        (PARTS | {"model.json": SIGNATURE.replace(X, X + b"," + Y)}, "inputs"),
    ],
)
def test_a_damaged_artifact_is_a_bad_model_and_ends_nothing(tmp_path: Path, parts: dict[str, bytes], says: str) -> None:
    path = tmp_path / "artifact"
    path.write_bytes(packed(parts))
    with pytest.raises(TrialError, match=says):
        tried(WorkerSpec(path=str(path), sha256="0" * 64, runtime="ncnn"))


def test_a_trial_holds_it_to_the_golden_outputs_and_to_its_caps(tmp_path: Path) -> None:
    path = tmp_path / "artifact"
    path.write_bytes(to_ncnn(A))
    spec = {"path": str(path), "sha256": "0" * 64, "runtime": "ncnn", "samples": 20}
    good = tried(WorkerSpec(**spec))  # type: ignore[arg-type]
    assert good.trial.passed
    assert len(good.golden_outputs[0]) == 64
    wrong = [[value + 1 for value in row] for row in good.golden_outputs]
    assert tried(WorkerSpec(**spec, golden_outputs=wrong)).trial.failure is Failure.GOLDEN  # type: ignore[arg-type]
    assert tried(WorkerSpec(**spec, latency_p95_ms=1e-6)).trial.failure is Failure.LATENCY  # type: ignore[arg-type]
