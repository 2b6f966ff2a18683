"""What a reference model says where its data is not on this machine."""

from __future__ import annotations

from controller.pruning.errors import DataError


class MissingDataError(DataError):
    """The data is not installed; the message says how to get it."""
