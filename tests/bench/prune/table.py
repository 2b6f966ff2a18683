"""The results as the page that the docs show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

Row = dict[str, Any]
_REACHED = {True: "yes", False: "**no**", None: "-"}


def page(results: Row) -> str:
    return "\n".join(_lines(results)) + "\n"


def _lines(results: Row) -> Iterator[str]:
    yield "# Pruning, measured"
    yield ""
    yield f"Written by `{results['repeat']}`, each network beside its peers on one host, and the"
    yield f"solving {_where(results['solve'])}."
    yield "Speed-up: CPU time of inferences back to back on one thread, the least of several spells' medians, over the"
    yield "dense artifact's beside it. Latency: the median with a pause before each inference, as in service, where all"
    yield "of them pay for a cold cache; in service is the speed-up by that."
    yield "Accuracy is on gate data that selected nothing; the drop against the dense model is paired, with its 95 %"
    yield "interval. A ladder is one training: a rung's epochs are those of all rungs down to it. One-offs and peers"
    yield "are pruned once, as little as the speed-up asks, and recovered by the same distillation for a rung's epochs;"
    yield "scratch has the one-off's widths and as many epochs of the dense model's recipe. From a rung: the last one"
    yield "that is slower than the speed-up, pruned once more, as a prune does once there is a ladder. The peers are"
    yield "torch-pruning's: each layer by one share (uniform; uniform-16 in blocks of 16), or ranked together (global)."
    yield ""
    yield "## Targets"
    yield ""
    yield from _table(("target", "aimed for", "measured", "reached"), map(_target, results["targets"]))
    for name, network in results["networks"].items():
        yield ""
        yield f"## {name}"
        yield ""
        yield f"Measured {_where(network)}."
        yield f"{_rungs(network)} in {network['ladder']['wall_s'] / 60:.1f} min with"
        yield f"{network['ladder']['epochs_a_rung']:g} epochs of recovery each, killed once on the way and resumed."
        yield ""
        rows = [*network["ladder"]["points"], *network["peers"], *network["from_ladder"]]
        rows.sort(key=lambda row: row.get("speedup", 0))
        heads = (
            "series",
            "setting",
            "epochs",
            "speed-up",
            "in service",
            "latency",
            "RAM",
            "bytes",
            "accuracy",
            "drop (95 %)",
        )
        yield from _table(heads, map(_point, rows))
    yield ""
    yield "## Random envelopes"
    yield ""
    yield "Caps drawn together, a one-off prune under each, and the share of the cap that binds: as measured when it"
    yield "shipped, and again in other processes afterwards."
    yield ""
    heads = ("network", "RAM", "storage", "latency p95", "ships", "binds", "use", "again")
    yield from _table(heads, (_envelope(name, row) for name, each in results["networks"].items()
                              for row in each["envelopes"]))  # fmt: skip


def _rungs(network: Row) -> str:
    asked, made = network["ladder"]["rungs"], {each["rung"] for each in network["ladder"]["points"]} - {0}
    return f"{len(made)} of {asked} rungs" + ("" if len(made) == asked else " (what one asks, the one above keeps)")


def _where(measured: Row) -> str:
    host = measured["host"]
    return (
        f"on {measured['date']}: {host['cpu']}, {host['cores']} cores, torch {host['torch']}, "
        f"onnxruntime {host['onnxruntime']}, torch-pruning {host['torch_pruning']}"
    )


def _target(row: Row) -> tuple[str, ...]:
    return row["name"], row["target"], row["measured"], _REACHED[row["reached"]]


def _envelope(network: str, row: Row) -> tuple[str, ...]:
    caps = dict(each.split("=") for each in row["caps"].split())
    asked = (f"{int(caps['ram']) / 2**20:.2f} MiB", f"{int(caps['storage']) / 2**10:.0f} KiB", caps["latency"])
    if row["state"] != "done":
        return (network, *asked, row["state"], "", "", "")
    return (network, *asked, row["precision"], row["binding_again"], f"{row['use']:.1%}", f"{row['use_again']:.1%}")


def _point(row: Row) -> tuple[str, ...]:
    if "accuracy" not in row:
        return (row["series"], "", "", "", "", "", "", "", "", row["unreachable"])
    return (
        row["series"],
        row["setting"],
        f"{row['epochs']:g}",
        f"{row['speedup']:.2f}x",
        f"{row['speedup_in_service']:.2f}x",
        f"{row['latency_s'] * 1e3:.3f} ms",
        f"{row['ram_bytes'] / 2**20:.2f} MiB",
        f"{row['bytes'] / 2**10:.0f} KiB",
        f"{row['accuracy']:.2%}",
        f"{row['drop'] * 100:.2f} pp ({row['drop_low'] * 100:.2f} to {row['drop_high'] * 100:.2f})",
    )


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
