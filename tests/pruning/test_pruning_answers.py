"""What the dense model answers is asked once, and kept; what cannot be read of it is asked again."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch

from controller.pruning.jobs.answers import gate_answers, teacher
from controller.pruning.model.load import LoadedModel
from controller.pruning.shelf import Shelf
from tests.pruning.test_pruning_recover import ManyAnswers, dense_model, unlabelled

DIGEST = "d" * 64


class Counted(torch.nn.Module):
    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module, self.runs = module, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.runs += 1
        made: torch.Tensor = self.module(x)
        return made


def model_of(module: torch.nn.Module) -> LoadedModel:
    return cast(LoadedModel, SimpleNamespace(module=module))


def test_later_jobs_take_them_from_the_shelf(tmp_path: Path) -> None:
    dense, shelf, data = Counted(dense_model()).eval(), Shelf(tmp_path, "m" * 64), unlabelled()
    first, gate = teacher(shelf, model_of(dense), data, DIGEST), gate_answers(shelf, model_of(dense), data.gate, DIGEST)
    runs = dense.runs
    again = teacher(shelf, model_of(dense), data, DIGEST)
    assert again.train.keys() == first.train.keys()
    assert all(np.array_equal(again.train[number], each) for number, each in first.train.items())
    assert np.array_equal(again.select, first.select)
    assert np.array_equal(gate_answers(shelf, model_of(dense), data.gate, DIGEST), gate)
    assert dense.runs == runs > 0


def test_every_output_that_is_taught_is_kept(tmp_path: Path) -> None:
    shelf, data = Shelf(tmp_path, "m" * 64), unlabelled()
    torch.manual_seed(1)
    dense = ManyAnswers().eval()
    first, again = (teacher(shelf, model_of(dense), data, DIGEST) for _ in range(2))
    assert len(first.train) > 1
    assert all(np.array_equal(again.train[number], each) for number, each in first.train.items())


@pytest.mark.parametrize("rubbish", [b"", b"PK", b"\0" * 200])
def test_what_cannot_be_read_is_asked_again(rubbish: bytes, tmp_path: Path) -> None:
    dense, shelf, data = dense_model(), Shelf(tmp_path, "m" * 64), unlabelled()
    first = teacher(shelf, model_of(dense), data, DIGEST)
    (file,) = tmp_path.glob("taught-*")
    for broken in (rubbish, file.read_bytes()[:-30]):
        file.write_bytes(broken)
        assert np.array_equal(teacher(shelf, model_of(dense), data, DIGEST).select, first.select)


def test_other_data_are_asked_about_anew(tmp_path: Path) -> None:
    dense, shelf, data = Counted(dense_model()).eval(), Shelf(tmp_path, "m" * 64), unlabelled()
    teacher(shelf, model_of(dense), data, DIGEST)
    runs = dense.runs
    teacher(shelf, model_of(dense), data, "e" * 64)
    assert dense.runs > runs
