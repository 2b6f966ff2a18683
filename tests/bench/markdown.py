"""Tables of a benchmark's page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Its lines, and an empty one."""
    yield f"| {' | '.join(heads)} |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def targets_table(targets: Iterable[dict[str, Any]]) -> Iterator[str]:
    """What was aimed for, and whether it was reached."""
    rows = (
        (each["name"], each["target"], each["measured"], "yes" if each["reached"] else "**no**") for each in targets
    )
    yield from table(("target", "aimed for", "measured", "reached"), rows)
