"""Rows as a table for whatever width there is: ids stay whole, columns leave by weight, long texts go below a row."""

from __future__ import annotations

import math
import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple

STAYS = math.inf
BELOW = -math.inf
NOTHING = "-"
_GAP = "  "
_LEAST_WRAPPED = 12


@dataclass(frozen=True, slots=True)
class Column:
    """A heading and the key of its value; the key's suffix is the unit that it is shown in.

    Where there is no room a text with `BELOW` goes below its row, then the column of the least `weight` leaves, one
    that says nothing before all others; `STAYS` never leaves. What `wraps` may take several lines in the end.
    """

    heading: str
    key: str
    weight: float = STAYS
    wraps: bool = False


class Table(NamedTuple):
    """No line ends in a space. `width` is what all columns would take that do not go below."""

    lines: list[str]
    left_out: list[str]
    width: int


def lay_out(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> Table:
    """The table of these cells in `width` letters; a line is longer only where the columns that stay are."""
    widths = [max(map(_width, [column.heading, *cells])) for column, *cells in zip(columns, *rows, strict=True)]
    shown, texts = list(range(len(columns))), list[int]()
    if _total(widths, shown) > width:
        texts = [at for at in shown if columns[at].weight == BELOW]
        shown = [at for at in shown if at not in texts]
    needed, left_out = _total(widths, shown), list[int]()
    while _total(widths, shown) > width and (leaving := _lightest(columns, rows, shown)) is not None:
        shown.remove(leaving)
        left_out.append(leaving)
    for at in shown:
        if columns[at].wraps:
            widths[at] = min(widths[at], max(_LEAST_WRAPPED, width - _total(widths, shown) + widths[at]))
    lines = _lines(columns, rows, shown, texts, widths, width)
    return Table(lines, [columns[at].heading for at in sorted(left_out)], needed)


def _total(widths: Sequence[int], shown: Sequence[int]) -> int:
    return sum(widths[at] for at in shown) + len(_GAP) * (len(shown) - 1)


def _lightest(columns: Sequence[Column], rows: Sequence[Sequence[str]], shown: Sequence[int]) -> int | None:
    """The next column to leave: one that says nothing, then the least weight, of several the last; None if all stay."""
    may = [at for at in shown if columns[at].weight != STAYS]
    return min(may, key=lambda at: (any(row[at] != NOTHING for row in rows), columns[at].weight, -at), default=None)


def _lines(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    shown: Sequence[int],
    texts: Sequence[int],
    widths: Sequence[int],
    width: int,
) -> list[str]:
    lines = _row([column.heading for column in columns], shown, widths)
    for row in rows:
        lines += _row(row, shown, widths)
        lines += [line for at in texts for line in _below(columns[at].heading, row[at], width)]
    return lines


def _row(cells: Sequence[str], shown: Sequence[int], widths: Sequence[int]) -> list[str]:
    """Several lines where a cell is longer than its column."""
    wrapped = [_wrapped(cells[at], widths[at]) for at in shown]
    return [
        _GAP.join(part + " " * (widths[at] - _width(part)) for at, part in zip(shown, parts, strict=True)).rstrip()
        for parts in zip_longest(*wrapped, fillvalue="")
    ]


def _below(heading: str, text: str, width: int) -> list[str]:
    if text == NOTHING:
        return []
    return _wrapped(f"{heading.lower()}: {text}", max(width, 2 * _LEAST_WRAPPED), _GAP, 2 * _GAP)


def _wrapped(text: str, width: int, first: str = "", rest: str = "") -> list[str]:
    """Ids and paths stay whole, whatever the width."""
    if _width(first + text) <= width:
        return [first + text]
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )


def _width(text: str) -> int:
    """In places of a terminal: East Asian letters take two, accents that are put onto others none."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(each) else 1 + (unicodedata.east_asian_width(each) in "WF") for each in text)
