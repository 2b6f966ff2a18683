"""Parity: what an artifact may change of the model's answers, and the tolerance that follows for devices."""

from __future__ import annotations

import copy

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from controller.pruning.artifact.export import ExportError, export_onnx
from controller.pruning.artifact.int8 import quantise
from controller.pruning.artifact.parity import check_parity, compare
from controller.pruning.model.data import Floats


def inputs() -> Floats:
    return np.random.default_rng(0).standard_normal((256, 1, 8, 8)).astype(np.float32)


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 10)
    ).eval()


@pytest.fixture(scope="module")
def artifact(model: nn.Module) -> bytes:
    return export_onnx(model, torch.zeros(1, 1, 8, 8))


def damaged(model: nn.Module, by: float) -> nn.Module:
    other = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(by * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    return other


class TwoHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.kind, self.place = nn.Linear(4, 3), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.kind(x), self.place(x)


def test_inputs_and_outputs_are_called_the_same_in_every_variant() -> None:
    graph = onnx.load_from_string(export_onnx(TwoHeads(), torch.zeros(1, 4))).graph
    assert [each.name for each in graph.input] == ["input"]
    assert [each.name for each in graph.output] == ["output", "output_1"]


def test_an_export_answers_as_the_model(model: nn.Module, artifact: bytes) -> None:
    parity = check_parity(model, artifact, inputs())
    assert (parity.agreement, parity.samples) == (1.0, 256)
    assert parity.typical <= parity.worst < 1e-4
    assert parity.golden_tolerance == 1e-3


def test_an_artifact_of_another_model_fails(model: nn.Module, artifact: bytes) -> None:
    with pytest.raises(ExportError, match="differ from the model's by"):
        check_parity(damaged(model, 0.05), artifact, inputs())
    with pytest.raises(ExportError, match="int8 changes the answers by"):
        check_parity(damaged(model, 0.05), quantise(artifact, inputs()), inputs(), "int8")


def test_int8_is_no_fp32_but_passes_as_int8(model: nn.Module, artifact: bytes) -> None:
    quantised = quantise(artifact, inputs())
    with pytest.raises(ExportError, match=r"allowed 0\.001"):
        check_parity(model, quantised, inputs())
    parity = check_parity(model, quantised, inputs(), "int8")
    assert 1e-3 < parity.golden_tolerance < 0.1
    assert parity.agreement is not None
    assert parity.agreement > 0.95


def test_another_output_shape_is_told() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    artifact = export_onnx(nn.Sequential(nn.Flatten(), nn.Linear(64, 4)), torch.zeros(1, 1, 8, 8))
    with pytest.raises(ExportError, match=r"\[4\], the model's \[3\]"):
        check_parity(model, artifact, inputs())


def test_what_is_no_classifier_has_no_agreement() -> None:
    model = nn.Conv2d(1, 2, 3)
    assert check_parity(model, export_onnx(model, torch.zeros(1, 1, 8, 8)), inputs()).agreement is None


@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3), st.floats(0, 10))
def test_the_noise_does_not_depend_on_the_outputs_scale(seed: int, scale: float, error: float) -> None:
    dice = np.random.default_rng(seed)
    expected, change = dice.standard_normal((2, 16, 4)).astype(np.float32)
    here = compare(expected, expected + np.float32(error) * change)
    there = compare(np.float32(scale) * expected, np.float32(scale) * (expected + np.float32(error) * change))
    assert here.noise == pytest.approx(there.noise, rel=1e-3, abs=1e-5)
    assert here.agreement == there.agreement
    assert here.typical <= here.worst * (1 + 1e-9)
