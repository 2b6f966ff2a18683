"""Files of a line a fact, which jobs that run side by side append to."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T", bound=msgspec.Struct)


def read_lines(file: Path, kind: type[T]) -> list[T]:
    """Those in `file`, without half lines: the disk was full, or the power went."""
    found = list[T]()
    for line in file.read_bytes().splitlines() if file.is_file() else ():
        try:
            found.append(msgspec.json.decode(line, type=kind))
        except msgspec.MsgspecError:
            continue
    return found


def append_line(file: Path, fact: msgspec.Struct) -> None:
    """One unbuffered append, as jobs may run side by side; and the line before may be torn."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab", buffering=0) as lines:
        lines.write(b"\n" + msgspec.json.encode(fact) + b"\n")
