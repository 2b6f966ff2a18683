"""A recovery that is killed goes on where it was, to the same bytes."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from controller.core.nouns.model import Recovery
from controller.pruning.model.data import Data, Split
from controller.pruning.model.outputs import answers
from controller.pruning.recover import keep as keeping
from controller.pruning.recover.course import Teacher
from controller.pruning.recover.distil import Recovered, recover
from controller.pruning.recover.keep import Keep
from tests.pruning.test_pruning_recover import damaged, dense_model, labelled, unlabelled

BUDGET = Recovery(epochs=6)


class KilledError(Exception):
    pass


def with_dropout() -> nn.Module:
    torch.manual_seed(4)
    net = nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.2), nn.Flatten(), nn.Linear(128, 4)
    )
    return net.eval()


def data_of(dense: nn.Module) -> Data:
    """Labelled by the net itself; images for one of convolutions."""
    if not isinstance(dense[0], nn.Conv2d):  # type: ignore[index]
        return labelled(dense)
    dice = np.random.default_rng(7)
    splits = (dice.normal(size=(count, 2, 4, 4)).astype(np.float32) for count in (512, 64, 64))
    return Data(*(Split(each, answers(dense, each).argmax(1)) for each in splits))


def attempt(file: Path, dense: nn.Module, start: nn.Module, kill_at: int | None) -> Recovered:
    """The recovery, in which the `kill_at`-th word of progress is the last."""
    data, said = data_of(dense), 0

    def progress(_share: float, _text: str) -> None:
        nonlocal said
        said += 1
        if said == kill_at:
            raise KilledError

    teacher = Teacher.of(dense, data)
    return recover(copy.deepcopy(start), data, teacher, BUDGET, 3, progress, Keep(file))


def weights(made: Recovered) -> list[torch.Tensor]:
    return [*made.module.state_dict().values(), *made.onward.state_dict().values()]


@pytest.mark.parametrize("make", [dense_model, with_dropout])
@pytest.mark.parametrize("kills", [(1,), (2,), (5,), (2, 2, 2, 2), (3, 1, 2)])
def test_killed_and_taken_up_again_it_ends_with_the_same_weights(
    make: type[nn.Module], kills: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "EVERY_S", 0.0)
    dense = make()
    start = damaged(dense)
    whole = attempt(tmp_path / "whole", dense, start, None)
    for kill_at in kills:
        with pytest.raises(KilledError):
            attempt(tmp_path / "killed", dense, start, kill_at)
    again = attempt(tmp_path / "killed", dense, start, None)
    assert all(map(torch.equal, weights(whole), weights(again)))
    assert (again.epochs, again.score) == (whole.epochs, whole.score)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("rubbish", [b"", b"{}", b"\0" * 100])
def test_what_cannot_be_read_is_begun_anew(rubbish: bytes, tmp_path: Path) -> None:
    dense = dense_model()
    start = damaged(dense)
    (tmp_path / "kept").write_bytes(rubbish)
    whole, again = attempt(tmp_path / "whole", dense, start, None), attempt(tmp_path / "kept", dense, start, None)
    assert all(map(torch.equal, weights(whole), weights(again)))


def test_what_is_kept_of_another_model_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "EVERY_S", 0.0)
    other, dense = with_dropout(), dense_model()
    with pytest.raises(KilledError):
        attempt(tmp_path / "kept", other, damaged(other), 3)
    start = damaged(dense)
    whole, again = attempt(tmp_path / "whole", dense, start, None), attempt(tmp_path / "kept", dense, start, None)
    assert all(map(torch.equal, weights(whole), weights(again)))


def test_nothing_is_written_within_some_seconds(tmp_path: Path) -> None:
    now_s = 0.0
    keep = Keep(tmp_path / "kept", lambda: now_s)
    assert not keep.due
    now_s = keeping.EVERY_S
    assert keep.due


def test_cpu_time_that_was_used_before_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "EVERY_S", 0.0)
    dense, data = dense_model(), unlabelled()
    start, budget = damaged(dense), Recovery(cpu_s=0.3)
    file = tmp_path / "kept"

    def progress(share: float, _text: str) -> None:
        if share > 0.5:
            raise KilledError

    teacher = Teacher.of(dense, data)
    with pytest.raises(KilledError):
        recover(copy.deepcopy(start), data, teacher, budget, 3, progress, Keep(file))
    shares = list[float]()
    recover(copy.deepcopy(start), data, teacher, budget, 3, lambda share, _text: shares.append(share), Keep(file))
    assert shares[0] > 0.25
