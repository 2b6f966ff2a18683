"""Recovery brings a damaged model back towards its teacher, with labels and without, the same way each time."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from controller.core.nouns.model import Recovery
from controller.pruning.errors import DataError
from controller.pruning.model.data import Data, Split, check_data
from controller.pruning.model.outputs import answers, answers_alone
from controller.pruning.recover.budget import Clock
from controller.pruning.recover.course import Teacher
from controller.pruning.recover.distil import Recovered, recover
from controller.pruning.recover.recalibrate import recalibrate


def dense_model() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 4)).eval()


def unlabelled() -> Data:
    dice = np.random.default_rng(0)
    splits = (Split(dice.normal(size=(count, 6)).astype(np.float32)) for count in (512, 64, 64))
    return Data(*splits)


def labelled(dense: nn.Module) -> Data:
    return Data(*(Split(split.inputs, answers(dense, split.inputs).argmax(1)) for split in unlabelled()))


def damaged(model: nn.Module) -> nn.Module:
    worse = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in worse.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)))
    return worse


def taught(dense: nn.Module, data: Data) -> Teacher:
    return Teacher.of(dense, data)


def run(model: nn.Module, dense: nn.Module, data: Data, budget: Recovery, seed: int = 0) -> Recovered:
    return recover(model, data, taught(dense, data), budget, seed, lambda *_: None)


def test_distillation_without_labels_comes_closer_to_the_teacher() -> None:
    dense, data = dense_model(), unlabelled()
    wanted = answers(dense, data.gate.inputs)
    before = np.abs(answers(damaged(dense), data.gate.inputs) - wanted).mean()
    got = run(damaged(dense), dense, data, Recovery(epochs=6))
    after = np.abs(answers(got.module, data.gate.inputs) - wanted).mean()
    assert after < 0.8 * before
    assert got.epochs == 6


class ManyAnswers(nn.Module):
    """Beside the answer a place, and what has no row of floats for each input."""

    def __init__(self) -> None:
        super().__init__()
        self.deep, self.kind, self.place = nn.Linear(6, 32), nn.Linear(32, 4), nn.Linear(32, 2)

    def forward(self, x: torch.Tensor) -> object:
        x = torch.relu(self.deep(x))
        place = self.place(x)
        return self.kind(x), {"place": place, "beside": (torch.stack([place, place]), place.argmax(1), place.mean())}


@pytest.mark.parametrize("split", [unlabelled, lambda: labelled(many_answers())])
def test_an_output_beside_the_answer_is_taught_too(split: Callable[[], Data]) -> None:
    dense, data = many_answers(), split()
    inputs = data.gate.inputs
    recovered = run(damaged(dense), dense, data, Recovery(epochs=6)).module
    wanted, before, after = (answers_alone(model, inputs)[1] for model in (dense, damaged(dense), recovered))
    assert np.abs(after - wanted).mean() < 0.5 * np.abs(before - wanted).mean()


def many_answers() -> nn.Module:
    torch.manual_seed(1)
    return ManyAnswers().eval()


def test_only_outputs_of_floats_with_a_row_an_input_can_be_taught() -> None:
    data = unlabelled()
    train = taught(many_answers(), data).train
    assert {number: wanted.shape for number, wanted in train.items()} == {0: (512, 4), 1: (512, 2)}


def test_a_budget_may_be_a_part_of_an_epoch() -> None:
    dense, data = dense_model(), unlabelled()
    assert run(damaged(dense), dense, data, Recovery(epochs=1.5)).epochs == pytest.approx(1.5, abs=1 / 8)


def test_training_that_helps_no_more_is_stopped() -> None:
    dense = dense_model()
    data = labelled(dense)
    got = run(copy.deepcopy(dense), dense, data, Recovery(epochs=100))
    assert 50 <= got.epochs < 100
    assert got.score > 0.9


def test_progress_rises_and_says_which_epoch() -> None:
    dense, data = dense_model(), unlabelled()
    told = list[tuple[float, str]]()
    recover(damaged(dense), data, taught(dense, data), Recovery(epochs=4), 0, lambda *each: told.append(each))
    assert [share for share, _ in told] == sorted(share for share, _ in told)
    assert told[-1][1] == "epoch 4 of 4"


def test_the_same_seed_recovers_the_same_weights() -> None:
    dense, data = dense_model(), unlabelled()
    first, second = (run(damaged(dense), dense, data, Recovery(epochs=2), seed=5).module for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_no_budget_only_recalibrates() -> None:
    dense, data = dense_model(), unlabelled()
    got = run(damaged(dense), dense, data, Recovery(epochs=0))
    assert got.epochs == 0
    assert all(torch.equal(a, b) for a, b in zip(got.module.parameters(), damaged(dense).parameters(), strict=True))


def test_a_clock_tells_the_share_of_its_budget() -> None:
    clock = Clock.start(Recovery(epochs=2))
    assert clock.used(1.0) == 0.5
    assert clock.used(3.0) == 1.0


def test_recalibration_sets_batch_statistics_to_those_of_the_data() -> None:
    norm = nn.BatchNorm1d(6)
    inputs = np.random.default_rng(0).normal(3, 2, size=(1024, 6)).astype(np.float32)
    recalibrate(norm, inputs, torch.Generator().manual_seed(0))
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.running_mean.numpy() == pytest.approx(inputs.mean(0), abs=1e-3)
    assert norm.running_var.numpy() == pytest.approx(inputs.var(0), rel=0.05)
    assert norm.momentum == 0.1


def test_a_data_source_of_the_wrong_shape_names_the_split() -> None:
    good = Split(np.zeros((3, 6), np.float32), np.zeros(3, np.int64))
    bad = Split(np.zeros((3, 5), np.float32))
    with pytest.raises(DataError, match="select inputs have shape"):
        check_data(Data(good, bad, good), (6,))
    with pytest.raises(DataError, match="gate labels have shape"):
        check_data(Data(good, good, Split(good.inputs, np.zeros(2, np.int64))), (6,))


def test_what_ships_is_an_average_and_training_goes_on_from_its_last_step() -> None:
    dense, data = dense_model(), unlabelled()
    got = run(damaged(dense), dense, data, Recovery(epochs=4))
    averaged, last = (list(each.parameters()) for each in (got.module, got.onward))
    assert not any(torch.equal(a, b) for a, b in zip(averaged, last, strict=True))
    wanted = answers(dense, data.gate.inputs)
    far, near = (np.abs(answers(each, data.gate.inputs) - wanted).mean() for each in (damaged(dense), got.module))
    assert near < far
    steps = Recovery(epochs=4)
    again = run(got.onward, dense, data, steps)
    assert again.score >= got.score


def _noise(count: int, seed: int) -> Split:
    return Split(np.random.default_rng(seed).normal(size=(count, 6)).astype(np.float32))


@pytest.mark.parametrize("known", ["train", "select"])
def test_a_gate_that_was_trained_or_chosen_on_is_refused_with_how_many(known: str) -> None:
    data = Data(_noise(400, 1), _noise(100, 2), _noise(50, 3))
    leak = Split(getattr(data, known).inputs[:40])
    with pytest.raises(DataError, match=rf"40 of the 40 gate inputs stand in .*{known} \(40\).*at most 4 may"):
        check_data(data._replace(gate=leak), (6,))
    with pytest.raises(DataError, match="50 of the 50 gate inputs"):
        check_data(Data(data.gate, data.gate, data.gate), (6,))


def test_the_few_that_stand_twice_in_a_data_set_are_let_be() -> None:
    data = Data(_noise(400, 1), _noise(100, 2), _noise(50, 3))
    data.gate.inputs[:5] = data.train.inputs[:5]
    assert len(check_data(data, (6,)).gate.inputs) == 50
    data.gate.inputs[5] = data.select.inputs[0]
    with pytest.raises(DataError, match="6 of the 50"):
        check_data(data, (6,))


@pytest.mark.parametrize("many", [(4000, 200, 400), (300, 100, 200)], ids=["most", "some"])
def test_where_inputs_have_few_values_the_gate_repeats_them_as_train_does(many: tuple[int, int, int]) -> None:
    dice = np.random.default_rng(0)
    few = Data(*(Split(dice.integers(0, 3, (count, 6)).astype(np.float32)) for count in many))
    check_data(few, (6,))


def test_train_that_was_oversampled_does_not_let_the_gate_be_in_it() -> None:
    fresh = _noise(400, 1)
    twice = Split(np.concatenate([fresh.inputs, fresh.inputs]))
    with pytest.raises(DataError, match="100 of the 100 gate inputs"):
        check_data(Data(twice, _noise(100, 2), Split(fresh.inputs[:100])), (6,))


def test_a_single_input_to_train_on_is_refused() -> None:
    with pytest.raises(DataError, match="train has one input"):
        check_data(Data(_noise(1, 1), _noise(10, 2), _noise(10, 3)), (6,))


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([0.3, 1.7, 2.2], "select labels hold 0.3; whole numbers are expected"),
        ([0.0, 1.0, 2.5], "hold 2.5"),
        ([0.0, np.nan, 1.0], "hold nan"),
        ([0.0, np.inf, 1.0], "hold inf"),
        ([1e300, 1.0, 1.0], r"hold 1e\+300"),
        (np.array([0, 1, 2**63], np.uint64), r"hold 9\.22337e\+18"),
        (0.5, "hold 0.5"),
        (["cat", "dog", "cat"], "are of type <U3"),
        ([1 + 1j, 0, 0], "are of type complex128"),
        ([[1], [1, 2], [3]], "are no array"),
        ([-1.0, 0.0, 1.0], "none below 0"),
    ],
)
def test_labels_that_are_no_class_numbers_are_refused_and_not_cut(labels: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        check_data(Data(_noise(10, 1), Split(_noise(3, 2).inputs, labels), _noise(10, 3)), (6,))


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.float16, np.float64, np.bool_])
def test_whole_numbers_of_any_type_are_class_numbers(kind: Any) -> None:
    labels = np.array([0, 1, 1], kind)
    checked = check_data(Data(_noise(10, 1), Split(_noise(3, 2).inputs, labels), _noise(10, 3)), (6,))
    assert checked.select.labels is not None
    assert (checked.select.labels.dtype, checked.select.labels.tolist()) == (np.int64, [0, 1, 1])
