"""A ladder as a picture: accuracy against latency, RAM and bytes. Only this file knows matplotlib."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controller.client import FAILED, USAGE, ClientError, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PANELS = (
    ("latency p50 (ms)", "latency_p50_ms", "latency_s", 1e3),
    ("RAM of the model (MiB)", "ram_bytes", "ram_bytes", 1 / 2**20),
    ("artifact (KiB)", "size_bytes", "bytes", 1 / 2**10),
)
_SCALE = {"latency_p50_ms": 1.0, "ram_bytes": 1 / 2**20, "size_bytes": 1 / 2**10}
_MARKS = {"fp32": ("o", "#1f5f8b"), "int8": ("s", "#d1662b")}
_OTHER = ("D", "#5b5b5b")
_DENSE = ("*", "#111111")
_PEER_MARKS = "^v<>PXdh"
_ROOM = 1.06  # right of the dearest point, which is the large star and has a number beside it


@dataclass(frozen=True, slots=True)
class Plot:
    """`peers` are other tools' points for the same network."""

    title: str
    file: Path
    peers: Sequence[Row] = ()

    def draw(self, rows: Sequence[Row]) -> None:
        """Raises `ClientError` where there is nothing to draw or the file cannot be written."""
        from matplotlib.figure import Figure

        if all(row["accuracy"] is None for row in rows):
            raise ClientError("there is no verified accuracy to draw: the model's spec names no data", FAILED)
        figure = Figure(figsize=(15, 5.2), layout="constrained")
        panels = figure.subplots(1, len(_PANELS), sharey=True)
        for axes, (label, key, peer_key, peer_scale) in zip(panels, _PANELS, strict=True):
            _draw_peers(axes, self.peers, peer_key, peer_scale)
            _draw_rungs(axes, rows, key)
            axes.set_xlabel(label)
            axes.set_xlim(0, axes.get_xlim()[1] * _ROOM)
            axes.grid(alpha=0.25)
        panels[0].set_ylabel("accuracy on gate data (%), 95 % interval")
        figure.suptitle(self.title)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 6), frameon=False)
        try:
            figure.savefig(self.file, dpi=120, format="png")
        except OSError as error:
            raise ClientError(f"{self.file} cannot be written: {error}", FAILED) from None


def prepare(name: str, file: Path, peers: Path | None) -> Plot:
    """What can be wrong is found before anything long begins. Raises `ClientError`."""
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError:
        raise ClientError("--plot needs matplotlib: pip install 'hedgerow[plot]'", FAILED) from None
    if not file.absolute().parent.is_dir():
        raise ClientError(f"{file} cannot be written: there is no directory {file.absolute().parent}", USAGE)
    return Plot(f"{name}: the ladder", file, () if peers is None else _peers(name, peers))


def _peers(name: str, file: Path) -> list[Row]:
    try:
        networks = json.loads(file.read_text(encoding="utf-8"))["networks"]
        points: list[Row] = networks[name]["points"] if name in networks else []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ClientError(f"{file} is no benchmark that can be read: {type(error).__name__}: {error}", USAGE) from None
    if not points:
        raise ClientError(f"{file} has no points of {name!r}; it has {', '.join(sorted(networks)) or 'none'}", USAGE)
    return points


def _draw_rungs(axes: Axes, rows: Sequence[Row], key: str) -> None:
    for precision in sorted({row["precision"] for row in rows}):
        mine = [row for row in rows if row["precision"] == precision and not row["dense"]]
        _draw_points(axes, mine, key, _SCALE[key], _MARKS.get(precision, _OTHER), precision, 7)
    _draw_points(axes, [row for row in rows if row["dense"]], key, _SCALE[key], _DENSE, "dense", 15)
    for row in rows:
        if row["accuracy"] is not None and not row["dense"]:
            place = (row[key] * _SCALE[key], row["accuracy"] * 100)
            # Two precisions of one structure lie close together: one's number is above, the other's below.
            aside = (6, 6) if row["precision"] == "int8" else (6, -13)
            axes.annotate(str(row["rung"]), place, xytext=aside, textcoords="offset points", fontsize=9)


def _draw_peers(axes: Axes, points: Sequence[Row], key: str, scale: float) -> None:
    for at, series in enumerate(sorted({point["series"] for point in points})):
        mine = [point for point in points if point["series"] == series]
        mark = (_PEER_MARKS[at % len(_PEER_MARKS)], f"C{at + 2}")
        _draw_points(axes, mine, key, scale, mark, series, 6, alpha=0.6)


def _draw_points(
    axes: Axes, rows: Sequence[Row], key: str, scale: float, mark: tuple[str, str], label: str, size: int, **style: Any
) -> None:
    """With error bars; what has no accuracy or no such cost is left out."""
    shown = [row for row in rows if row["accuracy"] is not None and row.get(key) is not None]
    if not shown:
        return
    middle = [row["accuracy"] * 100 for row in shown]
    low = [max(0.0, (row["accuracy"] - _known(row, "accuracy_low")) * 100) for row in shown]
    high = [max(0.0, (_known(row, "accuracy_high") - row["accuracy"]) * 100) for row in shown]
    axes.errorbar(
        [row[key] * scale for row in shown], middle, yerr=(low, high), fmt=mark[0], color=mark[1], label=label,
        markersize=size, capsize=3, elinewidth=1, **style,
    )  # fmt: skip


def _known(row: Row, key: str) -> float:
    value: float | None = row.get(key)
    return float(row["accuracy"]) if value is None else value
