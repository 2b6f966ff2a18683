"""Structures near the chosen one: drawn, recovered briefly, and held against each other on the select split."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
import torch

from controller.core.caps import held
from controller.core.nouns.caps import Caps
from controller.core.nouns.model import Recovery
from controller.core.nouns.variant import Precision
from controller.pruning.graph.structure import Structure
from controller.pruning.jobs.agenda import Agenda, Counts, Tried
from controller.pruning.jobs.bench import Bench
from controller.pruning.jobs.candidates import Candidates, candidates
from controller.pruning.jobs.recovery import recovered_once
from controller.pruning.jobs.stage import Stage
from controller.pruning.model.outputs import quick_answers
from controller.pruning.recover.loss import apart
from controller.pruning.solve.plan import Appraisal

_SPREAD = 0.4  # of the factors' logarithms: half of them are within a factor of 1.3


@dataclass(frozen=True)
class Nearby:
    """Structures in one precision under `caps`, cut from the dense model's `stage`, by what its units are worth."""

    bench: Bench
    caps: Caps
    stage: Stage
    appraisal: Appraisal
    precision: Precision

    def offered(self, factors: Mapping[str, float]) -> Candidates:
        """As they are chosen where groups and blocks are worth so many times what was estimated."""
        return candidates(self.bench, self.stage, _scaled(self.appraisal, factors), self.precision)

    def drawn(self, around: Mapping[str, float], number: int) -> dict[str, float]:
        """Factors near those of `around`, by the dice of this number."""
        names = sorted((*self.appraisal.worth.curves, *self.appraisal.worth.blocks))
        draws = np.random.default_rng((self.bench.seed, number)).normal(0.0, _SPREAD, len(names))
        return {name: around.get(name, 1.0) * float(np.exp(draw)) for name, draw in zip(names, draws, strict=True)}


def try_one(nearby: Nearby, agenda: Agenda, number: int, todo: Counts) -> None:
    """The first is what was estimated; each other one is drawn around the best so far."""
    best = agenda.best
    factors = {} if number == 0 or best is None else nearby.drawn(best.factors, number)
    plan = nearby.offered(factors).plan(held(nearby.caps))
    name, estimated = _name(plan.structure), nearby.offered({}).planner.loss(plan.structure)
    if not plan.fits or agenda.known(name):
        agenda.note(Tried(factors, name, estimated, None))
        return
    nearby.bench.steps.part = f"structure {number + 1} of {todo.trials}"
    module = nearby.stage.cut_soundly(nearby.bench.prunable, plan.structure)
    made = recovered_once(nearby.bench, module, Recovery(epochs=todo.brief_epochs), nearby.bench.seed)
    agenda.note(Tried(factors, name, estimated, _distance(nearby.bench, made.module)))


def _scaled(appraisal: Appraisal, factors: Mapping[str, float]) -> Appraisal:
    guide = None if appraisal.guide is None else appraisal.guide.scaled(factors)
    return Appraisal(appraisal.importance, appraisal.worth.scaled(factors), guide)


def _name(structure: Structure) -> str:
    return hashlib.sha256(msgspec.json.encode(structure, order="deterministic")).hexdigest()[:16]


def _distance(bench: Bench, module: torch.nn.Module) -> float:
    """From the dense model's answers on the select split, which tells more of few samples than how many are right."""
    assert bench.model.data is not None
    return apart(quick_answers(module, bench.model.data.select.inputs), bench.teacher.select)
