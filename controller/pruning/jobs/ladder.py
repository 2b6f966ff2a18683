"""The ladder job: rungs chained from the dense model down, each in every precision that passes the gate.

Rung k has 0.8**k of the dense model's time in kernels by the tables. It is cut from the weights that training left
rung k - 1 with, not from their average, which shipped: all rungs are one training, which no rung has to warm up again.
The tables are the host's and fixed once measured, so the same seed makes the same bytes; and a rung that is on the
shelf is taken from there, so a job that was killed goes on where it was.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from controller.core.nouns.job import JobState
from controller.core.nouns.variant import Precision, Variant
from controller.pruning.artifact.measure import THOROUGH
from controller.pruning.cost.budgets import Budgets
from controller.pruning.errors import ExportError, TableError
from controller.pruning.graph.structure import Structure
from controller.pruning.job import Announce, JobResult
from controller.pruning.jobs.ahead import epochs_of, judging, made_ahead, measuring
from controller.pruning.jobs.appraise import appraise
from controller.pruning.jobs.bench import Bench
from controller.pruning.jobs.candidates import candidates
from controller.pruning.jobs.costing import Costing
from controller.pruning.jobs.dense import dense_kin
from controller.pruning.jobs.marks import known_marks
from controller.pruning.jobs.recovery import recover_stage
from controller.pruning.jobs.stage import Stage, Trained, dense_stage, stage_of
from controller.pruning.jobs.variant import Origin, make_variant, training_of
from controller.pruning.spec import terms
from controller.pruning.steps import Step

RATIO = 0.8
# Narrowing all layers alike cuts weights by about this power of the kernels' time. Left free, the weights would stay:
# where the positions are few they cost little time, and such a ladder has nothing for a device short of bytes.
_BYTES_POWER = 1.25


@dataclass
class _Ladder:
    bench: Bench
    rungs: int
    announce: Announce
    variants: list[Variant] = field(default_factory=list)
    kept_out: list[str] = field(default_factory=list)

    def add(self, variant: Variant) -> None:
        self.variants.append(variant)
        self.announce(variant)

    def keep_out(self, rung: int, precision: Precision, reason: str) -> None:
        self.kept_out.append(f"rung {rung} in {precision} is kept out: {reason}")

    def begin(self, rung: int) -> None:
        """Say what is ahead: this rung and those below it, in every precision."""
        bench, budget = self.bench, epochs_of(self.bench.model.spec.recovery)
        others = [*made_ahead(bench, 0)] * (len(bench.lab.precisions) - 1)
        bench.steps.part = f"rung {rung} of {self.rungs}"
        bench.steps.expect([*made_ahead(bench, budget), *others] * (self.rungs + 1 - rung))


def make_ladder(bench: Bench, rungs: int, announce: Announce) -> JobResult:
    """Up to `rungs` rungs below the dense model. It ends early at the accuracy floor, or where nothing can be cut.

    A rung whose budgets the one above keeps already is left out. Raises what the steps raise; what is on the shelf by
    then is announced.
    """
    ladder = _Ladder(bench, rungs, announce)
    kin = dense_kin(bench)
    for precision in bench.lab.precisions:
        known_marks(bench, kin, precision)
    dense = kin.variant
    ladder.add(dense)
    stage: Stage | None = dense_stage(bench.prunable, dense)
    whole = Origin(bench.model.module, bench.prunable.whole, Precision.FP32, _request(bench, 0), dense.sha256)
    _in_integers(ladder, 0, whole, dense)
    for rung in range(1, rungs + 1):
        if stage is not None:
            stage = _rung(ladder, rung, stage)
    return JobResult(
        state=JobState.DONE,
        variant=dense,
        variants=tuple(ladder.variants),
        detail="; ".join([f"{len(ladder.variants)} variants", *ladder.kept_out]),
        model_digest=bench.model.digest,
    )


def request(rung: int, seed: int, terms: str) -> str:
    """What a ladder's variants say that they were made for, on these terms."""
    return f"ladder rung={rung} seed={seed} {terms}"


def _request(bench: Bench, rung: int) -> str:
    return request(rung, bench.seed, terms(bench.model.spec))


def _rung(ladder: _Ladder, rung: int, above: Stage) -> Stage | None:
    """The stage of this rung, from the shelf or made; None where the ladder ends here or above."""
    bench = ladder.bench
    asked = _request(bench, rung)
    kin = bench.made_for(asked, Precision.FP32)
    if kin is not None:
        made, trained = stage_of(bench.prunable, kin), training_of(kin.variant)
        ladder.add(kin.variant)
        origin = Origin(made.module, made.structure, Precision.FP32, asked, above.parent, trained)
        _in_integers(ladder, rung, origin, kin.variant)
        return stage_of(bench.prunable, kin, onward=True)
    ladder.begin(rung)
    bench.steps.enter(Step.CHOOSING)
    offered = candidates(bench, above, appraise(bench, above), Precision.FP32)
    plan = offered.planner.within(_budgets(bench.costing, rung))
    if plan.structure == above.structure:
        return above if plan.fits else None
    origin = _recovered(ladder, rung, above, plan.structure)
    variant = _ship(ladder, rung, origin)
    if variant is None:
        return None
    _in_integers(ladder, rung, origin, variant)
    return Stage(origin.onward or origin.module, origin.structure, variant.sha256) if plan.fits else None


def _recovered(ladder: _Ladder, rung: int, above: Stage, structure: Structure) -> Origin:
    bench = ladder.bench
    module = above.cut_soundly(bench.prunable, structure)
    recovered = recover_stage(bench, module, bench.model.spec.recovery)
    module, onward = (module, None) if recovered is None else (recovered.module, recovered.onward)
    asked, trained = _request(bench, rung), Trained().and_by(recovered)
    return Origin(module, structure, Precision.FP32, asked, above.parent, trained, onward)


def _budgets(costing: Costing, rung: int) -> Budgets:
    share, dense = RATIO**rung, costing.pricing(Precision.FP32).price(costing.prunable.whole.widths)
    return Budgets(latency_s=kernels_share_s(costing, share), weights_bytes=dense.weights_bytes * share**_BYTES_POWER)


def kernels_share_s(costing: Costing, share: float) -> float:
    """`share` of the dense model's time in fp32 kernels; what every run takes to start is not for pruning to save."""
    costs = costing.pricing(Precision.FP32)
    return costs.start_s + (costs.price(costing.prunable.whole.widths).latency_s - costs.start_s) * share


def _ship(ladder: _Ladder, rung: int, origin: Origin, plain: Variant | None = None) -> Variant | None:
    """Build, judge and announce; None where it is kept out, with the reason noted. `plain` is the same in fp32."""
    bench = ladder.bench
    bench.steps.enter(Step.SHIPPING, measuring(bench), f"in {origin.precision}")
    try:
        built = bench.lab.build(origin.module, origin.precision, *THOROUGH)
        bench.steps.enter(Step.JUDGING, judging(bench))
        variant, verdict = make_variant(bench, origin, built)
    except (ExportError, TableError) as error:
        ladder.keep_out(rung, origin.precision, str(error))
        return None
    bench.costing.note(origin.structure, origin.precision, built.measured.costs)
    useless = plain is not None and not _gains(variant, plain)
    if useless or not verdict.passed:
        reason = "neither faster nor smaller than in fp32" if useless else verdict.reason
        ladder.keep_out(rung, origin.precision, reason)
        return None
    bench.shelf.put(built.artifact, variant, origin.structure, origin.module, origin.onward)
    ladder.add(variant)
    return variant


def _gains(variant: Variant, plain: Variant) -> bool:
    return variant.size_bytes < plain.size_bytes or variant.latency_p50_s < plain.latency_p50_s


def _in_integers(ladder: _Ladder, rung: int, origin: Origin, plain: Variant) -> None:
    """The same rung in the other precisions."""
    for precision in (each for each in ladder.bench.lab.precisions if each != origin.precision):
        kin = ladder.bench.made_for(origin.requested, precision)
        if kin is not None:
            ladder.add(kin.variant)
        else:
            _ship(ladder, rung, replace(origin, precision=precision, onward=None), plain)
