"""What the kept parts say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Row = dict[str, Any]
Parts = Mapping[str, Row]


def case(known: Parts, part: str, name: str) -> Row | None:
    """The row of a case that was measured to its end; None where there is none."""
    row: Row | None = known.get(part, {}).get("cases", {}).get(name)
    return None if row is None or "cut" in row else row


def sizes(known: Parts, part: str) -> dict[int, Row]:
    """The rows of a part that goes from size to size, without those that were cut."""
    named = known.get(part, {}).get("cases", {})
    return {int(name): row for name, row in named.items() if "cut" not in row}


def cuts(known: Parts, part: str) -> list[str]:
    """Of each size that was not reached: how far it came."""
    named = known.get(part, {}).get("cases", {})
    return [f"at {int(name):,}: {row['cut']}" for name, row in named.items() if "cut" in row]
