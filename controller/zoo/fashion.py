"""Fashion-MNIST: 70,000 grey images of ten kinds of clothing, 28 x 28 pixels (H. Xiao et al., 2017, MIT licence).

Read from the four IDX files of the Debian package, or from a folder that an environment variable names. The test set is
the gate; of the training set, a tenth drawn once and for all is kept out to select by.
"""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.pruning.errors import DataError
from controller.pruning.model.data import Data, Split
from controller.zoo.augment import FlippedAndMoved
from controller.zoo.missing import MissingDataError
from controller.zoo.training import Recipe

PIXELS = 28
CLASSES = 10
FOLDER_VARIABLE = "HEDGEROW_FASHION_MNIST"
_PACKAGE_FOLDER = Path("/usr/share/datasets/fashion-mnist")
_MEAN, _DEVIATION = np.float32(0.2860), np.float32(0.3530)
_BLACK = float(-_MEAN / _DEVIATION)
_SPLIT_SEED = 0
_SELECT_SHARE = 10  # one in ten
_UNSIGNED_BYTES = 8  # the IDX format's code for the type

RECIPE = Recipe(
    epochs=10,
    batch=128,
    rate=4e-3,
    decay=0.05,
    smoothing=0.05,
    augment=FlippedAndMoved(pixels=2, background=_BLACK),
    seed=20240917,
    bfloat16=True,
)
"""What both of the networks for these images are trained by."""


def load_fashion() -> Data:
    """Images `[n, 1, 28, 28]`, standardised by the training set's mean and deviation; labels 0..9.

    54,000 images to train on, 6,000 to select by, 10,000 to be judged on. Raises `MissingDataError`, and `DataError`
    for files that are no such images.
    """
    folder = Path(os.environ.get(FOLDER_VARIABLE) or _PACKAGE_FOLDER)
    images, labels = _read(folder, "train")
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(images))
    train, select = np.split(order, [len(order) - len(order) // _SELECT_SHARE])
    return Data(
        train=_split(images[train], labels[train]),
        select=_split(images[select], labels[select]),
        gate=_split(*_read(folder, "t10k")),
    )


def _split(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Split:
    inputs = (images[:, np.newaxis].astype(np.float32) / np.float32(255) - _MEAN) / _DEVIATION
    return Split(inputs, labels.astype(np.int64))


def _read(folder: Path, part: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    images = _read_idx(folder / f"{part}-images-idx3-ubyte.gz")
    labels = _read_idx(folder / f"{part}-labels-idx1-ubyte.gz")
    if images.shape != (*labels.shape, PIXELS, PIXELS):
        raise DataError(f"{folder}: {part} images {list(images.shape)} and labels {list(labels.shape)} do not match")
    return images, labels


def _read_idx(path: Path) -> NDArray[Any]:
    """The bytes in an IDX file: two zeros, the type, the number of axes, each axis' length big-endian, the values."""
    if not path.is_file():
        raise MissingDataError(
            f"Fashion-MNIST is not installed, {path} is missing: apt install dataset-fashion-mnist, or set "
            f"{FOLDER_VARIABLE} to a folder with the four .gz files of github.com/zalandoresearch/fashion-mnist"
        )
    try:
        content = gzip.decompress(path.read_bytes())
        if content[:3] != bytes((0, 0, _UNSIGNED_BYTES)):
            raise ValueError("it holds no unsigned bytes")
        axes = content[3]
        shape = tuple(np.frombuffer(content, ">u4", axes, 4))
        return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)
    except (OSError, EOFError, IndexError, ValueError) as error:
        raise DataError(f"{path.name}: not an IDX file of bytes: {error}") from None
