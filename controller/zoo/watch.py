"""Smartwatch movements: windows of six inertial channels, seven shoulder exercises, ten people.

The series come with the seglearn package (D. Burns et al., 2018, BSD licence), 50 Hz, accelerometer and gyroscope.
People, not windows, are split: what the gate measures is a person whom nothing was fitted to.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.pruning.model.data import Data, Floats, Split
from controller.zoo.missing import MissingDataError
from controller.zoo.pickled import read_object_array

WINDOW_SAMPLES = 128
CHANNELS = 6
CLASSES = 7
TRAIN_SUBJECTS = (2, 3, 5, 6, 8, 9)
SELECT_SUBJECTS = (4,)
GATE_SUBJECTS = (1, 7, 10)
_TRAIN_STRIDE = 64
_JUDGE_STRIDE = 64
_INSTALL = "pip install --no-deps seglearn"


def load_watch() -> Data:
    """Windows `[n, 6, 128]`, standardised by channel with the training subjects' statistics; labels 0..6.

    Three sets of people: to train on, to choose by, and to be judged on. Raises `MissingDataError` where the data
    package is not installed.
    """
    raw = read_object_array(_path())
    series = [np.asarray(each, dtype=np.float32).T for each in raw["X"]]
    mean, scale = _statistics([each for each, who in zip(series, raw["subject"], strict=True) if who in TRAIN_SUBJECTS])
    standard = [(each - mean) / scale for each in series]

    def split(subjects: tuple[int, ...], stride: int) -> Split:
        return _windows(standard, raw["y"], raw["subject"], subjects, stride)

    return Data(
        train=split(TRAIN_SUBJECTS, _TRAIN_STRIDE),
        select=split(SELECT_SUBJECTS, _JUDGE_STRIDE),
        gate=split(GATE_SUBJECTS, _JUDGE_STRIDE),
    )


def _path() -> Path:
    found = importlib.util.find_spec("seglearn")
    places = (found.submodule_search_locations or []) if found else []
    for place in places:
        path = Path(place) / "data" / "watch_dataset.npy"
        if path.is_file():
            return path
    raise MissingDataError(f"the smartwatch data is not installed: {_INSTALL}")


def _statistics(series: list[Floats]) -> tuple[Floats, Floats]:
    joined = np.concatenate(series, axis=1)
    return joined.mean(axis=1, keepdims=True), joined.std(axis=1, keepdims=True)


def _windows(
    series: list[Floats],
    labels: NDArray[Any],
    people: NDArray[Any],
    subjects: tuple[int, ...],
    stride: int,
) -> Split:
    cut, classes = list[Floats](), list[int]()
    for each, label, who in zip(series, labels, people, strict=True):
        if who in subjects:
            starts = range(0, each.shape[1] - WINDOW_SAMPLES + 1, stride)
            cut += [each[:, start : start + WINDOW_SAMPLES] for start in starts]
            classes += [int(label)] * len(starts)
    return Split(np.ascontiguousarray(np.stack(cut)), np.asarray(classes, dtype=np.int64))
