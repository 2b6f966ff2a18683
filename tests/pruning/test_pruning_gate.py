"""The accuracy gate: what passes, what does not, and that the reason has the figures."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from controller.core.paired import Paired
from controller.pruning.errors import ExportError
from controller.pruning.judge.accuracy import classify, wilson
from controller.pruning.judge.gate import Gate, Verdict, judge
from controller.pruning.judge.jury import Jury
from controller.pruning.model.data import Data, Split
from controller.pruning.model.outputs import answers


def test_below_the_floor_it_fails_with_the_figures() -> None:
    verdict = judge(wilson(840, 1000), None, Gate(floor=0.85))
    assert (verdict.passed, verdict.verified) == (False, True)
    assert verdict.reason == ("accuracy 84.0% (95 % interval 81.6% to 86.1%, 1000 samples) is below the floor of 85 %")


def test_the_floor_is_compared_with_what_was_measured() -> None:
    assert judge(wilson(850, 1000), None, Gate(floor=0.85)).passed


def test_a_margin_that_the_samples_cannot_show_fails_and_says_how_many_could() -> None:
    paired = Paired(1238, lost=22, won=20)
    verdict = judge(wilson(1100, 1238), paired, Gate(floor=0.85, margin=0.005))
    assert not verdict.passed
    assert verdict.reason == (
        "may be up to 1.05 pp worse than the dense model, 0.5 pp is allowed (measured 0.16 pp on 1238 samples; at "
        "least 8120 would be needed to show it)"
    )


def test_a_drop_beyond_the_margin_cannot_be_shown_away() -> None:
    verdict = judge(wilson(1100, 1238), Paired(1238, lost=40, won=10), Gate(margin=0.01))
    assert "no number of samples would show it" in verdict.reason


def test_within_floor_and_margin_it_passes() -> None:
    verdict = judge(wilson(1100, 1238), Paired(1238, lost=6, won=4), Gate(floor=0.85, margin=0.01))
    assert verdict == Verdict(True, "accuracy 88.9% (95 % interval 87.0% to 90.5%, 1238 samples)")


def test_the_dense_model_is_not_compared_with_itself() -> None:
    assert judge(wilson(9, 10), None, Gate(margin=0.001)).passed


def test_without_labels_agreement_is_told_and_nothing_is_verified() -> None:
    verdict = judge(None, None, Gate(floor=0.85, margin=0.01), agreement=wilson(984, 1000))
    assert (verdict.passed, verdict.verified) == (True, False)
    assert "98.4% of 1000 top-1 answers are the dense model's" in verdict.reason


def test_without_data_accuracy_is_unverified() -> None:
    verdict = judge(None, None, Gate(floor=0.85))
    assert (verdict.passed, verdict.verified) == (True, False)
    assert "there is no data" in verdict.reason


@given(st.integers(1, 500), st.data(), st.floats(0, 1), st.floats(0.001, 1))
def test_a_stricter_gate_never_lets_more_through(
    samples: int, data: st.DataObject, floor: float, margin: float
) -> None:
    lost, won = (data.draw(st.integers(0, samples // 2)) for _ in range(2))
    accuracy, paired = wilson(data.draw(st.integers(0, samples)), samples), Paired(samples, lost=lost, won=won)
    passed = judge(accuracy, paired, Gate(floor, margin)).passed
    assert passed <= judge(accuracy, paired, Gate(floor / 2, margin)).passed
    assert passed <= judge(accuracy, paired, Gate(None, margin)).passed
    assert passed <= judge(accuracy, paired, Gate(floor, 2 * margin)).passed
    assert passed <= judge(accuracy, paired, Gate(floor, None)).passed
    assert judge(accuracy, paired, Gate()).passed


def jury(margin: float | None) -> Jury:
    torch.manual_seed(0)
    module = nn.Linear(4, 3).eval()
    inputs = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    split = Split(inputs, answers(module, inputs).argmax(1))
    spec = SimpleNamespace(accuracy_floor=None, accuracy_margin=margin)
    model = SimpleNamespace(spec=spec, module=module, data=Data(split, split, split))
    return Jury(model, lambda gate, _digest: answers(module, gate.inputs))  # type: ignore[arg-type]


def test_the_jury_asks_the_spec_s_margin_of_variants_and_none_of_the_dense_model() -> None:
    asked = jury(margin=0.01)
    same = partial(answers, asked.model.module)
    assert not asked.judge(same).verdict.passed  # 50 samples cannot show a hundredth
    assert asked.judge(same, dense=True).verdict.passed
    assert jury(margin=None).judge(same).verdict.passed


def test_answers_of_a_single_number_are_not_judged_as_classes() -> None:
    asked = jury(margin=None)
    with pytest.raises(ExportError, match="one number for each of"):
        asked.judge(lambda inputs: np.zeros((len(inputs), 1), np.float32))


def test_answers_that_are_no_numbers_are_wrong() -> None:
    outputs = np.full((3, 2), np.nan, np.float32)
    assert classify(outputs, np.zeros(3, np.int64)).share == 0
