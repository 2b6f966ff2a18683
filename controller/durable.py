"""Files put in place at once and for good: whole on the disk, or not there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

PART = ".part"
"""What is still being written ends so; a writer that was killed leaves it behind."""


def put_file(data: bytes, path: Path) -> None:
    """Write `data`, synced, and rename it to `path`, with the folder synced too. Raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=path.parent, suffix=PART)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError:  # a full disk must not be kept full by what did not fit
        Path(part).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the rename itself durable, not only the bytes."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
