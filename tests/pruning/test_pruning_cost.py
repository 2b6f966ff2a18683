"""Prices of structures: sizes, live sets and latencies as functions of the widths, against models that were cut."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from controller.core.nouns.variant import Precision
from controller.pruning.artifact.export import export_onnx
from controller.pruning.artifact.int8 import quantise
from controller.pruning.cost.fuse import fuse
from controller.pruning.cost.grain import grains, step
from controller.pruning.cost.kernels import Kernel
from controller.pruning.cost.memory import liveness
from controller.pruning.cost.model import CostModel, describe_costs
from controller.pruning.cost.runs import run_widths
from controller.pruning.cost.surface import rise
from controller.pruning.cost.tables import Tables
from controller.pruning.cost.trace import Trace, drop, trace
from controller.pruning.graph.cut import cut
from controller.pruning.graph.groups import find_groups
from controller.pruning.graph.structure import ChannelGroup, Structure, full

SAMPLE = torch.zeros(1, 3, 8, 8)


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.second(F.relu(self.norm(self.first(x)))) + x)


class Residual(nn.Module):
    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.stem, self.block = nn.Conv2d(3, width, 3, 1, 1), Block(width)
        self.head = nn.Linear(width, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.head(self.block(F.relu(self.stem(x))).mean((2, 3)))
        return out


class Forked(nn.Module):
    """Two convolutions side by side, concatenated."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 8, 1)
        self.last = nn.Conv2d(12, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.last(torch.cat([self.left(x), self.right(x)], 1))
        return out


class Counted(Tables):
    """Times by arithmetic: convolutions take blocks of 16 channels, and half as long again off multiples of 4."""

    def seconds(self, kernels: Sequence[Kernel]) -> list[float]:
        return [self._time(kernel) for kernel in kernels]

    def start_seconds(self) -> float:
        return 5e-6

    @staticmethod
    def _time(kernel: Kernel) -> float:
        if kernel.kind != "conv":
            return 1e-6 + 1e-9 * float(np.prod(kernel.sizes))
        read, made, _ = kernel.sizes
        slower = 1.5 if read % 4 and read > 16 else 1.0
        return slower * (2e-6 + 1e-8 * (-(-read // 16) * 16) * (-(-made // 16) * 16))


@functools.cache
def priced() -> tuple[nn.Module, tuple[ChannelGroup, ...], CostModel]:
    model = Residual().eval()
    groups, _ = find_groups(model, SAMPLE)
    return model, groups, describe_costs(run_widths(model, SAMPLE, groups, ("block",)), Precision.FP32, Counted())


def narrowed(groups: tuple[ChannelGroup, ...], widths: dict[str, int], dropped: tuple[str, ...] = ()) -> Structure:
    return Structure({root: tuple(range(width)) for root, width in widths.items()}, dropped)


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 32), st.integers(1, 32), st.booleans())
def test_weights_and_live_bytes_are_those_of_the_cut_model(outer: int, inner: int, whole: bool) -> None:
    model, groups, costs = priced()
    widths = {group.root: inner if "first" in group.root else outer for group in groups}
    dropped = () if whole else ("block",)
    small = cut(model, groups, full(groups), narrowed(groups, widths, dropped)).eval()
    price, counted = costs.price(widths, dropped), 0
    for name, parameter in small.named_parameters():
        counted += 0 if "norm" in name else parameter.numel()
    folded = 4 * inner if whole else 0  # the bias that the batch norm leaves
    assert price.weights_bytes == 4 * counted + folded
    traced = fuse(drop(trace(small, SAMPLE, ("block",) if whole else ()), ()), Precision.FP32)
    held = liveness(traced, len(traced.steps) + 50)
    sizes = np.array([4 * np.prod(traced.shapes[tensor]) for tensor in held.tensors])
    assert price.peak_bytes == (held.live @ (np.ceil(sizes / 64) * 64)).max()


def test_int8_weights_are_those_of_the_artifact_with_a_scale_for_each_channel() -> None:
    model, groups, _ = priced()
    model = copy.deepcopy(model)
    nn.init.uniform_(model.get_submodule("block.norm").bias)  # a bias of zeros would be left out
    artifact = quantise(export_onnx(model, SAMPLE), np.random.default_rng(0).normal(size=(8, 3, 8, 8)).astype("f4"))
    stored = [onnx.numpy_helper.to_array(each) for each in onnx.load_from_string(artifact).graph.initializer]
    weights = [each for each in stored if each.ndim and each.any() and each.dtype != np.int64]  # zero points are 0
    price = describe_costs(run_widths(model, SAMPLE, groups, ("block",)), Precision.INT8, Counted()).price(
        full(groups).widths
    )
    assert price.weights_bytes == sum(each.nbytes for each in weights)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_marginals_are_differences_of_prices(data: st.DataObject) -> None:
    _, groups, costs = priced()
    widths = {group.root: data.draw(st.integers(1, group.channels)) for group in groups}
    dropped = data.draw(st.sampled_from(((), ("block",))))
    options = {root: sorted(data.draw(st.sets(st.integers(1, 32), min_size=1, max_size=5))) for root in widths}
    before = costs.price(widths, dropped)
    for root, change in costs.marginals(widths, dropped, options).items():
        for number, width in enumerate(options[root]):
            after = costs.price({**widths, root: width}, dropped)
            assert change.latency_s[number] == pytest.approx(after.latency_s - before.latency_s, abs=1e-12)
            assert change.weights_bytes[number] == pytest.approx(after.weights_bytes - before.weights_bytes)
            assert np.allclose(change.live_bytes[number], after.live_bytes - before.live_bytes)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_what_time_is_spent_on_adds_up_to_the_price(data: st.DataObject) -> None:
    _, groups, costs = priced()
    widths = {group.root: data.draw(st.integers(1, group.channels)) for group in groups}
    dropped = data.draw(st.sampled_from(((), ("block",))))
    spent = costs.spent(widths, dropped)
    assert sum(spent.values()) == pytest.approx(costs.price(widths, dropped).latency_s)
    assert spent["start"] == costs.start_s
    assert spent["conv"] > 0


def test_latency_is_what_the_kernels_of_the_cut_model_take_on_and_between_the_grid() -> None:
    model, groups, costs = priced()
    for outer, inner, dropped in ((32, 32, ()), (16, 32, ()), (32, 16, ()), (20, 24, ()), (32, 16, ("block",))):
        widths = {group.root: inner if "first" in group.root else outer for group in groups}
        small = cut(model, groups, full(groups), narrowed(groups, widths, dropped)).eval()
        steps = fuse(trace(small, SAMPLE), Precision.FP32).steps
        works = [step.work for step in steps if step.work is not None]
        exact = [
            Kernel(work.kind, work.fixed, work.fused, Precision.FP32, tuple(int(np.prod(axis)) for axis in work.axes))
            for work in works
        ]
        assert costs.price(widths, dropped).latency_s == pytest.approx(5e-6 + sum(Counted().seconds(exact)), rel=1e-6)


def test_a_width_that_the_fast_kernels_refuse_costs_more_than_the_next_one_that_they_take() -> None:
    _, groups, costs = priced()
    widths = {group.root: 32 for group in groups}
    inner = next(root for root in widths if "first" in root)
    at = [costs.price({**widths, inner: width}).latency_s for width in (31, 32)]
    assert at[0] > 1.05 * at[1]


def test_the_runtime_s_stair_is_found_as_the_grain() -> None:
    model = nn.Sequential(nn.Conv2d(3, 64, 3), nn.ReLU(), nn.Conv2d(64, 96, 3), nn.ReLU(), nn.Conv2d(96, 8, 3)).eval()
    groups, _ = find_groups(model, SAMPLE)
    costs = describe_costs(run_widths(model, SAMPLE, groups, ()), Precision.FP32, Counted())
    assert set(grains(costs, {group.root: group.channels for group in groups}).values()) == {16}


@pytest.mark.parametrize("grain", [1, 2, 4, 8, 16])
def test_the_grain_is_the_step_of_the_stairs(grain: int) -> None:
    widths = np.arange(129)
    found = step([np.ceil(widths / grain) * grain], 16)
    assert found == grain if grain >= 8 else found <= grain  # small stairs waste little
    cliff = widths + np.where(widths % grain, 40.0, 0.0)
    assert step([cliff], 16) == grain


def test_a_stair_never_falls_and_noise_on_a_flat_one_is_no_stair() -> None:
    assert rise([10, 20, 18, 30, 30]) == (0.0, 0.5, 0.5, 1.0, 1.0)
    assert rise([10, 10.1, 9.9, 10, 10.05]) == (0.0, 0.25, 0.5, 0.75, 1.0)


def _live_bytes(model: nn.Module) -> tuple[Trace, list[int]]:
    traced = fuse(trace(model.eval(), SAMPLE), Precision.FP32)
    held = liveness(traced, 1 + max(step.row for step in traced.steps))
    sizes = np.array([4 * np.prod(traced.shapes[tensor]) for tensor in held.tensors])
    return traced, [int(each) for each in (held.live @ sizes)[held.live.any(axis=1)]]


def test_live_sets_of_a_residual_block_counted_by_hand() -> None:
    traced, live = _live_bytes(Residual(4))
    picture, channels = 4 * 64, 4 * 64 * 4
    assert [step.name for step in traced.steps if step.work is not None] == [
        "convolution+relu",
        "convolution+native_batch_norm+relu",
        "convolution+add+relu",
        "mean",
        "addmm",
    ]
    stem = 3 * picture + channels
    inside, added = 2 * channels, 2 * channels  # the sum takes the place of the shortcut
    assert live == [stem, inside, added, channels + 16, 16 + 20]


def test_live_sets_of_a_concatenation_counted_by_hand() -> None:
    _, live = _live_bytes(Forked())
    picture = 4 * 64
    assert live == [(3 + 4) * picture, (3 + 4 + 8) * picture, (4 + 8 + 12) * picture, (12 + 2) * picture]


def test_times_are_taken_once_and_kept(tmp_path: Path) -> None:
    kernels = [Kernel("gemm", (), (), precision, (1, size, 8)) for size in (16, 17) for precision in Precision]
    first = Tables(tmp_path)
    times = first.seconds(kernels)
    assert first.measured == 4
    assert all(0 < seconds < 1 for seconds in times)
    (file,) = tmp_path.iterdir()
    rows = [json.loads(line) for line in file.read_text().splitlines() if line]
    assert len(rows) == 4
    with file.open("a") as torn:
        torn.write('{"kernel": "[\\"gemm')
    second = Tables(tmp_path)
    assert second.seconds(kernels) == times
    assert second.measured == 0
    more = Kernel("gemm", (), (), Precision.FP32, (1, 18, 8))
    (time,) = second.seconds([more])
    assert Tables(tmp_path).seconds([more, *kernels]) == [time, *times]


CONV = ((8, 8), (3, 3), (1, 1), (1, 1), (1, 1), (0, 0))
EVERY_KIND = [
    ("conv", (*CONV, False), ("add", "act"), (8, 8, 1)),
    ("conv", (*CONV, True), (), (8, 4, 1)),
    ("conv", ((9,), (3,), (2,), (1,), (1,), (0,), False), ("act",), (8, 8, 8)),
    ("gemm", (), (), (2, 8, 4)),
    ("matmul", (), (), (2, 3, 4, 5)),
    ("attention", (), (), (2, 3, 3, 8)),
    *(("unary", (op,), (), (64,)) for op in ("Relu", "Clip", "Silu", "HardSwish", "Gelu", "Sigmoid", "Tanh")),
    *(("binary", ("Mul", mode), (), (8, 4)) for mode in ("first", "last")),
    *(("binary", ("Add", mode), (), (64,)) for mode in ("same", "scalar", "weight")),
    ("batch_norm", (), (), (4, 9)),
    ("layer_norm", (), (), (3, 16)),
    ("group_norm", (), (), (2, 8, 9)),
    ("pool", ("MaxPool", (8, 8), (2, 2), (2, 2), (0, 0)), (), (4,)),
    ("pool", ("AveragePool", (8, 8), (2, 2), (2, 2), (0, 0)), (), (4,)),
    *(("mean", (where,), (), (4, 9)) for where in ("first", "last")),
    ("concat", (2,), (), (64,)),
    ("softmax", (), (), (3, 8)),
    ("resize", ("nearest", (4, 4), (8, 8)), (), (4,)),
    ("resize", ("linear", (4, 4), (8, 8)), (), (4,)),
    ("copy", (), (), (64,)),
]


def test_the_runtime_takes_every_kind_of_kernel_in_both_precisions() -> None:
    kernels = [Kernel(kind, fixed, fused, p, sizes) for kind, fixed, fused, sizes in EVERY_KIND for p in Precision]
    times = Tables().seconds(kernels)
    assert [kernel for kernel, seconds in zip(kernels, times, strict=True) if not 0 < seconds < 0.1] == []
