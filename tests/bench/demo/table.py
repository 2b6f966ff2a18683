"""The runs as targets and as the page that the docs show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

_NOTHING_CACHED_S, _MODEL_CACHED_S, _SILENCE_S = 240, 150, 10
_HEADS = ("run", "cached", "other core", "exit", "seconds", "prunes", "variants", "incident", "longest silence")
Row = dict[str, Any]


def targets(runs: Sequence[Row], times: int) -> list[Row]:
    good = [run for run in runs if run["exit"] == 0]
    idle = [run for run in runs if not run["busy"]]
    first = [run["seconds"] for run in idle if not run["cached"]]
    again = [run["seconds"] for run in idle if run["cached"]]
    silence_s = [run["longest_silence_s"] for run in runs]
    return [
        {
            "name": "ten in a row",
            "target": f"{times} of {times} exit 0",
            "measured": f"{len(good)} of {len(runs)}",
            "reached": len(good) == times,
        },
        _seconds("nothing cached, two cores idle", _NOTHING_CACHED_S, first),
        _seconds("model cached, two cores idle", _MODEL_CACHED_S, again),
        _seconds("no silence", _SILENCE_S, silence_s),
    ]


def line(run: Row) -> str:
    """One run as a row of the page."""
    cells = (
        run["run"],
        "as left by the run before" if run["cached"] else "nothing",
        "busy" if run["busy"] else "idle",
        run["exit"],
        f"{run['seconds']:.0f}",
        _or_dash(run["prunes"]),
        _or_dash(run["variants_ran"]),
        "-" if run["incident_seconds"] is None else f"{run['incident_seconds']:.0f} s",
        f"{run['longest_silence_s']:.1f} s",
    )
    return _row(cells)


def page(results: Row) -> str:
    return "\n".join(_lines(results)) + "\n"


def _lines(results: Row) -> Iterator[str]:
    host, runs = results["host"], results["runs"]
    yield "# The demo, ten times in a row"
    yield ""
    yield f"Written by `{results['repeat']}` on {runs[-1]['date']}: {host['cores']} cores, {host['machine']},"
    yield f"Python {host['python']}. Beside every second run a program keeps one core busy."
    yield ""
    yield _row(("target", "aimed for", "measured", "reached"))
    yield "|---|---|---|---|"
    for each in results["targets"]:
        yield _row((each["name"], each["target"], each["measured"], "yes" if each["reached"] else "**no**"))
    yield ""
    yield _row(_HEADS)
    yield "|" + "---|" * len(_HEADS)
    yield from map(line, runs)
    for run in runs:
        for wrong in run["not_shown"]:
            yield ""
            yield f"Run {run['run']} did not show: {wrong}."


def _seconds(name: str, limit_s: int, measured_s: Sequence[float]) -> Row:
    return {
        "name": name,
        "target": f"at most {limit_s} s",
        "measured": f"{max(measured_s):.0f} s at most" if measured_s else "-",
        "reached": bool(measured_s) and max(measured_s) <= limit_s,
    }


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def _or_dash(value: object) -> str:
    return "-" if value is None else str(value)
