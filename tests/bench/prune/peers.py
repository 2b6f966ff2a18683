"""What our pruning is held against, at equal measured latency.

- `uniform`: torch-pruning with one ratio for every layer, as its users begin; with widths in blocks of 16 too.
- `global`: torch-pruning ranks all layers' channels together and prunes step by step.
- `scratch`: the widths that a pruning found, trained from nothing: "Rethinking the Value of Network Pruning" (Z. Liu et
  al., 2019) finds that this often ties.

The dense model in INT8 is the ladder's own rung 0.

A torch-pruning peer is a row of candidates from hardly to heavily pruned, and its best is the least pruned one whose
*measured* latency meets the target. Latency is a staircase in the widths, so nothing is interpolated.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import torch
import torch_pruning as tp
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from controller.pruning.model.data import Split
from controller.zoo import training
from controller.zoo.training import Recipe

Measure = Callable[[nn.Module], float]
"""The latency of what a module is exported to, as a share of the dense one's."""

_LAYERS = [nn.modules.conv._ConvNd, nn.Linear]
_NORMS = [nn.modules.batchnorm._BatchNorm, nn.LayerNorm]
_FIRST_LOOK = 16  # candidates measured over the whole row, before the search closes in between two of them
_GRADIENT_BATCHES, _BATCH = 8, 64


class UnreachableError(ValueError):
    """Even a peer's smallest candidate is slower than the target."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A pruned module, and the setting that made it."""

    module: nn.Module
    setting: str


@dataclass(frozen=True, slots=True)
class Found:
    """The candidate that a peer offers for a latency, and its own measured one."""

    module: nn.Module
    setting: str
    latency: float


class Peer:
    """A way of pruning that one number steers. `candidates` makes its row, least pruned first, when first needed."""

    def __init__(self, name: str, candidates: Callable[[], Sequence[Candidate]]) -> None:
        self.name = name
        self._make = candidates

    @cached_property
    def candidates(self) -> Sequence[Candidate]:
        return self._make()

    def make(self, target: float, measure: Measure) -> Found:
        """The least pruned candidate found at or below the target. Raises `UnreachableError`."""
        row = self.candidates
        slow = -1
        for index in sorted({*range(0, len(row), max(1, len(row) // _FIRST_LOOK)), len(row) - 1}):
            if measure(row[index].module) <= target:
                break
            slow = index
        else:
            raise UnreachableError(f"{self.name}: no candidate is {1 / target:.2f} times as fast as the dense model")
        while index - slow > 1:
            middle = (index + slow) // 2
            index, slow = (middle, slow) if measure(row[middle].module) <= target else (index, middle)
        return Found(row[index].module, row[index].setting, measure(row[index].module))


class Remembered:
    """`measure`, with every structure measured once and kept in the file at `path`; `subject` tells networks apart."""

    def __init__(self, measure: Measure, path: Path, subject: str) -> None:
        self._measure, self._path, self._subject = measure, path, subject
        self._known: dict[str, float] = json.loads(path.read_text()) if path.is_file() else {}

    def __call__(self, module: nn.Module) -> float:
        # A layer's text holds all that its latency depends on: kinds, widths, kernels, strides.
        key = hashlib.sha256(f"{self._subject}\n{module}".encode()).hexdigest()
        if key not in self._known:
            self._known[key] = self._measure(module)
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(json.dumps(self._known, indent=1))
        return self._known[key]


Importance = Literal["taylor", "magnitude"]


def torch_pruning_peers(dense: nn.Module, split: Split) -> tuple[Peer, ...]:
    """The torch-pruning peers of `dense`, which is pruned for labelled inputs as in `split`.

    By magnitude: after a short recovery the residual network was no worse by it than by Taylor, cut either way.
    """
    return (
        Peer("uniform", lambda: uniform(dense, split, "magnitude", None)),
        Peer("uniform-16", lambda: uniform(dense, split, "magnitude", 16)),
        Peer("global", lambda: by_macs(dense, split, "magnitude")),
    )


def uniform(
    dense: nn.Module, split: Split, importance: Importance, round_to: int | None, finest: int = 128
) -> Sequence[Candidate]:
    """Candidates of ratios 0, 1 / finest, 2 / finest ...: every layer loses the same share of its channels.

    Ratios of equal widths count once, as the lowest of them. `round_to` cuts to whole blocks, of which a layer keeps
    one at least.
    """
    found = dict[str, Candidate]()
    weighed = with_gradients(dense, split)
    for step in range(finest):
        module, ratio = copied(weighed), step / finest
        pruner(module, sample(split), ratio, importance, round_to=round_to, steps=1, everywhere=False).step()
        found.setdefault(str(module), Candidate(clean(module), f"pruning_ratio {ratio:.3f}"))
    return list(found.values())


def by_macs(dense: nn.Module, split: Split, importance: Importance, steps: int = 64) -> Sequence[Candidate]:
    """Candidates along one iterative global pruning: its channels are ranked over all layers, anew at each step."""
    module = with_gradients(dense, split)
    whole = macs(dense, split)
    running = pruner(module, sample(split), 1.0, importance, round_to=None, steps=steps, everywhere=True)
    row = [Candidate(clean(module), "MACs 1.000")]
    for _ in range(steps - 1):
        running.step()
        row.append(Candidate(clean(module), f"MACs {macs(module, split) / whole:.3f}"))
        if importance == "taylor":
            accumulate_gradients(module, split)
    return [row[0], *(after for before, after in pairwise(row) if str(before.module) != str(after.module))]


def scratch(
    pruned: nn.Module, split: Split, recipe: Recipe, samples: int, progress: Callable[[str], None]
) -> nn.Module:
    """`pruned`'s architecture trained from nothing on `samples` samples by the dense network's own `recipe`."""
    budget = replace(recipe, epochs=samples / len(split.inputs))
    return training.fit(lambda: forgetful(pruned), split, budget, progress)


def forgetful(module: nn.Module) -> nn.Module:
    """A copy with all weights drawn anew, each layer by its own default."""
    fresh = copy.deepcopy(module).requires_grad_(True)
    for layer in fresh.modules():
        if callable(reset := getattr(layer, "reset_parameters", None)):
            reset()
    return fresh


# --- torch-pruning ---------------------------------------------------------------------------------------------------


def pruner(
    module: nn.Module,
    example: torch.Tensor,
    ratio: float,
    importance: Importance,
    *,
    round_to: int | None,
    steps: int,
    everywhere: bool,
) -> Any:
    """Every argument that torch-pruning would default to a dict is passed: it writes into them, for all who come after.

    What makes the output is left alone.
    """
    return tp.pruner.BasePruner(
        module,
        example,
        importance=estimator(importance),
        global_pruning=everywhere,
        pruning_ratio=ratio,
        pruning_ratio_dict={} if everywhere else survivable(module, ratio, round_to or 1),
        iterative_steps=steps,
        ignored_layers=[last_layer(module)],
        round_to=round_to,
        in_channel_groups={},
        out_channel_groups={},
        num_heads={},
        head_pruning_ratio_dict={},
        customized_pruners={},
        unwrapped_parameters={},
        root_module_types=[tp.ops.TORCH_CONV, tp.ops.TORCH_LINEAR],
        channel_groups={},
    )


def survivable(module: nn.Module, ratio: float, block: int) -> dict[nn.Module, float]:
    """`ratio` for each layer, or what leaves it one block: a cut that leaves nothing torch-pruning drops altogether."""
    return {
        layer: min(ratio, max(0.0, 1 - (block + 0.5) / layer.weight.shape[0]))
        for layer in module.modules()
        if isinstance(layer, tuple(_LAYERS)) and layer is not last_layer(module)
    }


def estimator(importance: Importance) -> Any:
    """First-order Taylor (P. Molchanov et al., 2019) or the L2 norm, as a mean over what goes together."""
    common = {"group_reduction": "mean", "normalizer": "mean", "bias": False, "target_types": [*_LAYERS, *_NORMS]}
    if importance == "taylor":
        return tp.importance.GroupTaylorImportance(**common, multivariable=False)
    return tp.importance.GroupMagnitudeImportance(**common, p=2)


def last_layer(module: nn.Module) -> nn.Module:
    *_, last = (each for each in module.modules() if isinstance(each, tuple(_LAYERS)))
    return last


def macs(module: nn.Module, split: Split) -> float:
    count, _ = tp.utils.count_ops_and_params(module, sample(split))
    return float(count)


def sample(split: Split) -> torch.Tensor:
    return torch.from_numpy(split.inputs[:1])


def with_gradients(dense: nn.Module, split: Split) -> nn.Module:
    module = copy.deepcopy(dense).eval().requires_grad_(True)
    accumulate_gradients(module, split)
    return module


def accumulate_gradients(module: nn.Module, split: Split) -> None:
    """The loss's gradients over the first 512 inputs, in place of what was there.

    By each batch's own statistics: after a cut the ones kept no longer hold, and gradients through them rank nothing.
    """
    module.zero_grad()
    module.train()
    for inputs, labels in _batches(split):
        torch.autograd.backward(F.cross_entropy(module(inputs), labels))
    module.eval()


def copied(module: nn.Module) -> nn.Module:
    """A copy with its gradients, which a deep copy alone leaves out."""
    twin = copy.deepcopy(module)
    for mine, theirs in zip(twin.parameters(), module.parameters(), strict=True):
        mine.grad = None if theirs.grad is None else theirs.grad.clone()
    return twin


def clean(module: nn.Module) -> nn.Module:
    """A copy without gradients."""
    twin = copy.deepcopy(module)
    twin.zero_grad()
    return twin.eval()


def _batches(split: Split) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    assert split.labels is not None
    for start in range(0, min(len(split.inputs), _GRADIENT_BATCHES * _BATCH), _BATCH):
        part = slice(start, start + _BATCH)
        yield torch.from_numpy(split.inputs[part]), torch.from_numpy(split.labels[part])
