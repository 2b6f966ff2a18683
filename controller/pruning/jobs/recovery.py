"""Recovering a stage of a job: the spec's budget, and more of it where that did not reach the floor."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from controller.core.nouns.model import Recovery
from controller.pruning.jobs.ahead import recovering
from controller.pruning.jobs.bench import Bench
from controller.pruning.jobs.stage import weights_digest
from controller.pruning.recover.distil import Recovered, recover
from controller.pruning.recover.keep import Keep
from controller.pruning.shelf import name_of
from controller.pruning.steps import Step

_MORE_RECOVERY = 3


def recover_stage(bench: Bench, module: nn.Module, budget: Recovery) -> Recovered | None:
    """`module` distilled from the dense model; None without data.

    Up to three more such budgets are spent while the select split's score is below the spec's floor.
    """
    data, floor = bench.model.data, bench.model.spec.accuracy_floor
    if data is None:
        return None
    recovered = recovered_once(bench, module, budget, bench.seed)
    for _ in range(_MORE_RECOVERY):
        if data.select.labels is None or floor is None or recovered.score >= floor:
            break
        # Cut this deep, the budget was not enough; the gate's data must not be what tells.
        seed = bench.seed + round(recovered.epochs)
        more = recovered_once(bench, recovered.onward, budget, seed)
        best = more if more.score >= recovered.score else recovered
        epochs, cpu_s = recovered.epochs + more.epochs, recovered.cpu_s + more.cpu_s
        recovered = replace(best, onward=more.onward, epochs=epochs, cpu_s=cpu_s)
    return recovered


def recovered_once(bench: Bench, module: nn.Module, budget: Recovery, seed: int) -> Recovered:
    """With one budget; a job that was killed in it goes on from the shelf."""
    assert bench.model.data is not None
    bench.steps.enter(Step.RECOVERING, recovering(bench, budget.epochs) if budget.epochs is not None else None)
    name = name_of(weights_digest(module), bench.data_sha256, budget, seed)
    keep = Keep(bench.shelf.file("recovering", name))
    return recover(module, bench.model.data, bench.teacher, budget, seed, bench.steps.within, keep)


def half(budget: Recovery) -> Recovery:
    """For weights that have recovered once and lose a little more."""
    return Recovery(
        cpu_s=None if budget.cpu_s is None else budget.cpu_s / 2,
        epochs=None if budget.epochs is None else budget.epochs / 2,
    )
