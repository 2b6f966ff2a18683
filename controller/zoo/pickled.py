"""Reading a pickled numpy array as data: an unpickler that can rebuild arrays and call nothing else."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import IO, Any

import numpy as np

_ARRAY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
_ALLOWED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
    *((module, name) for module in _ARRAY_MODULES for name in ("_reconstruct", "scalar")),
}


class ArrayUnpickler(pickle.Unpickler):
    """Admits the names that a pickle of numpy arrays in plain containers needs, and refuses every other."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"refused: {module}.{name} is not part of a numpy array")
        return super().find_class(module.replace("numpy.core.", "numpy._core."), name)


def read_object_array(path: Path) -> Any:
    """The one object in the `.npy` file of dtype object at `path`. Raises `pickle.UnpicklingError`, `ValueError`."""
    with path.open("rb") as file:
        shape, dtype = _header(file)
        if shape != () or dtype != np.dtype(object):
            raise ValueError(f"{path.name}: expected one pickled object, found {dtype} of shape {shape}")
        return ArrayUnpickler(file).load().item()


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"npy format {version}: only 1.0 is read here")
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    return shape, dtype
