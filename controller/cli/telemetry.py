"""`controller telemetry`."""

from __future__ import annotations

from typing import Annotated

import typer

from controller.cli.options import API, OUTPUT, Api, Format, Output
from controller.cli.output import show_rows
from controller.client import Client, Row

_WORD = 10  # the longest that there is
_COLUMNS = (
    ("RECEIVED", "received_unix_s"),
    ("SEQ", "seq"),
    ("VARIANT", "variant"),
    ("COUNT", "count"),
    ("ERRORS", "errors"),
    ("P50", "latency_p50_ms"),
    ("P95", "latency_p95_ms"),
    ("P99", "latency_p99_ms"),
    ("RSS", "rss_bytes"),
    ("PEAK", "ram_peak_bytes"),
    ("TEMP", "temperature_celsius"),
    ("POWER", "power_watts"),
    ("SOURCE", "power_source"),
    ("BATTERY", "battery_percent"),
    ("THROTTLED", "throttled_share"),
)


def telemetry(
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="The device's id.")],
    number: Annotated[int, typer.Option("--number", "-n", min=1, max=10_000, help="How many windows.")] = 20,
    api: Api = API,
    output: Output = OUTPUT,
) -> None:
    """A device's newest telemetry windows, oldest first."""
    with Client(api) as client:
        rows = client.telemetry(device, number)
    show_rows(rows if output is Format.JSON else [_clipped(row) for row in rows], _COLUMNS, output)


def _clipped(row: Row) -> Row:
    """A window of an earlier release may hold any word of a device's as its source."""
    word = row["power_source"]
    return row if word is None else {**row, "power_source": word[:_WORD]}
