"""Recovery brings a damaged model back towards its teacher, with labels and without, the same way each time."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from controller.pruning.artifact.export import ExportError, export_onnx
from controller.pruning.artifact.parity import check_parity
from controller.pruning.model.data import Data, DataError, Split, check_data
from controller.pruning.model.outputs import answers
from controller.pruning.recover.distil import recalibrate, recover
from controller.pruning.spec import Recovery


def teacher() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 4)).eval()


def unlabelled() -> Data:
    dice = np.random.default_rng(0)
    splits = (Split(dice.normal(size=(count, 6)).astype(np.float32)) for count in (512, 64, 64))
    return Data(*splits)


def damaged(model: nn.Module) -> nn.Module:
    worse = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in worse.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)))
    return worse


def test_distillation_without_labels_comes_closer_to_the_teacher() -> None:
    dense, data = teacher(), unlabelled()
    wanted = answers(dense, data.train.inputs)
    before = np.abs(answers(damaged(dense), data.gate.inputs) - answers(dense, data.gate.inputs)).mean()
    shares = list[float]()
    got = recover(damaged(dense), data, wanted, Recovery(epochs=6), 0, lambda share, _: shares.append(share))
    after = np.abs(answers(got.module, data.gate.inputs) - answers(dense, data.gate.inputs)).mean()
    assert after < 0.8 * before
    assert got.epochs == 6
    assert shares == sorted(shares)


def test_the_same_seed_recovers_the_same_weights() -> None:
    dense, data = teacher(), unlabelled()
    wanted = answers(dense, data.train.inputs)
    first, second = (
        recover(damaged(dense), data, wanted, Recovery(epochs=2), 5, lambda *_: None).module for _ in range(2)
    )
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_recalibration_sets_batch_statistics_to_those_of_the_data() -> None:
    norm = nn.BatchNorm1d(6)
    split = Split((np.random.default_rng(0).normal(3, 2, size=(1024, 6))).astype(np.float32))
    recalibrate(norm, split, torch.Generator().manual_seed(0))
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.running_mean.numpy() == pytest.approx(split.inputs.mean(0), abs=1e-3)
    assert norm.running_var.numpy() == pytest.approx(split.inputs.var(0), rel=0.05)
    assert norm.momentum == 0.1


def test_an_artifact_of_another_model_fails_parity() -> None:
    dense, inputs = teacher(), unlabelled().train.inputs[:256]
    artifact = export_onnx(dense, torch.randn(1, 6))
    assert check_parity(dense, artifact, inputs).worst < 1e-4
    with pytest.raises(ExportError, match="differ"):
        check_parity(damaged(dense), artifact, inputs)


def test_a_data_source_of_the_wrong_shape_names_the_split() -> None:
    good = Split(np.zeros((3, 6), np.float32), np.zeros(3, np.int64))
    bad = Split(np.zeros((3, 5), np.float32))
    with pytest.raises(DataError, match="select inputs have shape"):
        check_data(Data(good, bad, good), (6,))
    with pytest.raises(DataError, match="gate labels have shape"):
        check_data(Data(good, good, Split(good.inputs, np.zeros(2, np.int64))), (6,))
