"""Every kind of graph that is pruned, and those that are pruned around, has a price; recurrent ones too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from controller.pruning.cost.memory import liveness
from controller.pruning.cost.model import CostModel, describe_costs
from controller.pruning.cost.trace import Trace, TraceError, trace
from controller.pruning.graph.groups import find_groups
from controller.pruning.graph.probe import sound_groups
from tests.pruning.test_pruning_cost import Counted
from tests.pruning.test_pruning_graph import AROUND, KINDS, SERIES, Make, Net, build

NETS = {
    **{kind: (each.make, each.shape, each.blocks) for kind, each in KINDS.items()},
    **{kind: (each.make, each.shape, ()) for kind, each in AROUND.items()},
}


def priced(make: Make, shape: tuple[int, ...], blocks: tuple[str, ...] = ()) -> tuple[CostModel, dict[str, int]]:
    model, batch = build(make, shape)
    groups, _ = sound_groups(model, batch, find_groups(model, batch[:1])[0], seed=0)
    costs = describe_costs(model, batch[:1], groups, blocks, "fp32", Counted())
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
