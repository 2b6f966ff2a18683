"""Every kind of graph that is pruned: its units, their soundness, its cuts; and those that are pruned around."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from controller.pruning.artifact.export import export_onnx, run_artifact
from controller.pruning.errors import StructureError
from controller.pruning.graph.blocks import find_blocks
from controller.pruning.graph.cut import cut
from controller.pruning.graph.groups import find_groups
from controller.pruning.graph.layers import width
from controller.pruning.graph.probe import sound_groups, unsound
from controller.pruning.graph.structure import ChannelGroup, Structure, Touch, Unit, full, inside, renumbered
from controller.pruning.model.attention import prepare

IMAGE, SERIES = (5, 3, 12, 12), (5, 3, 16)
Make = Callable[[], nn.Module]


class Net(nn.Module):
    """`parts` by name, and how they are wired."""

    def __init__(self, wire: Callable[[Any, torch.Tensor], Any], **parts: nn.Module | nn.Parameter) -> None:
        super().__init__()
        self.wire = wire
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: torch.Tensor) -> Any:
        return self.wire(self, x)


def conv(made: int, read: int = 0, size: int = 1, **kwargs: Any) -> nn.Module:
    layer = nn.Conv2d(read or made, made, size, padding=size // 2, bias=False, **kwargs)
    return nn.Sequential(layer, nn.BatchNorm2d(made), nn.ReLU())


def residual(*parts: nn.Module, last: Callable[[torch.Tensor], torch.Tensor] = torch.relu) -> nn.Module:
    return Net(lambda net, x: last(x + net.deep(x)), deep=nn.Sequential(*parts))


def linear_tail(channels: int) -> nn.Module:
    return nn.Sequential(nn.ReLU(), conv(channels)[:2])  # type: ignore[index]


def head(channels: int) -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 4))


def resnet() -> nn.Module:
    blocks = (residual(conv(24, 16, 3), conv(16, 24, 3)[:2]) for _ in range(2))  # type: ignore[index]
    return nn.Sequential(conv(16, 3, 3), *blocks, head(16))


def squeeze(channels: int, pointwise: bool) -> nn.Module:
    kind: Any = (lambda i, o: nn.Conv2d(i, o, 1)) if pointwise else nn.Linear

    def wire(net: Any, x: torch.Tensor) -> torch.Tensor:
        mean = x.mean((2, 3), keepdim=pointwise)
        gate = torch.sigmoid(net.wide(torch.relu(net.narrow(mean))))
        return x * (gate if pointwise else gate[:, :, None, None])

    return Net(wire, narrow=kind(channels, channels // 4), wide=kind(channels // 4, channels))


def mobilenet() -> nn.Module:
    deep = (conv(48, 16), conv(48, 48, 3, groups=48), squeeze(48, True), conv(16, 48)[:2])  # type: ignore[index]
    return nn.Sequential(conv(16, 3, 3), residual(*deep, last=lambda x: x), conv(32, 16), head(32))


def resnext() -> nn.Module:
    deep = (conv(32, 32), conv(32, 32, 3, groups=8), conv(32, 32)[:2])  # type: ignore[index]
    return nn.Sequential(conv(32, 3, 3), residual(*deep), conv(48, 32, 3, groups=4), head(48))


def densenet() -> nn.Module:
    def wire(net: Any, x: torch.Tensor) -> torch.Tensor:
        x = net.stem(x)
        for layer in net.layers:
            x = torch.cat([x, layer(x)], 1)
        return net.head(net.join(x))  # type: ignore[no-any-return]

    layers = nn.ModuleList(conv(4, 8 + 4 * place, 3) for place in range(3))
    return Net(wire, stem=conv(8, 3, 3), layers=layers, join=conv(12, 20), head=head(12))


def unet() -> nn.Module:
    def wire(net: Any, x: torch.Tensor) -> torch.Tensor:
        high = net.high(x)
        middle = net.middle(torch.max_pool2d(high, 2))
        low = net.low(torch.max_pool2d(middle, 2))
        middle = net.up_middle(torch.cat([net.raise_low(low), middle], 1))
        return net.out(net.up_high(torch.cat([net.raise_middle(middle), high], 1)))  # type: ignore[no-any-return]

    return Net(
        wire,
        high=conv(8, 3, 3),
        middle=conv(16, 8, 3),
        low=conv(24, 16, 3),
        raise_low=nn.ConvTranspose2d(24, 16, 2, 2),
        up_middle=conv(16, 32, 3),
        raise_middle=nn.ConvTranspose2d(16, 8, 2, 2),
        up_high=conv(8, 16, 3),
        out=nn.Conv2d(8, 2, 1),
    )


def series() -> nn.Module:
    layers = (nn.Conv1d(3, 8, 3), nn.ReLU(), nn.Conv1d(8, 12, 3), nn.BatchNorm1d(12), nn.ReLU(), nn.Flatten())
    return nn.Sequential(*layers, nn.Linear(12 * 12, 10), nn.PReLU(10), nn.Linear(10, 4))


def volume() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv3d(2, 8, 3), nn.BatchNorm3d(8), nn.ReLU(), nn.Conv3d(8, 12, 3), nn.InstanceNorm3d(12)),
        *(nn.AdaptiveMaxPool3d(1), nn.Flatten(), nn.Linear(12, 4)),
    )


def norms() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(3, 16, 3), nn.GroupNorm(4, 16), nn.ReLU()),
        *(nn.Conv2d(16, 12, 3), nn.InstanceNorm2d(12, affine=True, track_running_stats=True), nn.Sigmoid()),
        *(nn.Conv2d(12, 10, 1), nn.BatchNorm2d(10, affine=False), head(10)),
    )


def encoder(norm_first: bool) -> nn.Module:
    layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, norm_first=norm_first)
    stack = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    return nn.Sequential(nn.Linear(6, 16), stack, nn.Linear(16, 3))


def vit() -> nn.Module:
    def wire(net: Any, x: torch.Tensor) -> torch.Tensor:
        x = net.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([net.token.expand(len(x), -1, -1), x], 1) + net.places
        return net.head(net.norm(net.layers(x))[:, 0])  # type: ignore[no-any-return]

    layers = (
        nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, norm_first=True, activation="gelu") for _ in range(2)
    )
    return Net(
        wire,
        patches=nn.Conv2d(3, 16, 4, 4),
        token=nn.Parameter(torch.randn(1, 1, 16)),
        places=nn.Parameter(torch.randn(1, 10, 16)),
        layers=nn.Sequential(*layers),
        norm=nn.LayerNorm(16),
        head=nn.Linear(16, 4),
    )


def repeated() -> nn.Module:
    return Net(
        lambda net, x: net.head(net.b(net.m(net.m(net.a(x))))), a=conv(8, 3), m=conv(8), b=conv(12, 8), head=head(12)
    )


def gated() -> nn.Module:
    def wire(net: Any, x: torch.Tensor) -> torch.Tensor:
        value, gate = net.a(x).chunk(2, 1)
        return net.head(net.b(value * torch.sigmoid(gate)))  # type: ignore[no-any-return]

    return Net(wire, a=conv(16, 3, 3), b=conv(12, 8), head=head(12))


def multiplied() -> nn.Module:
    return nn.Sequential(conv(8, 3, 3), conv(24, 8, 3, groups=8), conv(12, 24), head(12))


def norm_across_parts() -> nn.Module:
    """A normalisation group that spans the end of one part of a concatenation and the start of the next."""

    def wire(net: Any, x: torch.Tensor) -> torch.Tensor:
        return net.head(net.norm(torch.cat([net.a(x), net.b(x)], 1)))  # type: ignore[no-any-return]

    return Net(wire, a=conv(6, 3), b=conv(14, 3), norm=nn.GroupNorm(5, 20), head=head(20))


def joined_series(constant: int) -> nn.Module:
    return Net(
        lambda net, x: net.head(torch.cat([net.a(x), x.new_zeros(len(x), constant, 14), net.b(x)], 1).flatten(1)),
        a=nn.Conv1d(3, 8, 3),
        b=nn.Conv1d(3, 6, 3),
        head=nn.Linear((14 + constant) * 14, 4),
    )


def convnext() -> nn.Module:
    def wire(net: Any, x: torch.Tensor) -> torch.Tensor:
        deep = net.wide(net.norm(net.depth(x).permute(0, 2, 3, 1)))
        return x + (net.scale * net.narrow(torch.nn.functional.gelu(deep))).permute(0, 3, 1, 2)  # type: ignore[no-any-return]

    block = Net(
        wire,
        depth=nn.Conv2d(16, 16, 3, padding=1, groups=16),
        norm=nn.LayerNorm(16),
        wide=nn.Linear(16, 64),
        narrow=nn.Linear(64, 16),
        scale=nn.Parameter(torch.ones(16)),
    )
    return nn.Sequential(nn.Conv2d(3, 16, 2, 2), block, head(16))


class Kind(NamedTuple):
    make: Make
    shape: tuple[int, ...]
    units: dict[str, int]
    blocks: tuple[str, ...] = ()


LAYERS = tuple(f"1.layers.{place}" for place in range(2))
HEADS = {f"{layer}.self_attn": 4 for layer in LAYERS} | {f"{layer}.linear1": 32 for layer in LAYERS}
KINDS = {
    "residual": Kind(resnet, IMAGE, {"0.0": 16, "1.deep.0.0": 24, "2.deep.0.0": 24}, ("1", "2")),
    "inverted": Kind(mobilenet, IMAGE, {"0.0": 16, "1.deep.0.0": 48, "1.deep.2.narrow": 12, "2.0": 32}, ("1",)),
    "grouped": Kind(resnext, IMAGE, {"0.0": 8, "1.deep.0.0": 4, "1.deep.1.0": 4, "2.0": 12}, ("1",)),
    "multiplied": Kind(multiplied, IMAGE, {"0.0": 8, "2.0": 12}),
    "dense": Kind(densenet, IMAGE, {"stem.0": 8, "layers.0.0": 4, "layers.1.0": 4, "layers.2.0": 4, "join.0": 12}),
    "squeeze": Kind(
        lambda: nn.Sequential(conv(16, 3, 3), squeeze(16, False), head(16)), IMAGE, {"0.0": 16, "1.narrow": 4}
    ),
    "unet": Kind(
        unet,
        IMAGE,
        {"high.0": 8, "middle.0": 16, "low.0": 24, "raise_low": 16}
        | {"up_middle.0": 16, "raise_middle": 8, "up_high.0": 8},
    ),
    "series": Kind(series, SERIES, {"0": 8, "2": 12, "6": 10}),
    "volume": Kind(volume, (4, 2, 8, 8, 8), {"0": 8, "3": 12}),
    "norms": Kind(norms, IMAGE, {"0": 4, "3": 12, "6": 10}),
    "norm across parts": Kind(norm_across_parts, IMAGE, {"a.0": 2, "b.0": 3}),
    "joined series": Kind(lambda: joined_series(0), SERIES, {"a": 8, "b": 6}),
    "convnext": Kind(convnext, IMAGE, {"1.wide": 64}, ("1",)),
    "repeated": Kind(repeated, IMAGE, {"a.0": 8, "b.0": 12}),
    "gated": Kind(gated, IMAGE, {"a.0": 8, "b.0": 12}),
    "encoder": Kind(lambda: encoder(False), (5, 7, 6), HEADS),
    "encoder, norm first": Kind(lambda: encoder(True), (5, 7, 6), HEADS, LAYERS),
    "vit": Kind(
        vit, IMAGE, {name.removeprefix("1."): units for name, units in HEADS.items()}, ("layers.0", "layers.1")
    ),
}


def build(make: Make, shape: tuple[int, ...]) -> tuple[nn.Module, torch.Tensor]:
    """The model as a trained one is: with normalisations that do something."""
    torch.manual_seed(0)
    model = prepare(make().eval())
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        owner = model.get_submodule(name.rpartition(".")[0])
        if tensor.ndim == 1 and tensor.is_floating_point() and not isinstance(owner, nn.Linear | nn.Conv2d):
            tensor.data.uniform_(0.5, 1.5)
    return model, torch.randn(shape)


def test_a_corrupted_answer_is_noticed_where_all_shapes_fit() -> None:
    model, batch = build(shuffled, IMAGE)
    groups, _ = find_groups(model, batch[:1])
    wanted = Structure({**full(groups).kept, "a.0": (0, 1, 2, 3, 8, 9, 12, 13)})
    assert "changes the output by" in (unsound(model, batch, groups, wanted) or "")


def half(structure: Structure, dropped: tuple[str, ...] = ()) -> Structure:
    return Structure({root: units[::2] for root, units in structure.kept.items()}, dropped)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_grouped_and_sound_and_its_cuts_answer_as_the_masked_model(kind: str) -> None:
    make, shape, units, blocks = KINDS[kind]
    model, batch = build(make, shape)
    groups, _ = find_groups(model, batch[:1])
    assert {group.root: group.channels for group in groups} == units
    assert find_blocks(model, batch) == blocks
    assert sound_groups(model, batch, groups, seed=0, blocks=blocks) == (groups, {})
    dense = full(groups)
    narrowest = Structure({root: kept[-1:] for root, kept in dense.kept.items()}, blocks[-1:])
    for wanted in (dense, half(dense), half(dense, blocks[:1]), half(dense, blocks), narrowest):
        assert unsound(model, batch, groups, wanted) is None


@pytest.mark.parametrize("kind", KINDS)
def test_cutting_twice_is_cutting_once(kind: str) -> None:
    make, shape, _, blocks = KINDS[kind]
    model, batch = build(make, shape)
    groups, _ = find_groups(model, batch[:1])
    dense = full(groups)
    wide, narrow = half(dense, blocks[:1]), Structure({r: kept[:1] for r, kept in dense.kept.items()}, blocks)
    once = cut(model, groups, dense, narrow)
    twice = cut(cut(model, groups, dense, wide), groups, wide, narrow)
    assert str(once) == str(twice)
    for one, other in zip(once.state_dict().values(), twice.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(once(batch), twice(batch))


@pytest.mark.parametrize("kind", KINDS)
def test_the_groups_of_a_cut_model_are_its_own_layers_rows(kind: str) -> None:
    make, shape, _, blocks = KINDS[kind]
    model, batch = build(make, shape)
    groups, _ = find_groups(model, batch[:1])
    dense = full(groups)
    wide, narrow = half(dense, blocks[:1]), Structure({r: kept[:1] for r, kept in dense.kept.items()}, blocks)
    smaller, now = cut(model, groups, dense, wide), renumbered(groups, wide)
    for touch in (touch for group in now for touch in group.touches):
        rows = [row for unit in touch.rows for row in unit]
        assert len(set(rows)) == len(rows)
        assert max(rows) < width(smaller.get_submodule(touch.layer), touch.output)
    firsts = Structure({group.root: (0,) for group in now}, blocks[1:])
    assert str(cut(smaller, now, full(now), full(now))) == str(smaller)
    by_own, direct = cut(smaller, now, full(now), firsts), cut(model, groups, dense, narrow)
    assert all(map(torch.equal, by_own.state_dict().values(), direct.state_dict().values()))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["grouped", "unet", "norms", "vit"])
def test_a_cut_model_is_exported(kind: str) -> None:
    make, shape, _, blocks = KINDS[kind]
    model, batch = build(make, shape)
    groups, _ = find_groups(model, batch[:1])
    smaller = cut(model, groups, full(groups), half(full(groups), blocks[:1])).eval()
    got = run_artifact(export_onnx(smaller, batch[:1]), batch.numpy())
    with torch.no_grad():
        assert np.allclose(got, smaller(batch).numpy(), atol=1e-4)


def tied() -> nn.Module:
    net = nn.Sequential(
        *(nn.Linear(8, 8), nn.ReLU()) * 1, nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 12), nn.Linear(12, 3)
    )
    net[2].weight = net[0].weight  # type: ignore[union-attr]
    return net


def recurrent(kind: type[nn.RNNBase]) -> nn.Module:
    return Net(
        lambda net, x: net.out(torch.relu(net.deep(net.cells(torch.relu(net.b(net.a(x))).transpose(1, 2))[0][:, -1]))),
        a=nn.Conv1d(3, 16, 3),
        b=nn.Conv1d(16, 12, 3),
        cells=kind(12, 10, batch_first=True),
        deep=nn.Linear(10, 14),
        out=nn.Linear(14, 3),
    )


def shuffled() -> nn.Module:
    def wire(net: Any, x: torch.Tensor) -> torch.Tensor:
        x = net.a(x)
        n, c, h, w = x.shape
        x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        return net.head(net.c(net.b(x)))  # type: ignore[no-any-return]

    return Net(wire, a=conv(16, 3, 3), b=conv(16, 16, 3), c=conv(12, 16), head=head(12))


def parted(part: Callable[[torch.Tensor], tuple[torch.Tensor, ...]], first: int) -> nn.Module:
    def wire(net: Any, x: torch.Tensor) -> torch.Tensor:
        one, other = part(net.a(x))
        return net.head(net.one(one) + net.other(other))  # type: ignore[no-any-return]

    return Net(wire, a=conv(16, 3, 3), one=conv(12, first), other=conv(12, 16 - first), head=head(12))


def swapped() -> nn.Module:
    def wire(net: Any, x: torch.Tensor) -> torch.Tensor:
        one, other = net.a(x).chunk(2, 1)
        return net.head(net.b(torch.cat([other, torch.relu(one)], 1)))  # type: ignore[no-any-return]

    return Net(wire, a=conv(16, 3, 3), b=conv(12, 16), head=head(12))


def joined_then_parted() -> nn.Module:
    def wire(net: Any, x: torch.Tensor) -> torch.Tensor:
        one, other = torch.cat([net.a(x), net.b(x)], 1).chunk(2, 1)
        return net.head(net.one(one) + net.other(other))  # type: ignore[no-any-return]

    return Net(wire, a=conv(8, 3, 3), b=conv(8, 3, 3), one=conv(12, 8), other=conv(12, 8), head=head(12))


def own_attention() -> nn.Module:
    def wire(net: Any, x: torch.Tensor) -> torch.Tensor:
        q, k, v = net.qkv(net.norm(x)).reshape(len(x), -1, 3, 4, 4).permute(2, 0, 3, 1, 4)
        made = (q @ k.transpose(-2, -1)).softmax(-1) @ v
        return x + net.project(made.transpose(1, 2).reshape(len(x), -1, 16))  # type: ignore[no-any-return]

    attention = Net(wire, norm=nn.LayerNorm(16), qkv=nn.Linear(16, 48), project=nn.Linear(16, 16))
    return nn.Sequential(nn.Linear(6, 16), attention, nn.Linear(16, 20), nn.ReLU(), nn.Linear(20, 3))


def seen_across() -> nn.Module:
    """Spatial attention over all channels: their mean and maximum are read."""

    def wire(net: Any, x: torch.Tensor) -> torch.Tensor:
        x = net.a(x)
        gate = net.gate(torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1))
        return net.head(net.b(x * torch.sigmoid(gate)))  # type: ignore[no-any-return]

    return Net(wire, a=conv(8, 3, 3), gate=nn.Conv2d(2, 1, 3, padding=1), b=conv(12, 8), head=head(12))


def two_answers() -> nn.Module:
    def wire(net: Any, x: torch.Tensor) -> Any:
        features = net.a(x)
        return net.head(net.b(features)), features

    return Net(wire, a=conv(8, 3, 3), b=conv(12, 8), head=head(12))


def two_branches() -> nn.Module:
    """Channels change places on the way to the second answer only."""

    def wire(net: Any, x: torch.Tensor) -> Any:
        features = net.a(x)
        one = net.one(net.b(features))
        return {"one": one, "more": [net.other(net.c(features.roll(1, 1))), (one > 0, one.argmax(1))]}

    return Net(wire, a=conv(8, 3, 3), b=conv(12, 8), c=conv(12, 8), one=head(12), other=head(12))


class Around(NamedTuple):
    make: Make
    shape: tuple[int, ...]
    sound: set[str]
    refused: dict[str, str]


AROUND = {
    "LSTM": Around(lambda: recurrent(nn.LSTM), SERIES, {"a", "deep"}, {"b": "LSTM 'cells'"}),
    "GRU": Around(lambda: recurrent(nn.GRU), SERIES, {"a", "deep"}, {"b": "GRU 'cells'"}),
    "tied": Around(tied, (5, 8), {"4"}, {"0": "tied to '2.weight'", "2": "tied to '0.weight'"}),
    "shuffle": Around(shuffled, IMAGE, {"b.0", "c.0"}, {"a.0": ""}),
    "chunk": Around(swapped, IMAGE, {"b.0"}, {"a.0": "concat"}),
    "chunk of a concat": Around(joined_then_parted, IMAGE, {"one.0"}, {"a.0": "", "b.0": ""}),
    "a constant part": Around(lambda: joined_series(6), SERIES, set(), {"a": "", "b": ""}),
    "split": Around(lambda: parted(lambda x: x.split([6, 10], 1), 6), IMAGE, {"one.0"}, {"a.0": "followed"}),
    "slice": Around(lambda: parted(lambda x: (x[:, :6], x[:, 6:]), 6), IMAGE, {"one.0"}, {"a.0": "fails when pruned"}),
    "static view": Around(own_attention, (5, 7, 6), {"2"}, {"0": "LayerNorm '1.norm'", "1.qkv": ""}),
    "layer norm": Around(
        lambda: nn.Sequential(nn.Linear(6, 16), nn.LayerNorm(16), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 3)),
        (5, 6),
        {"2"},
        {"0": "LayerNorm '1'"},
    ),
    "RMS norm": Around(
        lambda: nn.Sequential(nn.Linear(6, 16), nn.RMSNorm(16), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 3)),
        (5, 6),
        {"2"},
        {"0": "RMSNorm '1'"},
    ),
    "one norm group": Around(
        lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(1, 8), conv(12, 8), head(12)),
        IMAGE,
        {"2.0"},
        {"0": "GroupNorm '1', which ties all"},
    ),
    "slots across norm groups": Around(
        lambda: nn.Sequential(nn.Conv2d(3, 16, 3), nn.GroupNorm(4, 16), conv(16, groups=4), conv(8, 16), head(8)),
        IMAGE,
        {"2.0", "3.0"},
        {"0": "ties all"},
    ),
    "bare parameter": Around(
        lambda: Net(
            lambda net, x: net.head(net.b(net.a(x) * net.scale)),
            a=conv(8, 3),
            scale=nn.Parameter(torch.randn(1, 8, 1, 1)),
            b=conv(12, 8),
            head=head(12),
        ),
        IMAGE,
        {"b.0"},
        {"a.0": "parameter 'scale' of Net"},
    ),
    "weight norm": Around(
        lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 8, 3)), conv(12, 8), head(12)),
        IMAGE,
        {"1.0"},
        {"0": "whose weight is computed"},
    ),
    "depthwise on the input": Around(
        lambda: nn.Sequential(conv(6, 3, 3, groups=3), conv(12, 6), head(12)), IMAGE, {"1.0"}, {"0.0": "model's input"}
    ),
    "seen across channels": Around(seen_across, IMAGE, {"b.0"}, {"a.0": "followed"}),
    "features are an answer": Around(two_answers, IMAGE, {"b.0"}, {}),
    "roll before the second answer": Around(two_branches, IMAGE, {"b.0", "c.0"}, {"a.0": "changes the output_1 by"}),
}


@pytest.mark.parametrize("kind", AROUND)
def test_what_cannot_be_cut_stays_dense_with_its_reason_and_the_rest_is_pruned(kind: str) -> None:
    make, shape, promised, reasons = AROUND[kind]
    model, batch = build(make, shape)
    groups, refused = find_groups(model, batch[:1])
    sound, unsound_ones = sound_groups(model, batch, groups, seed=0)
    refused = {**refused, **unsound_ones}
    assert promised <= {group.root for group in sound}
    for root, reason in reasons.items():
        assert reason in refused[root]
    for step in (2, 3):
        wanted = Structure({root: units[::step] for root, units in full(sound).kept.items()})
        assert unsound(model, batch, sound, wanted) is None


def test_groups_that_only_fail_together_are_told_apart() -> None:
    """Each half may be narrowed to what the other one has, never both: one of the two is given up."""

    def wire(net: Any, x: torch.Tensor) -> torch.Tensor:
        one, other = net.a(x), net.b(x)
        size = max(one.shape[1], other.shape[1])
        assert size == 8, "neither is whole"
        return net.head(net.c(one) + net.d(other))  # type: ignore[no-any-return]

    net = Net(wire, a=conv(8, 3), b=conv(8, 3), c=conv(12, 8), d=conv(12, 8), head=head(12))
    model, batch = build(lambda: net, IMAGE)
    groups, _ = find_groups(model, batch[:1])
    for root in ("a.0", "b.0"):
        alone = Structure({**full(groups).kept, root: (0, 3)})
        assert unsound(model, batch, groups, alone) is None
    sound, refused = sound_groups(model, batch, groups, seed=0)
    assert len({group.root for group in sound} & {"a.0", "b.0"}) == 1
    assert list(refused.values()) == ["fails when pruned: AssertionError: neither is whole"]


@pytest.mark.parametrize("kind", ["plain", "projected", "stage", "all"])
def test_only_residual_units_are_blocks_and_never_the_whole_model(kind: str) -> None:
    plain, unit = conv(16, 16, 3), residual(conv(8, 16), conv(16, 8)[:2])  # type: ignore[index]
    projected = Net(
        lambda net, x: torch.relu(net.short(x) + net.deep(x)), short=nn.Conv2d(16, 16, 1), deep=nn.Conv2d(16, 16, 1)
    )
    stage = nn.Sequential(unit, residual(conv(16)[:2]))  # type: ignore[index]
    model, wanted = {
        "plain": (nn.Sequential(conv(16, 3), plain, head(16)), ()),
        "projected": (nn.Sequential(conv(16, 3), projected, head(16)), ()),
        "stage": (nn.Sequential(conv(16, 3), stage, head(16)), ("1.0", "1.1")),
        "all": (nn.Sequential(nn.ReLU(), unit, residual(conv(16)[:2])), ("2",)),  # type: ignore[index]
    }[kind]
    shape = (3, 16, 8, 8) if kind == "all" else IMAGE
    assert find_blocks(model.eval(), torch.randn(shape)) == wanted


def test_a_group_vanishes_with_the_block_that_it_lies_in() -> None:
    model, batch = build(resnet, IMAGE)
    groups, _ = find_groups(model, batch[:1])
    assert inside(groups, ("1", "2")) == {"1": ("1.deep.0.0",), "2": ("2.deep.0.0",)}
    dropped = cut(model, groups, full(groups), Structure(full(groups).kept, ("1",)))
    assert sum(each.numel() for each in dropped.get_submodule("1").parameters()) == 0
    assert renumbered(groups, Structure(full(groups).kept, ("1",)))[1].touches == ()


def test_reports_can_say_what_is_counted() -> None:
    kinds = {kind: KINDS[kind] for kind in ("residual", "grouped", "norms", "vit")}
    units = {}
    for kind, (make, shape, _, _) in kinds.items():
        model, batch = build(make, shape)
        units[kind] = {group.unit for group in find_groups(model, batch[:1])[0]}
    assert units["residual"] == {Unit.CHANNEL}
    assert units["grouped"] == {Unit.SLOT}
    assert units["norms"] == {Unit.NORM_GROUP, Unit.CHANNEL}
    assert units["vit"] == {Unit.HEAD, Unit.CHANNEL}


@pytest.mark.parametrize(
    ("now", "wanted", "reason"),
    [
        (Structure({"a": (0, 1)}), Structure({"a": (0, 2)}), "only remove"),
        (Structure({"a": (0, 1, 2)}), Structure({"a": ()}), "nothing of it"),
        (Structure({"a": (0, 1, 2)}), Structure({}), "does not say"),
        (Structure({"a": (0,)}, ("b",)), Structure({"a": (0,)}), "bring a dropped block back"),
    ],
)
def test_a_cut_only_removes(now: Structure, wanted: Structure, reason: str) -> None:
    model = nn.ModuleDict({"a": nn.Linear(2, 3), "b": nn.Linear(3, 3)})
    groups = (ChannelGroup("a", 3, (Touch("a", True, ((0,), (1,), (2,))),)),)
    with pytest.raises(StructureError, match=reason):
        cut(model, groups, now, wanted)
