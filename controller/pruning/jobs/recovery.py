"""Recovering a stage of a job: the spec's budget, and more of it where that did not reach the floor."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from controller.core.types import Recovery
from controller.pruning.jobs.bench import Bench
from controller.pruning.recover.distil import Recovered, recover

_MORE_RECOVERY = 3


def recover_stage(bench: Bench, module: nn.Module, budget: Recovery, begin: float, end: float) -> Recovered | None:
    """`module` distilled from the dense model; None without data. Progress runs from `begin` to `end`.

    Up to three more such budgets are spent while the select split's score is below the spec's floor.
    """
    data = bench.model.data
    if data is None:
        return None

    def progress(done: float, text: str) -> None:
        bench.progress(begin + (end - begin) * done, text)

    recovered = recover(module, data, bench.teacher, budget, bench.seed, progress)
    floor = bench.model.spec.accuracy_floor
    for _ in range(_MORE_RECOVERY):
        if data.select.labels is None or floor is None or recovered.score >= floor:
            break
        # Cut this deep, the budget was not enough; the gate's data must not be what tells.
        more = recover(recovered.onward, data, bench.teacher, budget, bench.seed + round(recovered.epochs), progress)
        best = more if more.score >= recovered.score else recovered
        epochs, cpu_s = recovered.epochs + more.epochs, recovered.cpu_s + more.cpu_s
        recovered = replace(best, onward=more.onward, epochs=epochs, cpu_s=cpu_s)
    return recovered


def half(budget: Recovery) -> Recovery:
    """For weights that have recovered once and lose a little more."""
    return Recovery(
        cpu_s=None if budget.cpu_s is None else budget.cpu_s / 2,
        epochs=None if budget.epochs is None else budget.epochs / 2,
    )
