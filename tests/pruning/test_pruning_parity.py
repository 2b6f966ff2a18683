"""Parity: what an artifact may change of the model's answers, and the tolerance that follows for devices."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from controller.core.nouns.variant import Precision
from controller.pruning.artifact.export import export_onnx
from controller.pruning.artifact.int8 import quantise
from controller.pruning.artifact.parity import check_parity, compare
from controller.pruning.errors import ExportError
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
    """Answers what `answer` makes of a kind, a place and a state whose first axis is not the batch."""

    def __init__(self, answer: Callable[..., Any] = lambda kind, place, state: (kind, place)) -> None:
        super().__init__()
        self.kind, self.place, self.answer = nn.Linear(4, 3), nn.Linear(4, 2), answer

    def forward(self, x: torch.Tensor) -> Any:
        kind, place = self.kind(x), self.place(x)
        return self.answer(kind, place, torch.stack([place, place * 2]))


WEIGHT = nn.Parameter(torch.ones(3))
ANSWERS: dict[str, tuple[Callable[..., Any], int]] = {
    "tuple": (lambda kind, place, state: (kind, place), 2),
    "dictionary": (lambda kind, place, state: {"kind": kind, "a place": place}, 2),
    "nested": (lambda kind, place, state: (kind, [{"place": place}, (state,)]), 3),
    "nothing beside": (lambda kind, place, state: (kind, None, place), 2),
    "a weight": (lambda kind, place, state: (kind, WEIGHT), 2),
    "twice the same": (lambda kind, place, state: (kind, kind), 2),
    "a class and a number": (lambda kind, place, state: (kind, kind.argmax(1), place.mean()), 3),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_every_output_is_called_the_same_in_every_variant_and_compared(kind: str) -> None:
    answer, count = ANSWERS[kind]
    torch.manual_seed(0)
    model = TwoHeads(answer).eval()
    artifact = export_onnx(model, torch.zeros(1, 4))
    graph = onnx.load_from_string(artifact).graph
    assert [each.name for each in graph.input] == ["input"]
    assert [each.name for each in graph.output] == ["output", "output_1", "output_2"][:count]
    assert check_parity(model, artifact, few()).worst < 1e-4


def few() -> Floats:
    return np.random.default_rng(0).standard_normal((32, 4)).astype(np.float32)


@pytest.mark.parametrize(("head", "name"), [("kind", "output"), ("place", "output_1")])
def test_an_error_in_any_output_fails(head: str, name: str) -> None:
    torch.manual_seed(0)
    model = TwoHeads().eval()
    other = copy.deepcopy(model)
    other.set_submodule(head, damaged(model.get_submodule(head), 0.05))
    artifact = export_onnx(other, torch.zeros(1, 4))
    with pytest.raises(ExportError, match=f"the artifact's {name} differs from the model's by"):
        check_parity(model, artifact, few())
    assert check_parity(other, artifact, few()).worst < 1e-4


def test_the_noise_of_any_output_is_told_and_golden_is_the_first() -> None:
    torch.manual_seed(0)
    model = TwoHeads().eval()
    other = copy.deepcopy(model)
    other.place.weight.data *= 1.05
    parity = check_parity(model, export_onnx(other, torch.zeros(1, 4)), few(), Precision.INT8)
    assert 0.02 < parity.noise < 0.06
    assert parity.golden_tolerance == 1e-3
    other.place.weight.data *= 1.2
    with pytest.raises(ExportError, match="int8 changes the output_1 by"):
        check_parity(model, export_onnx(other, torch.zeros(1, 4)), few(), Precision.INT8)


def test_classes_beside_the_answer_may_change_in_int8_where_most_stay() -> None:
    torch.manual_seed(0)
    model = TwoHeads(lambda kind, place, state: (kind, (place[:, 0] > place[:, 1]).long())).eval()
    other = copy.deepcopy(model)
    other.place.bias.data[0] += 0.02
    artifact = export_onnx(other, torch.zeros(1, 4))
    inputs = np.random.default_rng(0).standard_normal((1000, 4)).astype(np.float32)
    assert check_parity(model, artifact, inputs, Precision.INT8).noise < 1e-3
    with pytest.raises(ExportError, match="of the output_1 is the same in the artifact"):
        check_parity(model, artifact, inputs)


def test_another_number_of_outputs_is_told() -> None:
    artifact = export_onnx(TwoHeads(lambda kind, place, state: kind), torch.zeros(1, 4))
    with pytest.raises(ExportError, match="the artifact has 1 outputs, the model 2"):
        check_parity(TwoHeads(), artifact, few())


def test_an_export_answers_as_the_model(model: nn.Module, artifact: bytes) -> None:
    parity = check_parity(model, artifact, inputs())
    assert (parity.agreement, parity.samples) == (1.0, 256)
    assert parity.typical <= parity.worst < 1e-4
    assert parity.golden_tolerance == 1e-3


def test_an_artifact_of_another_model_fails(model: nn.Module, artifact: bytes) -> None:
    with pytest.raises(ExportError, match="the artifact's output differs from the model's by"):
        check_parity(damaged(model, 0.05), artifact, inputs())
    with pytest.raises(ExportError, match="int8 changes the output by"):
        check_parity(damaged(model, 0.05), quantise(artifact, inputs()), inputs(), Precision.INT8)


def test_int8_is_no_fp32_but_passes_as_int8(model: nn.Module, artifact: bytes) -> None:
    quantised = quantise(artifact, inputs())
    with pytest.raises(ExportError, match=r"allowed 0\.001"):
        check_parity(model, quantised, inputs())
    parity = check_parity(model, quantised, inputs(), Precision.INT8)
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
