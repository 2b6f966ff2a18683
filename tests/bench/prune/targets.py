"""What was aimed for, beside what the run measured. Nothing here is typed in: every figure is read from the results."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Any

from tests.bench.prune.oneoff import ONE_OFF
from tests.bench.prune.points import nearest

Row = dict[str, Any]


def targets(results: Row) -> list[Row]:
    """`{name, target, measured, reached}` each; `reached` is None where the run has no such part."""
    rows = list[Row]()
    for name, network in results["networks"].items():
        rows += _at_speedups(name, network)
    rows += _fits(results)
    return rows


def _target(name: str, target: str, measured: str, reached: bool | None) -> Row:
    return {"name": name, "target": target, "measured": measured, "reached": reached}


def _at_speedups(name: str, network: Row) -> Iterator[Row]:
    points = network["ladder"]["points"]
    for speedup, margin in ((3.0, 0.005), (5.0, 0.01)):
        for precision, bytes_saved in (("fp32", 0.8 if speedup == 3.0 else 0.0), ("int8", 0.93)):
            rung = nearest(points, speedup, precision, bytes_saved)
            if rung is not None:
                yield _non_inferior(f"{name} {precision}", rung, speedup, margin, bytes_saved)
        yield from _pruned(f"{name} from a rung", speedup, margin, _at(speedup, network["from_ladder"]))
        peers = _at(speedup, network["peers"])
        ours = [each for each in peers if each["series"] == ONE_OFF]
        yield from _pruned(f"{name} one-off", speedup, margin, ours)
        yield from _against_peers(f"{name} one-off {speedup:g}x", ours[0], peers)


def _at(speedup: float, rows: list[Row]) -> list[Row]:
    return [each for each in rows if each["at"] == speedup]


def _pruned(name: str, speedup: float, margin: float, rows: list[Row]) -> Iterator[Row]:
    for row in rows:
        if "unreachable" in row:
            yield _target(f"{name} {speedup:g}x", f"at {speedup:g}x", row["unreachable"], False)
        else:
            yield _non_inferior(name, row, speedup, margin, 0.0)


def _non_inferior(name: str, ours: Row, speedup: float, margin: float, bytes_saved: float) -> Row:
    """As the gate judges: `margin` is the smallest that it would pass our point with."""
    reached = ours["speedup"] >= speedup and ours["margin"] <= margin
    wanted = f"at {speedup:g}x non-inferior within {margin * 100:g} pp"
    got = f"{ours['speedup']:.2f}x, drop {ours['drop'] * 100:.2f} pp, passes from {ours['margin'] * 100:.2f} pp on"
    if bytes_saved:
        wanted += f", at least {bytes_saved:.0%} fewer bytes"
        got += f", {ours['bytes_saved']:.1%} fewer bytes"
        reached = reached and ours["bytes_saved"] >= bytes_saved
    return _target(f"{name} {speedup:g}x", wanted, got, reached)


def _against_peers(name: str, ours: Row, peers: list[Row]) -> Iterator[Row]:
    if "unreachable" in ours:
        return
    for peer in peers:
        if "unreachable" in peer:
            yield _target(f"{name} above {peer['series']}", "at least 0.3 pp above", peer["unreachable"], None)
            continue
        ahead = ours["accuracy"] - peer["accuracy"]
        got = (
            f"{ahead * 100:+.2f} pp ({ours['accuracy']:.2%} at {ours['speedup']:.2f}x against {peer['accuracy']:.2%} "
            f"at {peer['speedup']:.2f}x)"
        )
        if peer["series"].startswith("uniform"):
            yield _target(f"{name} above {peer['series']}", "at least 0.3 pp above", got, ahead >= 0.003)
        if peer["series"] == "scratch":
            noise = (peer["drop_high"] - peer["drop_low"]) / 2
            yield _target(
                f"{name} against scratch", f"not below by more than noise ({noise * 100:.2f} pp)", got,
                ahead >= -noise,
            )  # fmt: skip


def _fits(results: Row) -> Iterator[Row]:
    rows = [row for network in results["networks"].values() for row in network.get("envelopes", ())]
    done = [row for row in rows if "use" in row]
    if done:
        exceeded = sum(row["exceeded"] for row in done)
        use = median(row["use"] for row in done)
        yield _target("random envelopes", "30 drawn, none exceeded when measured again",
                      f"{len(done)} of {len(rows)} made, {exceeded} exceeded",
                      len(done) >= 30 and exceeded == 0)  # fmt: skip
        yield _target("use of the binding cap", "median at least 90 %", f"{use:.1%}", use >= 0.9)
    yield from _predictions(results)
    yield _solves(results["solve"])
    for name, network in results["networks"].items():
        if "profiles" in network:
            yield from _profiles(name, network["profiles"])
    residual = results["networks"].get("residual")
    if residual is not None:
        minutes = residual["ladder"]["wall_s"] / 60
        resumed = residual["ladder"]["resumed_with_all_of_them"]
        yield _target("eight-rung ladder of the residual net", "at most 20 min on 2 cores, resumable",
                      f"{minutes:.1f} min, killed once and {'resumed' if resumed else 'NOT resumed'}",
                      minutes <= 20 and resumed)  # fmt: skip


def _predictions(results: Row) -> Iterator[Row]:
    rows = [row for network in results["networks"].values() for row in network.get("predictions", ())]
    if rows:
        off = median(abs(row["latency"] - 1) for row in rows)
        least = min(row["ram"] for row in rows)
        yield _target("latency predicted", "within 10 % at the median", f"{off:.1%} off over {len(rows)} artifacts",
                      off <= 0.1)  # fmt: skip
        yield _target("RAM predicted", "never underestimated", f"least is {least:.2f} of measured, median "
                      f"{median(row['ram'] for row in rows):.2f}", least >= 1)  # fmt: skip


def _solves(solve: Row) -> Row:
    slowest = max(each["seconds"] for each in solve["solves"])
    shares = ", ".join(f"{each['share']:.0%}" for each in solve["solves"])
    return _target(
        f"solving a ResNet-18 of {solve['parameters'] / 1e6:.1f} M parameters", "each under 2 s",
        f"{slowest:.2f} s at most, to {shares} of latency, storage and RAM together",
        slowest < 2 and all(each["fits"] for each in solve["solves"]),
    )  # fmt: skip


def _profiles(name: str, profiles: Row) -> Iterator[Row]:
    regret = profiles["mean_regret"]
    yield _target(
        f"{profiles['devices']} profiles of {name}",
        "at most 24 artifacts, mean regret at most 0.3 pp against bespoke prunes",
        f"{profiles['artifacts']} artifacts, {profiles['of_the_ladder']} of them the ladder's, serve "
        f"{profiles['served']}; regret "
        + ("unknown" if regret is None else f"{regret * 100:.2f} pp over {len(profiles['bespoke'])}"),
        regret is not None and profiles["artifacts"] <= 24 and regret <= 0.003,
    )
