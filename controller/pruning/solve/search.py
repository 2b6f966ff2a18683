"""Finding the widest structure whose artifact *measures* inside the caps: predict, build, measure, correct, repeat.

The loop is NetAdapt's (Yang et al., ECCV 2018), with predictions between the measurements so that few exports do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import nn

from controller.core.types import Caps, Constraint
from controller.pruning.bench import Bench
from controller.pruning.cost.predict import Costs, Point, binding, predict
from controller.pruning.graph.cut import cut
from controller.pruning.graph.structure import Structure, full, renumbered
from controller.pruning.solve.importance import channel_importance
from controller.pruning.solve.plan import Importance, choose_widths, narrower, smallest

_SAMPLES, _REPEATS = 100, 2
_GOOD_USE = 0.88
_TARGETS = (0.96, 0.95, 0.94, 0.9, 0.85, 0.75, 0.65)
_ENOUGH_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Stage:
    """A model of that `structure`; `parent` is the variant that its weights come from."""

    module: nn.Module
    structure: Structure
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The structure to recover: its measured costs, and the cap that it uses most."""

    structure: Structure
    costs: Costs
    binding: Constraint
    use: float


@dataclass(frozen=True, slots=True)
class TooTight:
    """Not even the narrowest structure lies inside the caps."""

    costs: Costs
    binding: Constraint


def search(bench: Bench, stage: Stage, caps: Caps) -> Found | TooTight:
    """The best-used structure found under `caps`, cut from `stage` (not recovered yet)."""
    importance = stage_importance(bench, stage)
    points = bench.shelf.points()
    best: Found | None = None
    tried = set[tuple[int, ...]]()
    for number, target in enumerate(_TARGETS):
        if best is not None and (best.use >= _GOOD_USE or number >= _ENOUGH_ROUNDS):
            return best
        wanted = plan(bench, stage, importance, points, caps, target)
        widths = tuple(wanted.widths.values())
        if widths in tried:
            continue
        tried.add(widths)
        bench.progress(
            0.15 + 0.05 * number, f"measuring a candidate of {_share_kept(bench, wanted):.0%} of the weights"
        )
        built = bench.build(cut(stage.module, bench.groups, stage.structure, wanted), _SAMPLES, _REPEATS)
        points.append(bench.note_point(wanted, built.measured.costs))
        which, use = binding(built.measured.costs, caps)
        if use <= 1 and (best is None or use > best.use):
            best = Found(wanted, built.measured.costs, which, use)
        start = stage.structure.widths
        narrowest = all(narrower(width, start[root]) is None for root, width in wanted.widths.items())
        if use > 1 and narrowest:
            return TooTight(built.measured.costs, which)
        if best is not None and start == wanted.widths:
            return best
    return best if best is not None else TooTight(points[-1].costs, binding(points[-1].costs, caps)[0])


def know_narrowest(bench: Bench) -> None:
    """Measure the narrowest structure, for the predictions. Its weights are of no use, so any channels will do."""
    narrow = Structure({group.root: tuple(range(smallest(group.channels))) for group in bench.groups})
    dense = full(bench.groups)
    if narrow != dense:
        built = bench.build(cut(bench.model.module, bench.groups, dense, narrow), _SAMPLES, _REPEATS)
        bench.note_point(narrow, built.measured.costs)


def plan(
    bench: Bench, stage: Stage, importance: Importance, points: list[Point], caps: Caps, target: float
) -> Structure:
    """The structure to keep so that the predicted costs are at most `target` of the caps."""
    scaled = replace(
        caps,
        ram_bytes=None if caps.ram_bytes is None else int(caps.ram_bytes * target),
        storage_bytes=None if caps.storage_bytes is None else int(caps.storage_bytes * target),
        latency_s=None if caps.latency_s is None else caps.latency_s * target,
    )
    dense = {group.root: group.channels for group in bench.groups}
    widths = choose_widths(
        stage.structure.widths, dense, importance, bench.work, lambda work: predict(points, work), scaled
    )
    kept = stage.structure.kept
    return Structure({root: _most_important(kept[root], importance[root], width) for root, width in widths.items()})


def stage_importance(bench: Bench, stage: Stage) -> Importance:
    """Channel importance of the groups that passed the probe, as the stage's model has them now."""
    groups = renumbered(bench.groups, stage.structure)
    data = bench.model.data
    return channel_importance(stage.module, groups, None if data is None else data.train, bench.seed)


def _most_important(kept: tuple[int, ...], importance: Sequence[float], width: int) -> tuple[int, ...]:
    order = sorted(range(len(kept)), key=lambda position: importance[position], reverse=True)
    return tuple(sorted(kept[position] for position in order[:width]))


def _share_kept(bench: Bench, structure: Structure) -> float:
    whole = bench.work.work({group.root: group.channels for group in bench.groups})
    return bench.work.work(structure.widths).weights_bytes / whole.weights_bytes
