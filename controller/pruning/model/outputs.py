"""Running a model over many inputs. Of several outputs, however nested, the first one is the answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from controller.pruning.model.data import Floats

_BATCH = 128


def tensors(value: Any) -> Iterator[torch.Tensor]:
    """Every tensor in what a model takes or returns."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping | tuple | list):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from tensors(each)


def all_outputs(returned: Any) -> tuple[torch.Tensor, ...]:
    """What a model returned, in the order of its artifact's outputs. Raises `TypeError` where that is no tensor."""
    found = tuple(tensors(returned))
    if not found:
        raise TypeError(f"the model returns {type(returned).__name__}, expected a tensor or a tuple of them")
    return found


def first_output(returned: Any) -> torch.Tensor:
    """The answer."""
    return all_outputs(returned)[0]


def output_name(number: int) -> str:
    """What artifacts call it. Applications ask by these: layers are called otherwise in every variant."""
    return f"output_{number}" if number else "output"


def joined(runs: Iterable[Sequence[NDArray[Any]]]) -> tuple[NDArray[Any], ...]:
    """The outputs of several runs, each along its first axis."""
    return tuple(np.concatenate([np.atleast_1d(part) for part in parts]) for parts in zip(*runs, strict=True))


@torch.no_grad()
def answers_alone(model: nn.Module, inputs: Floats) -> tuple[NDArray[Any], ...]:
    """All of the model's outputs, `joined`, asked for one input at a time: what an artifact of batch 1 must answer."""
    model.eval()
    alone = (laid_out(torch.from_numpy(each[np.newaxis])) for each in inputs)
    return joined([made.detach().numpy() for made in all_outputs(model(each))] for each in alone)


def answers(model: nn.Module, inputs: Floats) -> Floats:
    """The model's first output for each of `inputs` `[n, ...]`, in eval mode: `[n, ...]`."""
    model.eval()
    return _outputs(model, inputs, (0,))[0]


def quick_answers(model: nn.Module, inputs: Floats) -> Floats:
    """The same to three digits in half the time, where the CPU computes in bfloat16: for choosing, not for judging."""
    model.eval()
    with quickly():
        return _outputs(model, inputs, (0,))[0]


def quick_outputs(model: nn.Module, inputs: Floats) -> dict[int, Floats]:
    """`quick_answers` as number 0, and by its number each other output that is of floats and has a row an input."""
    model.eval()
    with quickly():
        numbers = taught_outputs(model, inputs)
        return dict(zip(numbers, _outputs(model, inputs, numbers), strict=True))


def taught_outputs(model: nn.Module, inputs: Floats) -> tuple[int, ...]:
    """The numbers of the outputs that a smaller model is taught to give: the answer, and others like it."""
    return 0, *_further(model, inputs)


@torch.no_grad()
def _further(model: nn.Module, inputs: Floats) -> list[int]:
    """Told by their sizes for one input and for two: a recurrent state's first axis is its layers."""
    one, two = (all_outputs(model(torch.from_numpy(inputs[:count]))) for count in (1, 2))
    rows = [(*few.shape[:1], *more.shape[:1]) for few, more in zip(one, two, strict=True)]
    return [number for number, each in enumerate(one) if number and each.is_floating_point() and rows[number] == (1, 2)]


def quickly() -> torch.autocast:
    """bfloat16 where the CPU multiplies it itself; emulated, it would be slower than float32."""
    return torch.autocast("cpu", torch.bfloat16, enabled=torch.cpu._is_avx512_bf16_supported())


def laid_out(batch: torch.Tensor) -> torch.Tensor:
    """Images in the layout that the CPU's kernels are fast at."""
    return batch.contiguous(memory_format=torch.channels_last) if batch.ndim == 4 else batch


def lay_out(model: nn.Module, axes: int) -> None:
    """The same for the weights of a model whose batches have so many axes."""
    if axes == 4 and all(each.dim() < 5 for each in model.state_dict().values()):
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's own stub leaves it out


@torch.no_grad()
def _outputs(model: nn.Module, inputs: Floats, numbers: Sequence[int]) -> tuple[Floats, ...]:
    starts = range(0, len(inputs), _BATCH)
    batches = (laid_out(torch.from_numpy(inputs[start : start + _BATCH])) for start in starts)
    runs = (all_outputs(model(batch)) for batch in batches)
    return joined([made[number].float().numpy() for number in numbers] for made in runs)
