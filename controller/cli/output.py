"""Data on stdout, as a table for people or as JSON for programs; everything else goes to stderr."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Sequence
from typing import Any

from agent.wire.units import Unit, format_quantity
from controller.cli.options import Format
from controller.cli.table import NOTHING, Column, lay_out
from controller.client import Row

_UNITS = {
    "_bytes": (Unit.BYTES, 1.0),
    "_ms": (Unit.SECONDS, 1e-3),
    "_celsius": (Unit.CELSIUS, 1.0),
    "_watts": (Unit.WATTS, 1.0),
    "_joules": (Unit.JOULES, 1.0),
    "_hz": (Unit.HERTZ, 1.0),
    "_percent": (Unit.SHARE, 0.01),
    "_share": (Unit.SHARE, 1.0),
    "accuracy": (Unit.SHARE, 1.0),
    "accuracy_floor": (Unit.SHARE, 1.0),
    "accuracy_margin": (Unit.SHARE, 1.0),
    "_unix_s": None,
    "_s": (Unit.SECONDS, 1.0),
}
_READABLE = 10**12


def show_rows(rows: Sequence[Row], columns: Sequence[Column], output: Format) -> None:
    if output is Format.JSON:
        return show_json(list(rows))
    cells = [[cell(column.key, row.get(column.key)) for column in columns] for row in rows]
    width = shutil.get_terminal_size().columns  # 80 in a pipe, where COLUMNS does not say otherwise
    table = lay_out(columns, cells, width)
    for line in table.lines:
        print(line)
    if table.left_out:
        note(
            f"left out at {width} columns: {', '.join(table.left_out)}; "
            f"a terminal of {table.width} columns (or COLUMNS={table.width}) and -o json show them"
        )
    return None


def show_row(row: Row, output: Format) -> None:
    """One noun: a line a field, those within a field indented; what is not known is left out."""
    if output is Format.JSON:
        return show_json(row)
    for key, value in row.items():
        if isinstance(value, dict) and value:
            print(f"{key}:")
            show_row({f"  {name}": each for name, each in value.items()}, output)
        elif isinstance(value, list) and value and not isinstance(value[0], dict):
            print(f"{key}:")
            for each in value:
                print(f"  - {cell(key, each)}")
        elif value not in (None, "", [], {}) and not isinstance(value, list):
            print(f"{_label(key, value)}: {cell(key, value)}")
    return None


def _label(key: str, value: Any) -> str:
    """The key, without the suffix of the unit that its value is then written with."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    suffix = next((each for each in _UNITS if each.startswith("_") and key.endswith(each)), "")
    return key.removesuffix(suffix) if is_number else key


def show_json(value: object) -> None:
    print(json.dumps(value, indent=2))


def show_line(value: object) -> None:
    """One object on one line, for a program that reads the last one."""
    print(json.dumps(value), flush=True)


def note(message: str) -> None:
    """Progress and remarks."""
    print(plain(message), file=sys.stderr)


def cell(key: str, value: Any) -> str:
    """A value in human units by the suffix of its key."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return plain(",".join(f"{name}={each}" for name, each in value.items())) or NOTHING
    if isinstance(value, int | float):
        return _quantity(key, value)
    return plain(str(value))


def _quantity(key: str, value: float) -> str:
    if key.endswith("_unix_s"):
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(value))
    for suffix, unit in _UNITS.items():
        if unit is not None and key.endswith(suffix):
            return format_quantity(value * unit[1], unit[0])
    # An int keeps its digits, as long as people can read them.
    return str(value) if isinstance(value, int) and abs(value) < _READABLE else f"{value:g}"


def plain(text: str) -> str:
    """Without anything that a terminal would obey: a device may put escape sequences into its words."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
