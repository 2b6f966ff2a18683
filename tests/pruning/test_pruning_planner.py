"""Plans of a small net by its real prices, under any budgets, from whatever is left of it."""

from __future__ import annotations

import functools
import itertools
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from controller.core.nouns.model import Recovery
from controller.core.nouns.variant import Precision
from controller.pruning.cost.budgets import Budgets
from controller.pruning.cost.kernels import Kernel
from controller.pruning.cost.tables import Tables
from controller.pruning.graph.structure import Structure
from controller.pruning.jobs.appraise import appraise
from controller.pruning.jobs.bench import Bench, bench_of
from controller.pruning.jobs.candidates import Candidates, candidates
from controller.pruning.jobs.costing import Costing
from controller.pruning.jobs.ladder import RATIO
from controller.pruning.jobs.stage import Stage, dense_stage
from controller.pruning.model.data import Data, Floats, Split
from controller.pruning.model.load import LoadedModel
from controller.pruning.shelf import Shelf
from controller.pruning.solve.curves import WorthCurves
from controller.pruning.solve.plan import Appraisal, Plan
from controller.pruning.spec import FunctionRef, ModelSpec
from controller.pruning.steps import unheard
from tests.bench.prune.oneoff import one_off

SHAPE = (3, 8, 8)
BLOCKS = ("early", "late")


class Block(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(width, inner, 3, 1, 1, bias=False), nn.BatchNorm2d(inner)
        self.second = nn.Conv2d(inner, width, 3, 1, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = x + self.second(F.relu(self.norm(self.first(x))))
        return out


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.early, self.down = nn.Conv2d(3, 24, 3, 1, 1), Block(24, 32), nn.Conv2d(24, 40, 3, 2, 1)
        self.late, self.head = Block(40, 20), nn.Linear(40, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.down(self.early(F.relu(self.stem(x)))))
        out: torch.Tensor = self.head(self.late(x).mean((2, 3)))
        return out


class Counted(Tables):
    """Times by arithmetic, in blocks of eight channels."""

    def seconds(self, kernels: Sequence[Kernel]) -> list[float]:
        return [1e-6 + 1e-9 * math.prod(-(-size // 8) * 8 for size in kernel.sizes) for kernel in kernels]

    def start_seconds(self) -> float:
        return 5e-6


def of_data(data: Data | None, seed: int = 0, net: nn.Module | None = None) -> Bench:
    torch.manual_seed(seed)
    spec = ModelSpec(
        name="residual", version="1", factory=FunctionRef("none", "none", is_file=False), weights=Path("none.pt"),
        input_shape=(1, *SHAPE), input_example=None, data=None, accuracy_floor=None, accuracy_margin=None,
        recovery=Recovery(epochs=0), seed=0,
    )  # fmt: skip
    net = (net or Residual()).eval()
    for parameter in net.parameters():
        parameter.data.mul_(2)  # fresh weights hardly answer at all, whatever is cut
    model = LoadedModel(spec, net, SHAPE, data, "a" * 64)
    shelf = Shelf(Path(tempfile.mkdtemp(prefix="hedgerow-shelf-")), model.digest)
    return bench_of(model, shelf, Counted(), seed, unheard(), torch.randn(1, *SHAPE))


@functools.cache
def plain(seed: int = 0) -> Bench:
    return of_data(None, seed)


@functools.cache
def taught() -> Bench:
    dice = np.random.default_rng(3)

    def split(count: int) -> Split:
        inputs: Floats = dice.standard_normal((count, *SHAPE)).astype(np.float32)
        return Split(inputs, dice.integers(0, 5, count))

    return of_data(Data(split(128), split(32), split(32)))


def budgets(costing: Costing, latency: float | None, weights: float | None, ram: float | None) -> Budgets:
    """As shares of the dense model."""
    price = costing.pricing(Precision.FP32).price(costing.prunable.whole.widths)
    return Budgets(
        latency_s=None if latency is None else latency * price.latency_s,
        weights_bytes=None if weights is None else weights * price.weights_bytes,
        ram_bytes=None if ram is None else ram * (3 * price.weights_bytes + 2 * price.peak_bytes),
        ram_per_weight_byte=3.0,
        ram_per_live_byte=2.0,
    )


def falling(draw: st.DrawFn, width: int, floor: int) -> tuple[tuple[int, ...], tuple[float, ...]]:
    widths = sorted({min(floor, width), *draw(st.lists(st.integers(min(floor, width), width), max_size=3)), width})
    steps = draw(st.lists(st.floats(0, 1), min_size=len(widths) - 1, max_size=len(widths) - 1))
    return tuple(widths), tuple(sum(steps[number:]) for number in range(len(widths)))


@st.composite
def offers(draw: st.DrawFn) -> Candidates:
    """Any worth and any ranks of what any structure has left."""
    bench = plain()
    dropped = tuple(sorted(draw(st.sets(st.sampled_from(BLOCKS)))))
    kept = {
        group.root: tuple(sorted(draw(st.permutations(range(group.channels)))[: draw(st.integers(1, group.channels))]))
        for group in bench.prunable.groups
    }
    start = dense_stage(bench.prunable)
    structure = Structure(kept, dropped) if draw(st.booleans()) else start.structure
    stage = Stage(start.cut(bench.prunable, structure), structure)
    gone = {"early.first"} & {f"{block}.first" for block in structure.dropped}
    curves = {root: falling(draw, len(units), bench.prunable.floors[root]) for root, units in structure.kept.items()}
    worth = WorthCurves(
        {root: curve for root, curve in curves.items() if root not in gone},
        {block: draw(st.floats(0, 2)) for block in BLOCKS if block not in structure.dropped},
    )
    dice = np.random.default_rng(draw(st.integers(0, 99)))
    importance = {root: list(map(float, dice.random(len(units)))) for root, units in structure.kept.items()}
    return candidates(bench, stage, Appraisal(importance, worth), Precision.FP32)


shares = st.one_of(st.none(), st.floats(0.03, 1.1))


def test_the_net_has_groups_and_blocks_to_choose_among() -> None:
    assert plain().prunable.blocks == BLOCKS
    assert {group.root for group in plain().prunable.groups} == {"stem", "early.first", "down", "late.first"}


def test_a_group_that_has_no_price_is_kept_dense_and_the_rest_is_planned() -> None:
    class Branching(Residual):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = F.relu(self.stem(x))
            x = F.relu(self.down(self.early(x if x.shape[1] % 4 else F.relu6(x))))
            out: torch.Tensor = self.head(self.late(x).mean((2, 3)))
            return out

    bench = of_data(None, net=Branching())
    assert bench.prunable.refused == {"stem": "changes with its width which operators run"}
    assert bench.costing.pricing(Precision.FP32).roots == ("early.first", "down", "late.first")


@settings(max_examples=60, deadline=None)
@given(offers(), shares, shares, shares)
def test_a_plan_keeps_every_budget_or_nothing_smaller_is_left(
    of: Candidates, latency: float | None, weights: float | None, ram: float | None
) -> None:
    prunable, stage = of.costing.prunable, of.stage
    asked, costs = budgets(of.costing, latency, weights, ram), of.costing.pricing(Precision.FP32)
    plan = of.planner.within(asked)
    price = costs.price(plan.structure.widths, plan.structure.dropped)
    assert (price.latency_s, price.weights_bytes) == (plan.price.latency_s, plan.price.weights_bytes)
    assert (asked.use(price)[1] <= 1) == plan.fits
    assert is_part(plan.structure, stage.structure)
    for root, width in plan.structure.widths.items():
        assert width >= min(prunable.floors[root], len(stage.structure.kept[root]))
    floors = {root: min(prunable.floors[root], width) for root, width in stage.structure.widths.items()}
    if not plan.fits:
        assert asked.use(costs.price(floors, BLOCKS))[1] > 1
    if all(each is None for each in (latency, weights, ram)):
        assert plan.structure == stage.structure
        assert plan.loss == 0


def test_the_benchmarks_row_of_our_own_prunes_goes_from_dense_to_the_narrowest() -> None:
    bench = plain()
    row = [each.module for each in one_off(bench).candidates]
    weights = [sum(parameter.numel() for parameter in each.parameters()) for each in row]
    assert str(row[0]) == str(bench.model.module)
    assert len(row) > 5
    assert weights[-1] == min(weights) < 0.2 * weights[0]


@settings(max_examples=15, deadline=None)
@given(offers(), st.floats(0.2, 1))
def test_a_plan_can_be_cut_and_keeps_what_ranks_highest(of: Candidates, share: float) -> None:
    plan = of.planner.within(budgets(of.costing, share, None, None))
    smaller = of.stage.cut(of.costing.prunable, plan.structure).eval()
    assert smaller(torch.randn(2, *SHAPE)).shape == (2, 5)
    for root, units in plan.structure.kept.items():
        ranks = dict(zip(of.stage.structure.kept[root], of.planner.appraisal.importance[root], strict=True))
        left_out = set(ranks) - set(units)
        if f"{root.split('.')[0]}" not in plan.structure.dropped:
            assert min(ranks[unit] for unit in units) >= max((ranks[unit] for unit in left_out), default=0.0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 3), st.floats(0.1, 1), st.floats(0.3, 1))
def test_tighter_budgets_never_lose_less(seed: int, share: float, tighter: float) -> None:
    bench = plain(seed)
    stage = dense_stage(bench.prunable)
    planner = candidates(bench, stage, appraise(bench, stage), Precision.FP32).planner
    wide = planner.within(budgets(bench.costing, share, share**1.5, None))
    tight = planner.within(budgets(bench.costing, share * tighter, (share * tighter) ** 1.5, None))
    assert wide.loss <= 1.02 * tight.loss  # the search is a heuristic


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 3), st.floats(0.5, 0.9))
def test_every_rung_is_cut_from_the_one_above_costs_less_and_loses_something(seed: int, ratio: float) -> None:
    rungs = ladder(plain(seed), ratio)
    assert_falls(plain(seed), rungs)
    assert all(plan.loss > 0 for _, plan in rungs[1:] if plan is not None)


def test_with_data_blocks_are_dropped_on_the_way_and_never_come_back() -> None:
    rungs = ladder(taught(), RATIO)
    assert_falls(taught(), rungs)
    assert any(stage.structure.dropped for stage, _ in rungs)


def assert_falls(bench: Bench, rungs: Sequence[tuple[Stage, Plan | None]]) -> None:
    costs = bench.costing.pricing(Precision.FP32)
    assert len(rungs) > 2
    for (above, _), (below, plan) in itertools.pairwise(rungs):
        assert plan is not None
        assert is_part(below.structure, above.structure)
        before = costs.price(above.structure.widths, above.structure.dropped)
        assert plan.price.latency_s < before.latency_s or plan.price.weights_bytes < before.weights_bytes
        assert plan.price.latency_s <= before.latency_s
        assert plan.price.weights_bytes <= before.weights_bytes


def ladder(bench: Bench, ratio: float) -> list[tuple[Stage, Plan | None]]:
    """The dense stage, and each one below with its plan."""
    rungs: list[tuple[Stage, Plan | None]] = [(dense_stage(bench.prunable), None)]
    for rung in range(1, 9):
        stage, share = rungs[-1][0], ratio**rung
        planner = candidates(bench, stage, appraise(bench, stage), Precision.FP32).planner
        plan = planner.within(budgets(bench.costing, share, share**1.5, None))
        if plan.structure != stage.structure:
            rungs.append((Stage(stage.cut(bench.prunable, plan.structure).eval(), plan.structure), plan))
    return rungs


def is_part(inner: Structure, outer: Structure) -> bool:
    parts = all(set(units) <= set(outer.kept[root]) for root, units in inner.kept.items())
    return parts and set(outer.dropped) <= set(inner.dropped)
