"""Unstructured zeros: which weights, how many, and what they are measured to buy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from controller.pruning.artifact.sparse import sparsify, transfer_bytes, zeros_share
from controller.pruning.jobs.unstructured import dense_beside_sparse
from controller.pruning.model.data import Split


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 32, 3), nn.Flatten(), nn.Linear(512, 10)
    ).eval()


@settings(deadline=None, max_examples=20)
@given(st.floats(0, 1), st.booleans())
def test_the_smallest_weights_of_all_layers_go_and_nothing_else(share: float, channels_last: bool) -> None:
    dense = network()
    if channels_last:
        dense = dense.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    sparse = sparsify(dense, share)
    pairs = list(zip(dense.parameters(), sparse.parameters(), strict=True))
    weights = [(before, after) for before, after in pairs if before.ndim > 1]
    count = sum(before.numel() for before, _ in weights)
    assert zeros_share(sparse) == pytest.approx(share, abs=1 / count)
    assert all(torch.equal(before, after) for before, after in pairs if before.ndim == 1)
    gone = torch.cat([before[after == 0].abs() for before, after in weights])
    kept = torch.cat([before[after != 0].abs() for before, after in weights])
    assert all(torch.equal(before[after != 0], after[after != 0]) for before, after in weights)
    assert not len(gone) or not len(kept) or gone.max() <= kept.min()


def test_equal_weights_still_give_the_share_asked_for() -> None:
    model = nn.Linear(10, 10)
    nn.init.constant_(model.weight, 0.5)
    assert zeros_share(sparsify(model, 0.3)) == pytest.approx(0.3)


def test_what_cannot_be_done_is_refused() -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        sparsify(network(), 1.2)
    with pytest.raises(ValueError, match="no weights"):
        sparsify(nn.ReLU(), 0.5)


def test_zeros_are_worth_bytes_only_in_a_transfer() -> None:
    dice = np.random.default_rng(0)
    labels = dice.integers(0, 10, 64)
    gate = Split(dice.standard_normal((64, 1, 8, 8)).astype(np.float32), labels)
    report = dense_beside_sparse(network(), torch.zeros(1, 1, 8, 8), 0.8, gate, samples=5, repeats=1)
    assert report.sparse.zeros_share == pytest.approx(0.8, abs=0.01)
    assert report.dense.zeros_share == 0
    assert report.sparse.size_bytes == report.dense.size_bytes
    assert report.sparse.transfer_bytes < 0.5 * report.dense.transfer_bytes
    assert report.dense.transfer_bytes < report.dense.size_bytes
    assert min(report.dense.latency_p50_s, report.sparse.latency_p50_s) > 0
    assert report.dense.accuracy is not None


def test_bytes_of_noise_do_not_compress() -> None:
    noise = np.random.default_rng(0).bytes(10_000)
    assert 10_000 <= transfer_bytes(noise) < 10_200
