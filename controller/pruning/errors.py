"""What a job may find wrong, in words for the model's owner; the job then fails with them as its reason.

`ExportError` and `TableError` may be of one precision alone: what cannot be quantised may do well in fp32. The others
are about the model, its code or its data, whatever is tried.
"""

from __future__ import annotations

import re

# torch and onnxruntime have no error of their own for it, and around the operator's code only the text is left.
_NO_MEMORY = re.compile(
    r"(can't|cannot|failed to|unable to) allocate|not enough memory|out of memory|MemoryError", re.I
)


class DataError(ValueError):
    """A data source that is missing, or does not hold what the contract says."""


class LoadError(ValueError):
    """A model that cannot be brought to life, with what to do about it."""


class StructureError(ValueError):
    """A model that cannot be traced, or a cut that its layers do not allow."""


class TraceError(ValueError):
    """A model whose run cannot be described: nothing of its input is in its output."""


class ExportError(RuntimeError):
    """A model that cannot be exported, or an artifact that does not answer as the model does."""


class TableError(RuntimeError):
    """A kernel that the runtime does not take."""


def lacked_memory(error: Exception) -> bool:
    """It may work the next time."""
    return _NO_MEMORY.search(str(error)) is not None
