"""One prune job: choose a structure and a precision under the caps, recover it, and ship it only as measured inside."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np
import torch

from controller.core.caps import closest, exceeds_all, held, shippable, use
from controller.core.compare import best_of
from controller.core.costs import Costs, binding, costs_of
from controller.core.types import Caps, Constraint, JobState, Recovery, Variant
from controller.pruning.artifact.export import run_artifact
from controller.pruning.artifact.measure import THOROUGH
from controller.pruning.artifact.parity import Precision
from controller.pruning.bench import Bench, Built
from controller.pruning.dense import dense_kin
from controller.pruning.errors import ExportError, TableError
from controller.pruning.job import JobResult
from controller.pruning.jobs.appraise import appraise
from controller.pruning.jobs.candidates import Candidates, candidates
from controller.pruning.marks import READY
from controller.pruning.recover.distil import distance
from controller.pruning.recovery import half, recover_stage
from controller.pruning.smallest import smallest_variant
from controller.pruning.solve.plan import Appraisal
from controller.pruning.solve.search import Found, TooTight
from controller.pruning.stage import Stage, dense_stage, stage_of
from controller.pruning.tell import against, told
from controller.pruning.variant import Origin, make_variant

_ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class _Refused:
    """Inside the caps or not, it does not ship. `too_tight`: the caps were, for any structure in this precision."""

    detail: str
    binding: Constraint
    too_tight: TooTight | None = None


def make_pruned(bench: Bench, caps: Caps, start_from: tuple[str, ...]) -> JobResult:
    """A variant whose shipped bytes measure inside `caps`, or why there is none. Raises what the steps raise."""
    bench.progress(READY, bench.told)
    stage = _start(bench, caps, start_from, dense_kin(bench).variant)
    appraisal = appraise(bench, stage)
    refusals = list[_Refused]()
    for offered in _preferred(bench, stage, appraisal, held(caps)):
        made = _attempted(offered, caps)
        if isinstance(made, JobResult):
            return made
        refusals.append(made)
    return _known(bench, caps, start_from) or _infeasible(bench, stage, refusals, caps, start_from)


def _start(bench: Bench, caps: Caps, start_from: tuple[str, ...], dense: Variant) -> Stage:
    """The smallest named fp32 variant that still exceeds every cap, else the dense model."""
    roots = {group.root for group in bench.groups}
    kin = [each for each in bench.shelf.kin(start_from) if each.variant.precision == "fp32"]
    kin = [each for each in kin if each.structure.kept.keys() == roots and exceeds_all(caps, each.variant)]
    return stage_of(bench, min(kin, key=lambda each: each.variant.parameters)) if kin else dense_stage(bench, dense)


def _preferred(bench: Bench, stage: Stage, appraisal: Appraisal, caps: Caps) -> list[Candidates]:
    """Of each precision: those predicted to fit with the least loss first; the rest in case that is wrong. None of one
    that cannot be made."""
    ranked = list[tuple[bool, float, Candidates]]()
    for precision in bench.precisions:
        rounding = rounding_loss(bench, precision)
        if rounding < np.inf:
            offered = candidates(bench, stage, appraisal, precision)
            plan = offered.plan(caps)
            ranked.append((not plan.fits, plan.loss + rounding, offered))
    return [offered for _, _, offered in sorted(ranked, key=lambda each: each[:2])]


def rounding_loss(bench: Bench, precision: Precision) -> float:
    """What the precision itself loses: the quantised dense model's distance from the dense model; infinite where it
    cannot be quantised.
    """
    data = bench.model.data
    if precision == "fp32" or data is None:
        return 0.0
    marks = bench.shelf.marks(precision, dense_kin(bench))
    if marks is None or not marks.marks:
        return np.inf
    inputs = data.select.inputs[:256]
    got = run_artifact(bench.shelf.artifact(marks.marks[0].sha256).read_bytes(), inputs)
    return float(distance(torch.from_numpy(got), torch.from_numpy(bench.teacher.select[: len(got)])))


def _attempted(offered: Candidates, caps: Caps) -> JobResult | _Refused:
    """What a precision other than fp32 cannot do is no fault of the model's."""
    try:
        return _make(offered, caps)
    except (ExportError, TableError) as error:
        if offered.precision == "fp32":
            raise
        return _Refused(str(error), Constraint.NONE)


def _make(offered: Candidates, caps: Caps) -> JobResult | _Refused:
    """Search, recover, build; narrower again from the recovered weights where what ships measures above a cap."""
    bench, stage, precision = offered.bench, offered.stage, offered.precision
    budget = bench.model.spec.recovery
    for attempt in range(_ATTEMPTS):
        found = offered.searched(held(caps))
        if isinstance(found, TooTight):
            return _Refused(_too_tight(offered, found, caps), found.binding, found)
        begin = 0.4 + 0.13 * attempt
        origin = _recovered(offered, found, caps, budget, begin)
        bench.progress(begin + 0.1, "exporting and measuring what ships")
        built = bench.build(origin.module, precision, *THOROUGH)
        bench.note_point(origin.structure, precision, built.measured.costs)
        if binding(built.measured.costs, held(caps))[1] <= 1:
            return _ship(bench, origin, built, caps)
        stage = Stage(origin.module, origin.structure, stage.parent, origin.trained)
        budget = half(budget)
        offered = candidates(bench, stage, appraise(bench, stage), precision)
    return _Refused(f"still above the caps: {against(built.measured.costs, caps)}", found.binding)


def _too_tight(offered: Candidates, found: TooTight, caps: Caps) -> str:
    smallest = f"the smallest structure of {offered.bench.model.spec.ref} in {offered.precision}"
    inside = binding(found.costs, caps)[1] <= 1
    failing = "is closer to the caps than measurements repeat" if inside else "exceeds the caps"
    return f"{smallest} {failing}: {against(found.costs, caps)}"


def _recovered(offered: Candidates, found: Found, caps: Caps, budget: Recovery, begin: float) -> Origin:
    bench, stage = offered.bench, offered.stage
    module = stage.cut_soundly(bench, found.structure)
    changed = found.structure != stage.structure
    recovered = recover_stage(bench, module, budget, begin, begin + 0.1) if changed else None
    module = module if recovered is None else recovered.module
    trained = stage.trained.and_by(recovered)
    return Origin(module, found.structure, offered.precision, caps.key, stage.parent, trained)


def _ship(bench: Bench, origin: Origin, built: Built, caps: Caps) -> JobResult | _Refused:
    bench.progress(0.93, "judging accuracy")
    variant, verdict = make_variant(bench, origin, built)
    which, inside = _inside(built.measured.costs, caps)
    if not verdict.passed:
        return _Refused(f"the {variant.precision} variant inside the caps: {verdict.reason}; it {inside}", which)
    bench.shelf.put(built.artifact, variant, origin.structure, origin.module)
    return JobResult(
        state=JobState.DONE,
        variant=variant,
        binding=which,
        detail=inside,
        model_digest=bench.model.digest,
    )


def _known(bench: Bench, caps: Caps, start_from: tuple[str, ...]) -> JobResult | None:
    """The best of what was there and measured inside: what is made anew has to stay further below a cap."""
    fitting = [each for each in _shippable(bench, start_from) if use(caps, each) <= 1]
    if not fitting:
        return None
    variant = best_of(fitting)
    which, inside = _inside(costs_of(variant), caps)
    return JobResult(
        state=JobState.DONE,
        variant=variant,
        binding=which,
        detail=f"it was there already and {inside}",
        model_digest=bench.model.digest,
    )


def _inside(costs: Costs, caps: Caps) -> tuple[Constraint, str]:
    which, share = binding(costs, caps)
    return which, f"uses {share:.0%} of the {which} cap ({against(costs, caps)})" if share else "no cap is set"


def _infeasible(
    bench: Bench, stage: Stage, refusals: list[_Refused], caps: Caps, start_from: tuple[str, ...]
) -> JobResult:
    """With the smallest variant there is, where that was too large: it tells what the caps would have to give."""
    details, smallest = [refusal.detail for refusal in refusals], list[Variant]()
    too_tight = [refusal.too_tight for refusal in refusals if refusal.too_tight is not None]
    if too_tight:
        made = smallest_variant(bench, stage, too_tight[0].smallest)
        details += [made] if isinstance(made, str) else []
        smallest += [made] if isinstance(made, Variant) else []
    return JobResult(
        state=JobState.INFEASIBLE,
        variant=closest(caps, [*_shippable(bench, start_from), *smallest]),
        variants=tuple(smallest),
        binding=next((each.binding for each in refusals if each.binding is not Constraint.NONE), Constraint.NONE),
        least=_least(refusals),
        detail=told(details),
        model_digest=bench.model.digest,
    )


def _least(refusals: list[_Refused]) -> Caps | None:
    """The least that any precision takes; None where one was refused for another reason, and was not measured so far
    down."""
    found = [each.too_tight.least for each in refusals if each.too_tight is not None]
    all_told = all(each.too_tight is not None or each.binding is Constraint.NONE for each in refusals)
    return reduce(Caps.meet, found) if found and all_told else None


def _shippable(bench: Bench, start_from: tuple[str, ...]) -> list[Variant]:
    """Of the known variants, those at or above the floor."""
    return shippable([kin.variant for kin in bench.shelf.kin(start_from)], bench.model.spec.accuracy_floor)
