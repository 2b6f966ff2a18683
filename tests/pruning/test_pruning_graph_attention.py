"""Attention with removable heads answers as torch's does, however it is asked."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from controller.pruning.graph.cut import cut
from controller.pruning.graph.groups import find_groups
from controller.pruning.graph.structure import Structure, full
from controller.pruning.model.attention import HeadAttention, prepare

LENGTH, WIDTH, HEADS = 5, 12, 3
CAUSAL = torch.ones(LENGTH, LENGTH, dtype=torch.bool).triu(1)
PADDING = torch.tensor([[False] * 4 + [True], [False] * 5])
ASKED: dict[str, dict[str, Any]] = {
    "plain": {},
    "without weights": {"need_weights": False},
    "weights of each head": {"average_attn_weights": False},
    "masked": {"attn_mask": CAUSAL},
    "masked by sums": {"attn_mask": torch.randn(LENGTH, LENGTH), "need_weights": False},
    "a mask a head": {"attn_mask": torch.randn(2 * HEADS, LENGTH, LENGTH)},
    "padded": {"key_padding_mask": PADDING},
    "padded and masked": {"key_padding_mask": PADDING, "attn_mask": CAUSAL, "need_weights": False},
    "causal": {"attn_mask": CAUSAL, "is_causal": True, "need_weights": False},
}


def same(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    return torch.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("asked", ASKED)
def test_it_answers_as_torch_does(asked: str, bias: bool, batch_first: bool) -> None:
    torch.manual_seed(0)
    theirs = nn.MultiheadAttention(WIDTH, HEADS, bias=bias, batch_first=batch_first).eval()
    if bias:
        nn.init.normal_(theirs.in_proj_bias)
    ours = prepare(theirs)
    assert isinstance(ours, HeadAttention)
    x = torch.randn((2, LENGTH, WIDTH) if batch_first else (LENGTH, 2, WIDTH))
    assert all(map(same, theirs(x, x, x, **ASKED[asked]), ours(x, x, x, **ASKED[asked])))


def test_keys_may_be_of_other_width_and_inputs_without_batch() -> None:
    torch.manual_seed(0)
    theirs = nn.MultiheadAttention(WIDTH, HEADS, kdim=7, vdim=9).eval()
    q, k, v = torch.randn(LENGTH, WIDTH), torch.randn(6, 7), torch.randn(6, 9)
    assert all(map(same, theirs(q, k, v), prepare(theirs)(q, k, v)))


def test_extra_keys_stay_torchs() -> None:
    for kept in (
        nn.MultiheadAttention(WIDTH, HEADS, add_bias_kv=True),
        nn.MultiheadAttention(8, 2, add_zero_attn=True),
    ):
        assert type(prepare(kept)) is nn.MultiheadAttention


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("padded", [True, False])
def test_an_encoder_answers_the_same_in_both_modes(norm_first: bool, padded: bool) -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(WIDTH, 2, 16, dropout=0.0, batch_first=True, norm_first=norm_first)
    encoder = nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(WIDTH), enable_nested_tensor=False)
    ours, x = prepare(encoder), torch.randn(2, LENGTH, WIDTH)
    asked = {"src_key_padding_mask": PADDING} if padded else {"mask": CAUSAL}
    seen = (~PADDING if padded else torch.ones(2, LENGTH, dtype=torch.bool))[..., None]
    for mode in (True, False):
        encoder.train(mode)
        ours.train(mode)
        with torch.no_grad():
            assert same(encoder(x, **asked) * seen, ours(x, **asked) * seen)


def test_a_decoder_answers_the_same() -> None:
    torch.manual_seed(0)
    decoder = nn.TransformerDecoderLayer(WIDTH, HEADS, 16, batch_first=True).eval()
    x, memory = torch.randn(2, LENGTH, WIDTH), torch.randn(2, 7, WIDTH)
    assert same(decoder(x, memory, tgt_mask=CAUSAL), prepare(decoder)(x, memory, tgt_mask=CAUSAL))


def test_a_removed_head_takes_its_projections_along() -> None:
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 16, batch_first=True, norm_first=True)
    model = prepare(nn.Sequential(layer, nn.Linear(WIDTH, 2)).eval())
    groups, _ = find_groups(model, torch.randn(1, LENGTH, WIDTH))
    wanted = Structure({**full(groups).kept, "0.self_attn": (1,)})
    attention = cut(model, groups, full(groups), wanted).get_submodule("0.self_attn")
    assert isinstance(attention, HeadAttention)
    assert attention.num_heads == 1
    before = model.get_submodule("0.self_attn.k")
    assert torch.equal(attention.k.weight, before.weight[4:8])  # type: ignore[index]
    assert attention.out.weight.shape == (WIDTH, 4)
