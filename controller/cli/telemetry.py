"""`controller telemetry`."""

from __future__ import annotations

from typing import Annotated

import typer

from controller.cli.moment import moment
from controller.cli.options import API, OUTPUT, Api, Format, Output
from controller.cli.output import note, show_rows
from controller.cli.table import Column
from controller.client import Client, Row

_WORD = 10  # the longest that there is
_COLUMNS = (
    Column("RECEIVED", "received_unix_s"),
    Column("CLOSED", "closed_unix_s", 1),
    Column("SEQ", "seq", 5),
    Column("VARIANT", "variant", 6),
    Column("ASKED", "asked", 3),
    Column("COUNT", "count", 8),
    Column("SHED", "shed", 4),
    Column("ERRORS", "errors", 7),
    Column("P50", "latency_p50_ms", 4),
    Column("P95", "latency_p95_ms", 9),
    Column("P99", "latency_p99_ms", 3),
    Column("QUEUE", "queue_p95_ms", 4),
    Column("RSS", "rss_bytes", 2),
    Column("PEAK", "ram_peak_bytes", 7),
    Column("TEMP", "temperature_celsius", 7),
    Column("POWER", "power_watts", 6),
    Column("SOURCE", "power_source", 5),
    Column("BATTERY", "battery_percent", 5),
    Column("THROTTLED", "throttled_share", 4),
    Column("BUSY", "host_busy_share", 3),
)
_HOURS = (
    Column("HOUR", "hour_unix_s"),
    Column("VARIANT", "variant", 6),
    Column("WINDOWS", "windows", 4),
    Column("COUNT", "count", 8),
    Column("ERRORS", "errors", 7),
    Column("INSIDE", "inside_s", 5),
    Column("OUTSIDE", "outside_s", 9),
    Column("NOT HEARD", "not_heard_s", 9),
    Column("P95", "latency_p95_median_ms", 8),
    Column("P95 MAX", "latency_p95_highest_ms", 8),
    Column("TEMP MAX", "temperature_highest_celsius", 7),
    Column("POWER", "power_median_watts", 5),
    Column("THROTTLED", "throttled_s", 4),
    Column("JOULES", "joules", 3),
)
_FEW, _MOST = 20, 10_000
_MOMENT = "how long ago ('2 h', '7 d') or a time ('2026-11-28 14:00')."


def telemetry(
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="The device's id.")],
    number: Annotated[
        int | None,
        typer.Option("--number", "-n", min=1, max=_MOST, help="The newest so many; 20, or all with --since."),
    ] = None,
    since: Annotated[str | None, typer.Option(help=f"From then on: {_MOMENT}", metavar="MOMENT")] = None,
    until: Annotated[str | None, typer.Option(help="Before then.", metavar="MOMENT")] = None,
    hours: Annotated[bool, typer.Option("--hours", help="Rolled up by hour and variant; kept much longer.")] = False,
    api: Api = API,
    output: Output = OUTPUT,
) -> None:
    """A device's newest telemetry windows, oldest first."""
    between, most = (moment("--since", since), moment("--until", until)), number or (_FEW if since is None else _MOST)
    with Client(api) as client:
        rows = client.hours(device, most, *between) if hours else client.telemetry(device, most, *between)
    if since is not None and len(rows) == most:
        note(f"the newest {most}; there may be earlier ones: --until shows them")
    if hours:
        return show_rows(rows, _HOURS, output)
    return show_rows(rows if output is Format.JSON else [_clipped(row) for row in rows], _COLUMNS, output)


def _clipped(row: Row) -> Row:
    """A window of an earlier release may hold any word of a device's as its source."""
    word = row["power_source"]
    return row if word is None else {**row, "power_source": word[:_WORD]}
