"""One prune job: choose a structure and a precision under the caps, recover it, and ship it only as measured inside."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from agent.wire.units import Unit, format_quantity
from controller.core.caps import exceeds_all, held
from controller.core.compare import best_of
from controller.core.costs import Costs, binding, costs_of
from controller.core.nouns.caps import Caps
from controller.core.nouns.constraint import Constraint
from controller.core.nouns.job import JobState
from controller.core.nouns.model import Recovery
from controller.core.nouns.variant import Precision, Variant
from controller.pruning.errors import ExportError, TableError
from controller.pruning.graph.structure import Structure
from controller.pruning.job import JobResult
from controller.pruning.jobs.ahead import epochs_of, judging, made_ahead, measuring, prune_ahead
from controller.pruning.jobs.appraise import appraise
from controller.pruning.jobs.bench import Bench
from controller.pruning.jobs.candidates import Candidates, candidates
from controller.pruning.jobs.dense import dense_kin
from controller.pruning.jobs.lab import Built
from controller.pruning.jobs.looks import look_at
from controller.pruning.jobs.precisions import in_order
from controller.pruning.jobs.prunable import Prunable
from controller.pruning.jobs.recovery import half, recover_stage
from controller.pruning.jobs.refused import Refused, Smallest, fitting, infeasible
from controller.pruning.jobs.stage import Stage, dense_stage, stage_of
from controller.pruning.jobs.variant import Origin, make_variant, measured
from controller.pruning.judge.accuracy import classify
from controller.pruning.model.data import Data
from controller.pruning.model.load import LoadedModel
from controller.pruning.model.outputs import quick_answers
from controller.pruning.shelf import Kin
from controller.pruning.solve.plan import Plan
from controller.pruning.solve.search import Found, TooTight
from controller.pruning.steps import Step
from controller.pruning.tell import against

_ATTEMPTS = 4


def make_pruned(bench: Bench, caps: Caps, start_from: tuple[str, ...]) -> JobResult:
    """A variant whose shipped bytes measure inside `caps`, or why there is none. Raises what the steps raise.

    What not even the smallest structure keeps is refused before anything is trained.
    """
    bench.steps.expect(prune_ahead(bench))
    smallest = Smallest(bench, dense_kin(bench), caps)
    refusals = list[Refused]()
    if not smallest.refused:
        stage = _start(bench.prunable, bench.shelf.kin(start_from), caps, smallest.dense.variant)
        for offered in in_order(bench, smallest.dense, stage, appraise(bench, stage), held(caps), smallest.precisions):
            made = _attempted(offered, smallest)
            if isinstance(made, JobResult):
                return made
            refusals.append(made)
    return _known(bench, caps, start_from) or infeasible(smallest, refusals, start_from)


def _start(prunable: Prunable, named: Sequence[Kin], caps: Caps, dense: Variant) -> Stage:
    """The smallest named fp32 variant that still exceeds every cap, else the dense model."""
    roots = {group.root for group in prunable.groups}
    kin = [each for each in named if each.variant.precision is Precision.FP32]
    kin = [each for each in kin if each.structure.kept.keys() == roots and exceeds_all(caps, each.variant)]
    return (
        stage_of(prunable, min(kin, key=lambda each: each.variant.parameters)) if kin else dense_stage(prunable, dense)
    )


def _attempted(offered: Candidates, smallest: Smallest) -> JobResult | Refused:
    """What a precision other than fp32 cannot do is no fault of the model's."""
    try:
        return smallest.refusal(offered.precision) or _make(offered, smallest)
    except (ExportError, TableError) as error:
        if offered.precision is Precision.FP32:
            raise
        return Refused(str(error), Constraint.NONE)


def _make(offered: Candidates, smallest: Smallest) -> JobResult | Refused:
    """Search, recover, build; narrower again from the recovered weights where what ships measures above a cap."""
    bench, stage, precision = smallest.bench, offered.stage, offered.precision
    caps, budget = smallest.caps, bench.model.spec.recovery
    for _ in range(_ATTEMPTS):
        bench.steps.enter(Step.CHOOSING, measuring(bench))
        found = offered.searched(held(caps), partial(_expect, bench, stage, budget))
        if isinstance(found, TooTight) and not smallest.inside(found, found.costs):
            return Refused(f"no candidate measures inside: {against(found.costs, caps)}", found.binding)
        _expect(bench, stage, budget, found)
        origin, score = _recovered(bench, offered, found.structure, caps, budget)
        bench.steps.best = _so_far(bench.model.data, origin, score, found.costs)
        built = measured(bench, origin)
        if smallest.inside(found, built.measured.costs):
            return _ship(bench, origin, built, caps)
        stage = Stage(origin.module, origin.structure, stage.parent, origin.trained)
        budget = half(budget)
        offered = candidates(bench, stage, appraise(bench, stage), precision)
    return Refused(f"still above the caps: {against(built.measured.costs, caps)}", found.binding)


def _expect(bench: Bench, stage: Stage, budget: Recovery, found: Plan | Found | TooTight) -> None:
    """What is cut away has to be recovered."""
    bench.steps.expect([*made_ahead(bench, epochs_of(budget) if found.structure != stage.structure else 0.0)])


def _recovered(
    bench: Bench, offered: Candidates, structure: Structure, caps: Caps, budget: Recovery
) -> tuple[Origin, float | None]:
    """With its score on the select split; None where nothing was recovered."""
    stage = offered.stage
    module = stage.cut_soundly(bench.prunable, structure)
    changed = structure != stage.structure
    recovered = recover_stage(bench, module, budget) if changed else None
    module = module if recovered is None else recovered.module
    trained = stage.trained.and_by(recovered)
    origin = Origin(module, structure, offered.precision, caps.key, stage.parent, trained)
    return origin, None if recovered is None else recovered.score


def _so_far(data: Data | None, origin: Origin, score: float | None, costs: Costs) -> str:
    """What is about to be measured, as far as it is known: who waits may see that it is enough, or hopeless."""
    latency = f"p95 {format_quantity(costs.latency_s, Unit.SECONDS)} as a candidate"
    if data is None or data.select.labels is None:
        return f"so far {latency}"
    if score is None:
        got = quick_answers(origin.module, data.select.inputs)
        score = classify(got, data.select.labels).share
    return f"so far {score:.1%} right on the data that choose, {latency}"


def _ship(bench: Bench, origin: Origin, built: Built, caps: Caps) -> JobResult | Refused:
    bench.steps.enter(Step.JUDGING, judging(bench))
    variant, verdict = make_variant(bench, origin, built, look_at(bench, caps.key, built.sha256))
    which, inside = _inside(built.measured.costs, caps)
    if not verdict.passed:
        return Refused(f"the {variant.precision} variant inside the caps: {verdict.reason}; it {inside}", which)
    bench.shelf.put(built.artifact, variant, origin.structure, origin.module)
    return _done(bench.model, variant, which, inside)


def _known(bench: Bench, caps: Caps, start_from: tuple[str, ...]) -> JobResult | None:
    """The best of what was there and measured inside: what is made anew has to stay further below a cap."""
    known = fitting(bench, start_from, caps)
    if not known:
        return None
    which, inside = _inside(costs_of(best_of(known)), caps)
    return _done(bench.model, best_of(known), which, f"it was there already and {inside}")


def _done(model: LoadedModel, variant: Variant, which: Constraint, detail: str) -> JobResult:
    return JobResult(state=JobState.DONE, variant=variant, binding=which, detail=detail, model_digest=model.digest)


def _inside(costs: Costs, caps: Caps) -> tuple[Constraint, str]:
    which, share = binding(costs, caps)
    return which, f"uses {share:.0%} of the {which} cap ({against(costs, caps)})" if share else "no cap is set"
