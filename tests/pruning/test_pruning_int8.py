"""INT8 artifacts: a quarter of the bytes, integer kernels, the same answers, the same bytes every time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from torch import nn

from controller.core.nouns.variant import Precision
from controller.pruning.artifact import int8
from controller.pruning.artifact.export import export_onnx, run_artifact
from controller.pruning.artifact.int8 import quantise
from controller.pruning.artifact.parity import check_parity
from controller.pruning.errors import ExportError
from controller.pruning.model.data import Floats


class Residual(nn.Module):
    """Depthwise and pointwise convolutions, a residual sum, a concatenation and a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU())
        self.depthwise = nn.Sequential(nn.Conv2d(32, 32, 3, padding=1, groups=32), nn.ReLU6(), nn.Conv2d(32, 32, 1))
        self.branch = nn.Conv2d(32, 16, 3, padding=1)
        self.head = nn.Linear(48, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = torch.relu(x + self.depthwise(x))
        x = torch.cat([x, torch.relu(self.branch(x))], dim=1)
        logits: torch.Tensor = self.head(x.mean((2, 3)))
        return logits


class Transformer(nn.Module):
    """One encoder layer over 16 tokens of 32 numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(8, 32)
        self.layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, activation="gelu")
        self.head = nn.Linear(32, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.layer(self.embed(x)).mean(1))
        return logits


def one_dimensional() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(6, 32, 5, padding=2), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(32, 32, 3), nn.ReLU(),
        nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 7),
    )  # fmt: skip


CASES: list[tuple[Callable[[], nn.Module], tuple[int, ...], dict[str, int]]] = [
    (Residual, (3, 12, 12), {"QLinearConv": 4, "QLinearAdd": 1, "QLinearConcat": 1, "QGemm": 1}),
    (one_dimensional, (6, 32), {"QLinearConv": 2, "QGemm": 2}),
    (Transformer, (16, 8), {"QGemm": 6, "FusedMatMul": 2}),
]


def made(build: Callable[[], nn.Module], shape: tuple[int, ...]) -> tuple[nn.Module, bytes, Floats]:
    torch.manual_seed(0)
    model = build().eval()
    inputs = np.random.default_rng(0).standard_normal((256, *shape)).astype(np.float32)
    return model, export_onnx(model, torch.zeros(1, *shape)), inputs


def running(artifact: bytes, path: Path) -> Counter[str]:
    """The operators that the runtime makes of it, by name."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(path)
    ort.InferenceSession(artifact, options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(path).graph.node)


@pytest.mark.parametrize(("build", "shape", "kernels"), CASES)
def test_what_multiplies_runs_in_integers_and_answers_stay(
    build: Callable[[], nn.Module], shape: tuple[int, ...], kernels: dict[str, int], tmp_path: Path
) -> None:
    model, artifact, inputs = made(build, shape)
    quantised = quantise(artifact, inputs)
    found = running(quantised, tmp_path / "optimised.onnx")
    assert {name: found[name] for name in kernels} == kernels
    assert not {"Conv", "Gemm"} & set(found)
    assert check_parity(model, quantised, inputs, Precision.INT8).noise < 0.1


def test_int8_takes_a_fraction_of_the_bytes() -> None:
    _, artifact, inputs = made(one_dimensional, (6, 32))
    assert len(quantise(artifact, inputs)) < 0.5 * len(artifact)


def test_input_and_output_keep_name_shape_and_type() -> None:
    _, artifact, inputs = made(Residual, (3, 12, 12))
    faces = [
        [(each.name, each.shape, each.type) for each in (*session.get_inputs(), *session.get_outputs())]
        for session in map(ort.InferenceSession, (artifact, quantise(artifact, inputs)))
    ]
    assert faces[0] == faces[1]


def test_weights_keep_to_seven_bits() -> None:
    _, artifact, inputs = made(Residual, (3, 12, 12))
    weights = [
        onnx.numpy_helper.to_array(each)
        for each in onnx.load_from_string(quantise(artifact, inputs)).graph.initializer
        if each.data_type == onnx.TensorProto.INT8
    ]
    assert len(weights) >= 5
    assert all(np.abs(each.astype(int)).max() <= 64 for each in weights)


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_the_process(tmp_path: Path) -> None:
    _, artifact, inputs = made(one_dimensional, (6, 32))
    (tmp_path / "fp32.onnx").write_bytes(artifact)
    np.save(tmp_path / "inputs.npy", inputs)
    code = (
        "import pathlib, sys, numpy as np\n"
        "from controller.pruning.artifact.int8 import quantise\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "made = quantise((folder / 'fp32.onnx').read_bytes(), np.load(folder / 'inputs.npy'))\n"
        "(folder / 'int8.onnx').write_bytes(made)\n"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment, check=True)
    assert quantise(artifact, inputs) == quantise(artifact, inputs) == (tmp_path / "int8.onnx").read_bytes()


def test_quantising_is_silent_and_leaves_no_trace(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    _, artifact, inputs = made(one_dimensional, (6, 32))
    capfd.readouterr()
    quantised = quantise(artifact, inputs)
    assert capfd.readouterr() == ("", "")
    proto = onnx.load_from_string(quantised)
    assert not proto.metadata_props
    assert str(Path.cwd()).encode() not in quantised
    assert not any(node.name for node in proto.graph.node)
    assert {each.domain for each in proto.opset_import} == {""}


def test_a_bias_that_no_calibration_reached_still_answers() -> None:
    """All-zero inputs calibrate every activation to a range of nothing."""
    _, artifact, inputs = made(one_dimensional, (6, 32))
    assert np.isfinite(run_artifact(quantise(artifact, np.zeros_like(inputs)), inputs[:4])).all()


def test_what_cannot_be_quantised_says_why() -> None:
    model, inputs = nn.Sequential(nn.ReLU(), nn.Softmax(dim=1)), np.ones((4, 8), np.float32)
    artifact = export_onnx(model, torch.zeros(1, 8))
    with pytest.raises(ExportError, match="no weights in Conv, Gemm, MatMul"):
        quantise(artifact, inputs)
    with pytest.raises(ExportError, match="without calibration"):
        quantise(artifact, inputs[:0])
    with pytest.raises(ExportError, match="cannot be quantised"):
        quantise(b"no model", inputs)


def test_a_full_disk_is_not_the_model_s_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(int8, "quant_pre_process", full)
    with pytest.raises(OSError, match="No space left"):
        quantise(b"", np.zeros((4, 1), np.float32))
