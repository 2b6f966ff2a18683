"""What a model takes and gives, in the words of the Open Inference Protocol: names, datatypes, shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensors = dict[str, NDArray[Any]]
DATATYPES: dict[str, type[np.generic]] = {
    "BOOL": np.bool_,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
}
ANY = -1


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output; an axis of any length is -1."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    @property
    def dtype(self) -> type[np.generic]:
        return DATATYPES[self.datatype]

    def allows(self, shape: tuple[int, ...]) -> bool:
        return len(shape) == len(self.shape) and all(
            mine in (ANY, given) and given > 0 for mine, given in zip(self.shape, shape, strict=True)
        )

    def example(self, dice: np.random.Generator) -> NDArray[Any]:
        """Random values; an axis of any length is 1."""
        shape = [max(1, size) for size in self.shape]
        if np.issubdtype(self.dtype, np.floating):
            return dice.standard_normal(size=shape).astype(self.dtype)
        return dice.integers(0, 2, size=shape).astype(self.dtype)
