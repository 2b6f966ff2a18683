"""What a model's data is: three splits by purpose, of which the gate selects nothing."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from controller.pruning.errors import DataError

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
_KNOWN_SHARE = 0.1  # of the gate's inputs
_EXPECTED = "an object with train, select and gate is expected, each a tuple (inputs, labels or None)"
_CLASSES = "whole numbers are expected, each the number of a class from 0 on; labels of another kind cannot be judged"


class Split(NamedTuple):
    """`inputs` `[n, ...]` as the model takes them, float32; `labels` `[n]` class numbers from 0, or None."""

    inputs: Floats
    labels: Labels | None = None


class DataSource(Protocol):
    """What a spec's `data` function returns, as attributes: each split an (inputs, labels) pair.

    `train` recovers a pruned model, `select` chooses among its states, `gate` only judges the result.
    """

    @property
    def train(self) -> Any: ...
    @property
    def select(self) -> Any: ...
    @property
    def gate(self) -> Any: ...


class Data(NamedTuple):
    """A checked data source."""

    train: Split
    select: Split
    gate: Split


def check_data(source: DataSource, sample_shape: tuple[int, ...]) -> Data:
    """The source's splits as contiguous float32 and int64, the gate with inputs of its own.

    Raises `DataError` that says which one is wrong, and how.
    """
    missing = [name for name in Data._fields if not hasattr(source, name)]
    if missing:
        raise DataError(f"data: a {type(source).__name__} without {missing[0]!r}; {_EXPECTED}")
    data = Data(*(_check(name, getattr(source, name), sample_shape) for name in Data._fields))
    _refuse_known_gate(data)
    return data


def data_digest(data: Data) -> str:
    """sha256 over the bytes of all splits in order."""
    return _digest_of(*data)


def split_digest(split: Split) -> str:
    """sha256 over the bytes of one split."""
    return _digest_of(split)


def _digest_of(*splits: Split) -> str:
    digest = hashlib.sha256()
    for split in splits:
        digest.update(split.inputs.tobytes())
        digest.update(b"" if split.labels is None else split.labels.tobytes())
    return digest.hexdigest()


def _check(name: str, pair: Any, sample_shape: tuple[int, ...]) -> Split:
    if not isinstance(pair, tuple) or len(pair) != 2:
        raise DataError(f"data: {name!r} is a {type(pair).__name__}; {_EXPECTED}")
    inputs = np.ascontiguousarray(pair[0], dtype=np.float32)
    if inputs.shape[1:] != sample_shape or len(inputs) == 0:
        raise DataError(f"data: {name} inputs have shape {list(inputs.shape)}, expected [n, {str(sample_shape)[1:-1]}]")
    if name == "train" and len(inputs) < 2:
        raise DataError("data: train has one input, at least 2 are needed: a batch of one has no statistics")
    if not np.isfinite(inputs).all():
        raise DataError(f"data: {name} inputs hold values that are not finite")
    if pair[1] is None:
        return Split(inputs)
    labels = _class_numbers(name, pair[1])
    if labels.shape != (len(inputs),) or labels.min() < 0:
        raise DataError(f"data: {name} labels have shape {list(labels.shape)}, expected [{len(inputs)}], none below 0")
    return Split(inputs, labels)


def _class_numbers(name: str, given: Any) -> Labels:
    """Labels as they were given: whole numbers of whatever type. Cut to whole ones, others would be judged as classes.

    Raises `DataError` that shows one that is none.
    """
    try:
        found = np.asarray(given)
    except ValueError:  # rows of unequal lengths
        raise DataError(f"data: {name} labels are no array; {_CLASSES}") from None
    if found.dtype.kind not in "iubf":
        raise DataError(f"data: {name} labels are of type {found.dtype}; {_CLASSES}")
    with np.errstate(invalid="ignore"):  # what no integer can hold differs from it, and is told below
        labels = found.astype(np.int64)
    changed = found[labels != found]
    if changed.size:
        raise DataError(f"data: {name} labels hold {changed[0]:g}; {_CLASSES}")
    return np.ascontiguousarray(labels)


def _refuse_known_gate(data: Data) -> None:
    """Raises `DataError` where too many of the gate's inputs were there to recover on or to choose by.

    A few stand twice in most data sets. Where inputs have few values many do, and train repeats as many of its own.
    """
    train, select, gate = (_rows(split) for split in data)
    times, chosen_by = Counter(train), set(select)
    # Train also repeats where it was oversampled, which is no reason for the gate to be in it: then the gate itself
    # repeats nothing. With so many fewer inputs it repeats so much less.
    others = (len(train) + len(select)) / len(gate)
    repeated = min(_repeated(times), _repeated(Counter(gate)) * max(1.0, others))
    most = int((_KNOWN_SHARE + repeated) * len(gate))
    in_train, in_select = (sum(row in rows for row in gate) for rows in (times, chosen_by))
    known = sum(row in times or row in chosen_by for row in gate)
    if known > most:
        raise DataError(
            f"data: {known} of the {len(gate)} gate inputs stand in train ({in_train}) or in select ({in_select}) too, "
            f"at most {most} may: the gate judges on inputs of its own"
        )


def _repeated(times: Counter[int]) -> float:
    """The share of inputs that stand there more than once."""
    return sum(many for many in times.values() if many > 1) / times.total()


def _rows(split: Split) -> list[int]:
    """A number for each input, equal where all its bytes are."""
    return [hash(each.tobytes()) for each in split.inputs]
