"""Every kind of graph that is pruned, and those that are pruned around, has a price; recurrent ones too."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from controller.core.nouns.variant import Precision
from controller.pruning.cost.fuse import fuse
from controller.pruning.cost.memory import liveness
from controller.pruning.cost.model import CostModel, describe_costs
from controller.pruning.cost.runs import run_widths
from controller.pruning.cost.trace import Trace, trace
from controller.pruning.errors import TraceError
from controller.pruning.graph.cut import cut, grown
from controller.pruning.graph.groups import find_groups
from controller.pruning.graph.probe import sound_groups
from controller.pruning.graph.structure import Structure, full
from tests.pruning.test_pruning_cost import Counted
from tests.pruning.test_pruning_graph import AROUND, IMAGE, KINDS, SERIES, Make, Net, build, conv, head

NETS = {
    **{kind: (each.make, each.shape, each.blocks) for kind, each in KINDS.items()},
    **{kind: (each.make, each.shape, ()) for kind, each in AROUND.items()},
}


def priced(make: Make, shape: tuple[int, ...], blocks: tuple[str, ...] = ()) -> tuple[CostModel, dict[str, int]]:
    model, batch = build(make, shape)
    groups, _ = sound_groups(model, batch, find_groups(model, batch[:1])[0], seed=0)
    costs = describe_costs(run_widths(model, batch[:1], groups, blocks), Precision.FP32, Counted())
    return costs, {group.root: group.channels for group in groups}


@pytest.mark.parametrize("kind", NETS)
def test_a_kind_is_priced_and_cheaper_where_it_is_narrower(kind: str) -> None:
    make, shape, blocks = NETS[kind]
    costs, widths = priced(make, shape, blocks)
    whole, half = (costs.price({root: width // of for root, width in widths.items()}) for of in (1, 2))
    assert whole.latency_s > 0
    assert half.weights_bytes < whole.weights_bytes or not widths
    assert half.peak_bytes <= whole.peak_bytes
    assert costs.price(widths, blocks).latency_s < whole.latency_s or not blocks


def last_state(kind: type[nn.RNNBase], **kwargs: Any) -> nn.Module:
    """Of all that the cells make only the state after the last step is used, as most classifiers of series do."""

    def wire(net: Any, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(net.a(x)).permute((0, 2, 1) if net.cells.batch_first else (2, 0, 1))
        state = net.cells(x)[1]
        return net.out(torch.relu(net.deep((state[0] if kind is nn.LSTM else state)[-1])))  # type: ignore[no-any-return]

    cells = kind(8, 10, **kwargs)
    return Net(wire, a=nn.Conv1d(3, 8, 3), cells=cells, deep=nn.Linear(10, 14), out=nn.Linear(14, 3))


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("both_ways", [True, False])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_a_recurrent_net_is_priced_by_its_last_state(
    kind: type[nn.RNNBase], layers: int, both_ways: bool, batch_first: bool
) -> None:
    costs, widths = priced(
        lambda: last_state(kind, num_layers=layers, bidirectional=both_ways, batch_first=batch_first), SERIES
    )
    assert widths == {"deep": 14}
    assert costs.price({"deep": 7}).weights_bytes < costs.price(widths).weights_bytes


def two_channels() -> nn.Module:
    """A series of one channel is transposed for nothing, and torch multiplies what was not transposed otherwise."""
    return Net(lambda net, x: net.out(net.a(x).transpose(1, 2)), a=nn.Conv1d(3, 2, 3), out=nn.Linear(2, 4))


def two_gated() -> nn.Module:
    """One channel times one number is a product with a scalar."""

    def wire(net: Any, x: torch.Tensor) -> torch.Tensor:
        x = net.a(x)
        return net.head(x * torch.sigmoid(net.gate(x.mean((2, 3), keepdim=True))))  # type: ignore[no-any-return]

    return Net(wire, a=conv(2, 3), gate=nn.Conv2d(2, 2, 1), head=head(2))


def two_heads() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 16), nn.TransformerEncoderLayer(16, 2, 24, batch_first=True), nn.Linear(16, 3))


OF_TWO: dict[str, tuple[Make, tuple[int, ...], str]] = {
    "channels": (two_channels, SERIES, "a"),
    "gated channels": (two_gated, IMAGE, "a.0"),
    "heads": (two_heads, (5, 7, 6), "1.self_attn"),
    "slots": (lambda: nn.Sequential(conv(16, 3), conv(8, 16, groups=4), head(8)), IMAGE, "1.0"),
    "normalisation groups": (
        lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), conv(12, 8), head(12)),
        IMAGE,
        "0",
    ),
    "depthwise channels": (lambda: nn.Sequential(conv(2, 3), conv(6, 2, 3, groups=2), head(6)), IMAGE, "0.0"),
}


@pytest.mark.parametrize("kind", OF_TWO)
def test_a_group_of_two_is_priced_at_both_its_widths(kind: str) -> None:
    make, shape, root = OF_TWO[kind]
    model, batch = build(make, shape)
    groups, _ = find_groups(model, batch[:1])
    runs = run_widths(model, batch[:1], groups, ())
    assert runs.refused == {}
    assert {group.root: group.channels for group in runs.groups}[root] == 2
    costs = describe_costs(runs, Precision.FP32, Counted())
    dense = full(groups)
    for width in (1, 2):
        small = cut(model, groups, dense, Structure({**dense.kept, root: dense.kept[root][:width]})).eval()
        stored = sum(sum(map(math.prod, step.weights)) for step in fuse(trace(small, batch[:1]), Precision.FP32).steps)
        assert costs.price({**dense.widths, root: width}).weights_bytes == 4 * stored


@pytest.mark.parametrize("kind", KINDS)
def test_a_unit_more_adds_what_a_unit_less_takes(kind: str) -> None:
    make, shape, _, _ = KINDS[kind]
    model, batch = build(make, shape)
    groups, _ = find_groups(model, batch[:1])
    dense, whole = full(groups), trace(model, batch[:1]).shapes
    for group in (each for each in groups if each.channels > 2):
        less = cut(model, groups, dense, Structure({**dense.kept, group.root: dense.kept[group.root][:-1]}))
        fewer, more = (trace(each, batch[:1]).shapes for each in (less, grown(model, group)))
        for one, other, another in zip(fewer, whole, more, strict=True):
            assert np.array_equal(np.subtract(another, other), np.subtract(other, one))


def branching() -> nn.Module:
    def wire(net: Any, x: torch.Tensor) -> torch.Tensor:
        x = net.a(x)
        x = torch.relu(x) if x.shape[1] % 4 else x.clamp(min=0).clamp(max=6)
        return net.head(net.b(x))  # type: ignore[no-any-return]

    return Net(wire, a=nn.Conv2d(3, 8, 1), b=conv(12, 8), head=head(12))


def in_pairs() -> nn.Module:
    def wire(net: Any, x: torch.Tensor) -> torch.Tensor:
        x = net.a(x)
        assert x.shape[1] % 2 == 0, "channels come in pairs"
        return net.head(net.b(x))  # type: ignore[no-any-return]

    return Net(wire, a=nn.Conv2d(3, 8, 1), b=conv(12, 8), head=head(12))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (branching, "changes with its width which operators run"),
        (in_pairs, "fails at another width: AssertionError: channels come in pairs"),
    ],
)
def test_a_group_whose_run_depends_on_its_width_is_kept_dense_with_the_reason(make: Make, reason: str) -> None:
    model, batch = build(make, IMAGE)
    runs = run_widths(model, batch[:1], find_groups(model, batch[:1])[0], ())
    assert runs.refused == {"a": reason}
    costs = describe_costs(runs, Precision.FP32, Counted())
    assert costs.price({"b.0": 6}).latency_s < costs.price({"b.0": 12}).latency_s


def live_bytes(traced: Trace) -> list[int]:
    held = liveness(traced, traced.rows)
    sizes = np.array([4 * np.prod(traced.shapes[tensor]) for tensor in held.tensors])
    return [int(each) for each in (held.live @ sizes)[held.live.any(axis=1)]]


@pytest.mark.parametrize("both", [True, False])
def test_a_further_output_takes_memory_from_its_step_to_its_last_reader(both: bool) -> None:
    def wire(net: Any, x: torch.Tensor) -> torch.Tensor:
        low, high = torch.aminmax(x, dim=1)
        low = net.a(low)
        return torch.cat([low, high], 1) if both else low

    traced = trace(Net(wire, a=nn.Linear(6, 10)), torch.zeros(1, 7, 6))
    read, low, high, made = 4 * 7 * 6, 4 * 6, 4 * 6 * both, 4 * 10
    assert [step.name for step in traced.steps if step.work is not None] == ["aminmax", "addmm", *["cat"] * both]
    assert live_bytes(traced)[:2] == [read + low + high, low + high + made]
    assert live_bytes(traced)[2:] == [high + made + 4 * 16] * both


def test_what_nothing_reads_is_not_run_and_takes_no_memory() -> None:
    net = Net(lambda net, x: (net.a(x).exp(), net.pool(net.a(x)))[1], a=nn.Conv2d(3, 4, 1), pool=nn.MaxPool2d(2))
    traced = trace(net, torch.zeros(1, 3, 8, 8))
    assert [step.name for step in traced.steps] == ["convolution", "max_pool2d_with_indices"]
    assert [len(step.further) for step in traced.steps] == [0, 1]
    assert live_bytes(traced) == [4 * 64 * (3 + 4), 4 * (64 * 4 + 16 * 4)]


def test_what_is_written_into_another_tensor_s_part_is_run() -> None:
    def wire(net: Any, x: torch.Tensor) -> torch.Tensor:
        made = torch.zeros_like(x)
        made[:, :2] = net.a(x)[:, :2]
        return net.b(made)  # type: ignore[no-any-return]

    traced = trace(Net(wire, a=nn.Conv1d(3, 3, 1), b=nn.Conv1d(3, 2, 1)), torch.zeros(1, 3, 8))
    assert [step.name for step in traced.steps].count("convolution") == 2


def test_an_output_that_is_no_function_of_the_input_is_refused() -> None:
    with pytest.raises(TraceError, match="does not come from its input"):
        trace(Net(lambda net, x: net.a.weight * 2, a=nn.Linear(3, 3)), torch.zeros(1, 3))
