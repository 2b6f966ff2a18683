"""The wearable model: its data is read as data, its people are kept apart, its training is kept."""

from __future__ import annotations

import importlib.util
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from controller.pruning.spec import load_spec
from controller.zoo import watch, wearable
from controller.zoo.pickled import read_object_array

needs_data = pytest.mark.skipif(
    importlib.util.find_spec("seglearn") is None, reason="the smartwatch data is not installed"
)
QUICK = wearable.Recipe(epochs=1)


def test_a_pickle_that_calls_anything_is_refused(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
            return os.system, (f"touch {tmp_path}/sprung",)

    np.save(tmp_path / "data.npy", np.array(Trap(), dtype=object), allow_pickle=True)
    with pytest.raises(pickle.UnpicklingError, match=r"refused: \w+\.system"):
        read_object_array(tmp_path / "data.npy")
    assert not (tmp_path / "sprung").exists()


def test_arrays_in_plain_containers_are_read(tmp_path: Path) -> None:
    np.save(tmp_path / "data.npy", np.array({"X": [np.arange(3.0)], "n": 2}, dtype=object), allow_pickle=True)
    read = read_object_array(tmp_path / "data.npy")
    assert read["n"] == 2
    assert read["X"][0].tolist() == [0, 1, 2]


def test_missing_data_names_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(watch.MissingDataError, match="pip install --no-deps seglearn"):
        watch.load_watch()


@needs_data
def test_windows_are_standardised_by_the_training_people() -> None:
    data = watch.load_watch()
    assert data.gate.inputs.shape[1:] == (6, 128)
    assert len(data.gate.inputs) >= 256
    assert np.allclose(data.train.inputs.mean((0, 2)), 0, atol=0.05)
    assert np.allclose(data.train.inputs.std((0, 2)), 1, atol=0.05)
    people = [*watch.TRAIN_SUBJECTS, *watch.SELECT_SUBJECTS, *watch.GATE_SUBJECTS]
    assert sorted(people) == list(range(1, 11))


@needs_data
@pytest.mark.slow
def test_training_is_seeded_and_happens_once(tmp_path: Path) -> None:
    said = list[str]()
    torch.set_num_threads(1)
    first = wearable.train(tmp_path / "a", said.append, QUICK)
    assert any("epoch 1 of 1" in line for line in said)
    before = first.stat().st_mtime_ns
    assert wearable.train(tmp_path / "a", said.append, QUICK) == first
    assert "already trained" in said[-1]
    assert first.stat().st_mtime_ns == before
    again = wearable.train(tmp_path / "b", lambda _: None, QUICK)
    assert again.read_bytes() == first.read_bytes()
    spec = load_spec(wearable.write_spec(tmp_path / "model", first))
    assert spec.ref == "wearable@1"
    assert spec.input_shape == (1, 6, 128)


@needs_data
def test_the_replay_holds_gate_windows(tmp_path: Path) -> None:
    replay = np.load(wearable.write_replay(tmp_path / "replay.npy", windows=10))
    gate = watch.load_watch().gate.inputs
    assert replay.shape == (10, 6, 128)
    assert all((gate == window).all((1, 2)).any() for window in replay)
