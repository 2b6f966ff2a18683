"""The options that every command shares."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from agent.wire.errors import WireError
from agent.wire.units import Unit, parse_quantity
from controller.client import DEFAULT_API, USAGE, ClientError


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"


Api = Annotated[str, typer.Option("--api", envvar="HEDGEROW_API", help="The controller's address.", metavar="URL")]
Output = Annotated[Format, typer.Option("--output", "-o", help="Tables with human units, or JSON in SI units.")]
Selector = Annotated[
    str, typer.Option("--selector", "-l", help="Which devices: site=north,class=camera or id=cam-1; none is all.")
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="At most so many; all if not given.", metavar="N")]
API = DEFAULT_API
OUTPUT = Format.TABLE


def group(summary: str) -> typer.Typer:
    """A group of commands about one noun."""
    return typer.Typer(help=summary, no_args_is_help=True, rich_markup_mode=None)


def quantity(option: str, text: str | None, unit: Unit) -> float | None:
    """What an option says, in SI units. Raises `ClientError`."""
    try:
        return None if text is None else parse_quantity(text, unit)
    except WireError as error:
        raise ClientError(f"{option}: {error}", USAGE) from None
