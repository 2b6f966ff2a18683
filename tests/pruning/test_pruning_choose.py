"""The search for a structure, on a synthetic ResNet-18 whose costs are products of widths."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.nouns.constraint import Constraint
from controller.pruning.cost.budgets import Budgets
from controller.pruning.cost.price import Change, Price
from controller.pruning.cost.sizes import Floats
from controller.pruning.solve.choose import Choice, Chosen, Space, choose
from controller.pruning.solve.options import MOST, offered


@dataclass(frozen=True)
class Conv:
    made: str
    read: str
    pixels: int
    kernel: int
    block: str = ""


class Bilinear:
    """Convolutions, each costing the product of two roots' widths (a root that is no group has one fixed width)."""

    def __init__(self, convs: list[Conv], widths: Mapping[str, int], fixed: Mapping[str, int], lanes: int = 8) -> None:
        self.convs, self.dense, self.lanes = convs, dict(widths), lanes
        self.roots = [*widths, *fixed]
        self.fixed = list(fixed.values())
        self.made = np.array([self.roots.index(conv.made) for conv in convs])
        self.read = np.array([self.roots.index(conv.read) for conv in convs])
        self.pixels = np.array([conv.pixels for conv in convs], float)
        self.kernel = np.array([conv.kernel for conv in convs], float)
        self.residual = np.array([conv.block != "" for conv in convs], float)

    def prices(self, table: Floats, dropped: Collection[str]) -> tuple[Floats, Floats, Floats]:
        """For widths `[candidates, groups]`: latency and weights `[candidates]`, live bytes `[candidates, convs]`."""
        wide = np.concatenate([table, np.tile(np.array(self.fixed, float), (len(table), 1))], 1)
        kept = np.array([conv.block not in dropped for conv in self.convs], float)
        made, read = wide[:, self.made], wide[:, self.read]
        lanes = np.ceil(made / self.lanes) * self.lanes
        latency = kept * (3e-6 + read * lanes * self.kernel * self.pixels / 2e10 + (made + read) * self.pixels / 2e9)
        live = 4 * kept * self.pixels * (made + read + self.residual * np.minimum(made, read))
        return latency.sum(1), 4 * (kept * made * read * self.kernel).sum(1), live

    def price(self, widths: Mapping[str, int], dropped: Collection[str]) -> Price:
        latency, weights, live = self.prices(np.array([[widths[root] for root in self.dense]], float), dropped)
        return Price(float(latency[0]), float(weights[0]), live[0])

    def marginals(
        self, widths: Mapping[str, int], dropped: Collection[str], options: Mapping[str, Sequence[int]]
    ) -> dict[str, Change]:
        now = [float(widths[root]) for root in self.dense]
        rows = [(root, width) for root, each in options.items() for width in each]
        table = np.tile(np.array(now), (len(rows) + 1, 1))
        for number, (root, width) in enumerate(rows):
            table[number, self.roots.index(root)] = width
        latency, weights, live = (each[:-1] - each[-1] for each in self.prices(table, dropped))
        at = {root: [number for number, row in enumerate(rows) if row[0] == root] for root in options}
        return {root: Change(latency[each], weights[each], live[each]) for root, each in at.items()}


@dataclass(frozen=True)
class Expected:
    """Losing the share x of a group loses `weight * x ** power / (1.02 - x)`: slow at first, then ever faster."""

    dense: Mapping[str, int]
    weight: Mapping[str, float]
    power: float
    blocks: Mapping[str, float]

    def loss(self, root: str, width: int) -> float:
        gone = 1 - width / self.dense[root]
        return float(self.weight[root] * gone**self.power / (1.02 - gone))


@dataclass(frozen=True)
class Net:
    pricing: Bilinear
    worth: Expected
    space: Space

    @property
    def start(self) -> Choice:
        return Choice(self.pricing.dense)

    def budgets(self, latency: float | None, weights: float | None, ram: float | None) -> Budgets:
        """Caps in shares of the dense network's costs."""
        dense = self.pricing.price(self.pricing.dense, ())
        peak = 1.3 * dense.weights_bytes + 2.0 * float(dense.live_bytes.max())
        return Budgets(
            latency_s=None if latency is None else latency * dense.latency_s,
            weights_bytes=None if weights is None else weights * dense.weights_bytes,
            ram_bytes=None if ram is None else ram * peak,
            ram_per_weight_byte=1.3,
            ram_per_live_byte=2.0,
        )

    def choose(self, budgets: Budgets) -> Chosen:
        return choose(self.start, self.pricing, self.worth, budgets, self.space)

    def loss(self, chosen: Chosen) -> float:
        """What `chosen.loss` must be."""
        gone = {root for block in chosen.dropped for root in self.space.inside[block]}
        kept = (self.worth.loss(root, width) for root, width in chosen.widths.items() if root not in gone)
        return sum(kept) + sum(self.worth.blocks[block] for block in chosen.dropped)


def resnet(seed: int, stages: int = 4, depth: int = 2, width: int = 64, grain: int = 8) -> Net:
    dice = np.random.default_rng(seed)
    widths, convs, blocks = {"stage0": width}, [Conv("stage0", "image", 112 * 112, 49)], {}
    for stage, number in itertools.product(range(stages), range(depth)):
        made, inner, block = f"stage{stage}", f"stage{stage}.{number}", f"block{stage}.{number}"
        read = f"stage{stage - 1}" if number == 0 and stage else made
        pixels = (56 >> stage) ** 2
        widths[made] = widths[inner] = width << stage
        droppable = block if read == made else ""
        convs += [Conv(inner, read, pixels, 9, droppable), Conv(made, inner, pixels, 9, droppable)]
        if droppable:
            blocks[block] = (inner,)
        else:
            convs.append(Conv(made, read, pixels, 1))
    convs.append(Conv("classes", f"stage{stages - 1}", 1, 1))
    weight = {root: float(dice.lognormal(0, 0.7)) for root in widths}
    worth = Expected(widths, weight, float(dice.uniform(1.0, 2.0)), {b: float(dice.lognormal(0, 1)) for b in blocks})
    space = Space(dict.fromkeys(widths, grain), dict.fromkeys(widths, grain), blocks)
    return Net(Bilinear(convs, widths, {"image": 3, "classes": 1000 if stages > 2 else 10}), worth, space)


def shares(net: Net, chosen: Chosen, budgets: Budgets) -> float:
    return budgets.use(net.pricing.price(chosen.widths, chosen.dropped))[1]


SHARES = st.none() | st.floats(0.02, 1.1)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), SHARES, SHARES, SHARES)
def test_no_budget_is_exceeded_unless_nothing_smaller_is_left(
    seed: int, latency: float | None, weights: float | None, ram: float | None
) -> None:
    net = resnet(seed, stages=3, width=32)
    budgets = net.budgets(latency, weights, ram)
    chosen = net.choose(budgets)
    assert chosen.fits == (shares(net, chosen, budgets) <= 1)
    assert chosen.loss == pytest.approx(net.loss(chosen))
    for root, width in chosen.widths.items():
        assert net.space.floor[root] <= width <= net.start.widths[root]
        assert width % net.space.grain[root] == 0
    if not chosen.fits:
        smallest = net.pricing.price(net.space.floor, tuple(net.worth.blocks))
        assert chosen.price.latency_s == pytest.approx(smallest.latency_s)
        assert budgets.use(smallest)[1] > 1


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 0.9), st.floats(1.02, 1.5), st.booleans())
def test_more_budget_loses_no_more(seed: int, share: float, more: float, several: bool) -> None:
    net = resnet(seed, stages=3, width=32)
    tight, loose = (
        net.choose(net.budgets(each, each if several else None, each if several else None))
        for each in (share, share * more)
    )
    if tight.fits:
        assert loose.fits
        assert net.loss(loose) <= net.loss(tight) * 1.01 + 1e-9


@pytest.mark.parametrize("seed", range(4))
def test_the_loss_is_near_the_least_of_all_structures(seed: int) -> None:
    net = resnet(seed, stages=2, width=16, grain=4)
    structures = list(every_structure(net))
    for latency, ram in ((0.7, None), (0.4, None), (None, 0.6), (0.5, 0.6)):
        budgets = net.budgets(latency, None, ram)
        fits = [(budgets.shares(*prices) <= 1).all(1) for _, prices in structures]
        least = min(losses[fit].min(initial=np.inf) for (losses, _), fit in zip(structures, fits, strict=True))
        assert net.loss(net.choose(budgets)) <= 1.1 * least + 1e-9


def every_structure(net: Net) -> Iterator[tuple[Floats, tuple[Floats, Floats, Floats]]]:
    """For every set of dropped blocks, the losses and the prices of all widths."""
    widths = [range(net.space.floor[root], most + 1, net.space.grain[root]) for root, most in net.pricing.dense.items()]
    table = np.array(list(itertools.product(*widths)), float)
    for dropped in itertools.product([False, True], repeat=len(net.worth.blocks)):
        blocks = list(itertools.compress(net.worth.blocks, dropped))
        gone = {root for block in blocks for root in net.space.inside[block]}
        losses = np.full(len(table), sum((net.worth.blocks[block] for block in blocks), 0.0))
        for column, root in zip(table.T, net.pricing.dense, strict=True):
            if root not in gone:
                each, at = np.unique(column, return_inverse=True)
                losses += np.array([net.worth.loss(root, int(width)) for width in each])[at]
        yield losses, net.pricing.prices(table, blocks)


def test_the_same_question_has_the_same_answer() -> None:
    net = resnet(1, stages=3)
    first, again = (net.choose(net.budgets(0.4, 0.5, 0.6)) for _ in range(2))
    assert (first.widths, first.dropped) == (again.widths, again.dropped)


def test_no_budget_keeps_everything() -> None:
    net, budgets = resnet(0), Budgets()
    chosen = net.choose(budgets)
    assert (chosen.widths, chosen.dropped, chosen.fits) == (net.start.widths, (), True)
    assert budgets.use(chosen.price) == (Constraint.NONE, 0.0)


@pytest.mark.parametrize(("loss", "dropped"), [(1e-6, True), (1e3, False)])
def test_a_block_is_dropped_when_narrowing_loses_more(loss: float, dropped: bool) -> None:
    net = resnet(0)
    net = replace(net, worth=replace(net.worth, blocks=dict.fromkeys(net.worth.blocks, 1e3) | {"block0.1": loss}))
    chosen = net.choose(net.budgets(0.8, None, None))
    assert chosen.fits
    assert chosen.dropped == (("block0.1",) if dropped else ())


def test_blocks_are_dropped_where_the_floors_alone_do_not_fit() -> None:
    net = resnet(0, stages=3)
    dear = dict.fromkeys(net.worth.blocks, 1e3)
    net = replace(net, worth=replace(net.worth, blocks=dear), space=replace(net.space, floor=net.start.widths))
    chosen = net.choose(net.budgets(0.8, None, None))
    assert chosen.fits
    assert chosen.dropped


def test_a_start_stays_the_upper_bound() -> None:
    net = resnet(0)
    start = Choice({root: width // 2 for root, width in net.start.widths.items()}, ("block1.1",))
    chosen = choose(start, net.pricing, net.worth, net.budgets(0.15, None, None), net.space)
    assert "block1.1" in chosen.dropped
    assert all(width <= start.widths[root] for root, width in chosen.widths.items())


@pytest.mark.parametrize(
    ("caps", "binding"),
    [
        ((0.001, 0.5, 0.5), Constraint.DEADLINE),
        ((1, 1e-5, 1), Constraint.STORAGE),
        ((1, 1, 1e-4), Constraint.RAM_MODEL),
    ],
)
def test_what_cannot_fit_names_the_budget_in_the_way(caps: tuple[float, float, float], binding: Constraint) -> None:
    net = resnet(0)
    budgets = net.budgets(*caps)
    chosen = net.choose(budgets)
    assert not chosen.fits
    assert budgets.use(chosen.price)[0] == binding
    assert chosen.widths == net.space.floor
    assert set(chosen.dropped) == set(net.worth.blocks)


def test_what_fits_uses_its_budget() -> None:
    net = resnet(0)
    for share in (0.8, 0.5, 0.25):
        budgets = net.budgets(share, None, None)
        assert shares(net, net.choose(budgets), budgets) > 0.99


@given(st.integers(1, 600), st.integers(0, 300), st.integers(1, 64), st.sampled_from([1, 4, 8, 16]), st.floats(0, 1))
def test_offered_widths_are_few_and_near(now: int, more: int, floor: int, grain: int, trust: float) -> None:
    widths = offered(now, now + more, floor, grain, trust)
    assert len(widths) <= MOST
    assert now in widths
    assert list(widths) == sorted(set(widths))
    assert all(width % grain == 0 or width in (now, floor, now + more) for width in widths)
    assert all(min(floor, now) <= width <= now + more for width in widths)
    assert all(abs(width - now) <= max(trust * now, grain) + 1e-9 for width in widths)  # 1 + trust rounds
    assert more == 0 or widths[-1] > now
    assert floor >= now or widths[0] < now


def test_offered_widths_reach_both_ends() -> None:
    assert offered(64, 64, 8, 8, 1.0) == (8, 16, 24, 32, 40, 48, 56, 64)
    assert offered(64, 512, 8, 8, 0.1) == (56, 64, 72)
    assert {8, 512} <= set(offered(512, 512, 8, 8, 1.0))


def test_the_unit_of_loss_does_not_matter() -> None:
    net = resnet(2, stages=3)
    blocks = {block: loss * 1e-12 for block, loss in net.worth.blocks.items()}
    weight = {root: loss * 1e-12 for root, loss in net.worth.weight.items()}
    small = replace(net, worth=replace(net.worth, blocks=blocks, weight=weight))
    chosen = small.choose(small.budgets(0.4, 0.6, 0.6))
    assert small.loss(chosen) * 1e12 == pytest.approx(net.loss(net.choose(net.budgets(0.4, 0.6, 0.6))), rel=0.01)
