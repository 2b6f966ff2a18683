"""Reading one value of a kernel file. What is not there, or says nothing just now, is None and never 0."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:  # no such file, or its driver has no answer just now
        return None


def number(path: Path, scale: float = 1.0) -> float | None:
    """In the unit that `scale` turns the kernel's into: it writes milli-degrees, micro-watts, kilo-hertz."""
    found = text(path)
    try:
        return None if found is None else float(found) * scale
    except ValueError:
        return None


def numbers(directory: Path, pattern: str, scale: float = 1.0) -> Iterator[tuple[Path, float]]:
    """Each file below `directory` that holds a number, in order of name."""
    for path in sorted(directory.glob(pattern)):
        value = number(path, scale)
        if value is not None:
            yield path, value


def label(path: Path) -> str:
    """A sensor's name for people: its folder, and what its driver calls it."""
    called = text(path / "name") or text(path / "type")
    return path.name if called is None else f"{path.name} ({called})"
