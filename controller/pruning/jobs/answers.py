"""What the dense model answers, kept on the shelf for later jobs: passes over all the data take long."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from controller.durable import put_file
from controller.pruning.model.data import Data, Floats, Split
from controller.pruning.model.load import LoadedModel
from controller.pruning.model.outputs import answers
from controller.pruning.recover.course import Teacher
from controller.pruning.shelf import Shelf

_SELECT = "select"


def teacher(shelf: Shelf, model: LoadedModel, data: Data, digest: str) -> Teacher:
    """Its outputs for the train split and its answers for the select split; `digest` is that of the data."""

    def make() -> Mapping[str, Floats]:
        made = Teacher.of(model.module, data)
        return {_SELECT: made.select} | {str(number): each for number, each in made.train.items()}

    known = dict(_kept(shelf.file("taught", f"{digest[:16]}.npz"), make))
    select = known.pop(_SELECT)
    return Teacher({int(number): each for number, each in known.items()}, select)


def gate_answers(shelf: Shelf, model: LoadedModel, gate: Split, digest: str) -> Floats:
    """Its first outputs for the gate, `[n, ...]`; `digest` is that of this split."""
    file = shelf.file("gated", f"{digest[:16]}.npz")
    return _kept(file, lambda: {"gate": answers(model.module, gate.inputs)})["gate"]


def _kept(file: Path, make: Callable[[], Mapping[str, Floats]]) -> Mapping[str, Floats]:
    """From `file`; made and put there where it is not there or cannot be read."""
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as known:
            return {name: known[name] for name in known.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        made = make()
        packed = io.BytesIO()
        np.savez(packed, **made)  # type: ignore[arg-type]  # numpy's own stub takes the names for options
        put_file(packed.getvalue(), file)
        return made
