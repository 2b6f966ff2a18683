"""Ours as a peer among peers: pruned once, to one speed, as `controller prune` does it.

The ladder's rungs are where the ladder's own steps lead. From the dense model, this is the like of what torch-pruning
offers for a speed; from a rung, it is what a speed between two rungs gets.
"""

from __future__ import annotations

from collections.abc import Sequence

from controller.core.nouns.variant import Precision
from controller.pruning.cost.budgets import Budgets
from controller.pruning.jobs.appraise import appraise
from controller.pruning.jobs.bench import Bench
from controller.pruning.jobs.candidates import candidates
from controller.pruning.jobs.ladder import kernels_share_s
from controller.pruning.jobs.stage import Stage, dense_stage, stage_of
from controller.pruning.shelf import Kin
from tests.bench.prune.peers import Candidate, Peer

ONE_OFF = "hedgerow one-off"
FROM_RUNG = "hedgerow from a rung"
_FINEST = 256


def one_off(bench: Bench) -> Peer:
    return Peer(ONE_OFF, lambda: _candidates(bench, dense_stage(bench.prunable)))


def from_rung(bench: Bench, rung: Kin) -> Peer:
    return Peer(FROM_RUNG, lambda: _candidates(bench, stage_of(bench.prunable, rung)))


def _candidates(bench: Bench, stage: Stage) -> Sequence[Candidate]:
    """What the planner chooses for 1, 255 / 256, 254 / 256 ... of the dense model's time in kernels, in fp32."""
    planner = candidates(bench, stage, appraise(bench, stage), Precision.FP32).planner
    found = dict[str, Candidate]()
    for step in range(_FINEST):
        share = 1 - step / _FINEST
        plan = planner.within(Budgets(latency_s=kernels_share_s(bench.costing, share)))
        if not plan.fits:
            break
        module = stage.cut_soundly(bench.prunable, plan.structure)
        found.setdefault(str(module), Candidate(module, f"{share:.3f} of the time in kernels"))
    return list(found.values())
