"""Attention whose heads can be removed one by one, in place of torch's, whose heads are tied to the model's width."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention


class HeadAttention(nn.Module):
    """Multi-head attention (Vaswani et al., 2017) of `num_heads` heads of `head_dim`, whatever the embedding's width.

    Takes and returns what `nn.MultiheadAttention` does: inputs `[n, length, width]` if `batch_first`, else
    `[length, n, width]`, or without the batch axis; masks are true (or minus infinity) where nothing may be looked at.
    """

    in_proj_bias = None  # nn.TransformerEncoderLayer then leaves its fused kernel, which knows only torch's attention
    _qkv_same_embed_dim = False

    def __init__(self, source: nn.MultiheadAttention) -> None:
        super().__init__()
        self.num_heads, self.head_dim, self.embed_dim = source.num_heads, source.head_dim, source.embed_dim
        self.dropout, self.batch_first = source.dropout, source.batch_first
        weights: tuple[Tensor, ...] = (
            source.in_proj_weight.chunk(3)
            if source._qkv_same_embed_dim
            else (source.q_proj_weight, source.k_proj_weight, source.v_proj_weight)
        )
        biases = (None, None, None) if source.in_proj_bias is None else source.in_proj_bias.chunk(3)
        self.q, self.k, self.v = map(_linear, weights, biases)
        self.out = _linear(source.out_proj.weight, source.out_proj.bias)
        self.train(source.training)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """As `nn.MultiheadAttention.forward`; `is_causal` is a hint there and here: the mask says what is hidden."""
        if is_causal and attn_mask is None:
            raise ValueError("is_causal is a hint about attn_mask, which is missing")
        alone = query.ndim == 2
        if alone:
            query, key, value = (each.unsqueeze(0) for each in (query, key, value))
            key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
        elif not self.batch_first:
            query, key, value = (each.transpose(0, 1) for each in (query, key, value))
        q, k, v = (self._heads(*pair) for pair in ((self.q, query), (self.k, key), (self.v, value)))
        mask = self._mask(attn_mask, key_padding_mask, q)
        if need_weights:
            made, weights = self._weighted(q, k, v, mask, average_attn_weights)
        else:
            dropout = self.dropout if self.training else 0.0
            made, weights = F.scaled_dot_product_attention(q, k, v, mask, dropout), None
        answer = self.out(made.transpose(1, 2).flatten(2))
        if alone:
            return answer.squeeze(0), None if weights is None else weights.squeeze(0)
        return answer if self.batch_first else answer.transpose(0, 1), weights

    def _heads(self, project: nn.Linear, read: Tensor) -> Tensor:
        """`[n, length, width]` to `[n, heads, length, head_dim]`."""
        made: Tensor = project(read)
        return made.reshape(*made.shape[:-1], self.num_heads, self.head_dim).transpose(1, 2)

    def _mask(self, attn_mask: Tensor | None, padding: Tensor | None, q: Tensor) -> Tensor | None:
        """Both masks as one that is added to the scores: `[n or 1, heads or 1, queries or 1, keys]`."""
        masks = []
        if attn_mask is not None:
            per_head = attn_mask.ndim == 3  # [n * heads, queries, keys]
            shape = (len(q), -1, *attn_mask.shape[1:]) if per_head else (1, 1, *attn_mask.shape)
            masks.append(_added(attn_mask.reshape(shape), q))
        if padding is not None:
            masks.append(_added(padding[:, None, None, :], q))
        return sum(masks[1:], masks[0]) if masks else None

    def _weighted(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, average: bool) -> tuple[Tensor, Tensor]:
        scores = (q * self.head_dim**-0.5) @ k.transpose(-2, -1)
        weights = F.dropout((scores if mask is None else scores + mask).softmax(-1), self.dropout, self.training)
        return weights @ v, weights.mean(1) if average else weights


class EncoderStack(nn.Module):
    """The layers of an `nn.TransformerEncoder` one after the other, without its fused kernels.

    Those read the attention of the first layer, which may have been dropped.
    """

    def __init__(self, source: nn.TransformerEncoder) -> None:
        super().__init__()
        self.layers, self.norm = source.layers, source.norm
        self.train(source.training)

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """As `nn.TransformerEncoder.forward`; `is_causal` is a hint, the mask says what is hidden."""
        del is_causal
        for layer in self.layers:
            src = layer(src, src_mask=mask, src_key_padding_mask=src_key_padding_mask)
        return src if self.norm is None else self.norm(src)


def prepare(model: nn.Module) -> nn.Module:
    """A copy of `model` that answers the same, with attention whose heads and encoder layers can be removed.

    Attention with extra key or value rows stays as it is.
    """
    prepared = copy.deepcopy(model)
    replaced: dict[nn.Module, nn.Module] = {}
    for module in prepared.modules():
        if type(module) is nn.MultiheadAttention and _has_only_inputs(module):
            replaced[module] = HeadAttention(module)
        elif type(module) is nn.TransformerEncoder:
            replaced[module] = EncoderStack(module)
    for module in [*prepared.modules(), *replaced.values()]:
        for name, child in list(module.named_children()):
            if child in replaced:
                setattr(module, name, replaced[child])
    return replaced.get(prepared, prepared)


def _has_only_inputs(attention: nn.MultiheadAttention) -> bool:
    return attention.bias_k is None and attention.bias_v is None and not attention.add_zero_attn


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias is not None)
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None:
            layer.bias.copy_(bias)
    return layer


def _added(mask: Tensor, like: Tensor) -> Tensor:
    if mask.dtype is not torch.bool:
        return mask.to(like.dtype)
    return torch.zeros_like(mask, dtype=like.dtype).masked_fill(mask, float("-inf"))
