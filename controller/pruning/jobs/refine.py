"""The refine job: after the first variant a better one under the same caps, within a budget of seconds.

Structures around the chosen one are recovered briefly and held against each other on the select split. The best is
recovered as long as the budget allows, measured, and looks at the gate once. Whatever becomes of it, the variant that
stands goes on standing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch

from controller.core.caps import held
from controller.core.compare import best_of
from controller.core.costs import costs_of
from controller.core.nouns.caps import Caps
from controller.core.nouns.job import JobState
from controller.core.nouns.model import Recovery
from controller.core.nouns.variant import Variant
from controller.pruning.artifact.export import run_artifact
from controller.pruning.errors import ExportError, TableError
from controller.pruning.job import JobResult
from controller.pruning.jobs.agenda import Agenda, Counts, Tried, counts
from controller.pruning.jobs.ahead import judging, made_ahead, recovering
from controller.pruning.jobs.appraise import appraise
from controller.pruning.jobs.bench import Bench
from controller.pruning.jobs.dense import dense_kin
from controller.pruning.jobs.lab import Built
from controller.pruning.jobs.looks import look_at
from controller.pruning.jobs.nearby import Nearby, try_one
from controller.pruning.jobs.recovery import recovered_once
from controller.pruning.jobs.refused import Smallest, fitting
from controller.pruning.jobs.stage import Trained, dense_stage
from controller.pruning.jobs.variant import Origin, make_variant, measured, training_of
from controller.pruning.model.load import LoadedModel
from controller.pruning.recover.loss import score
from controller.pruning.shelf import Kin, name_of
from controller.pruning.solve.search import TooTight
from controller.pruning.spec import terms
from controller.pruning.steps import Ahead, Step
from controller.pruning.tell import against


def make_refined(bench: Bench, caps: Caps, budget_s: float, start_from: tuple[str, ...]) -> JobResult:
    """DONE with the better variant, or with the one that stands and why there is none. Raises what the steps raise."""
    dense, standing = dense_kin(bench), fitting(bench, start_from, caps)
    if not standing:
        detail = "there is nothing to refine: no variant is inside the caps"
        return JobResult(state=JobState.DONE, detail=detail, model_digest=bench.model.digest)
    stands, trained = best_of(standing), training_of(best_of(standing))
    if (reason := _no_reason_to(bench.model, stands, trained)) is not None:
        return _stays(bench.model, stands, reason)
    stage = dense_stage(bench.prunable, dense.variant)
    nearby = Nearby(bench, caps, stage, appraise(bench, stage), stands.precision)
    agenda = _agenda(nearby, trained)
    todo = counts(budget_s, agenda.epochs, agenda.epoch_s)
    for number in range(len(agenda.tried), todo.trials):
        bench.steps.expect(_ahead(bench, todo, number))
        try_one(nearby, agenda, number, todo)
    made = _last(nearby, dense, agenda.best, todo)
    if isinstance(made, str):
        return _stays(bench.model, stands, made)
    return _judged(nearby, {"refined": stands.sha256, "estimate": agenda.agreement}, stands, *made)


def _no_reason_to(model: LoadedModel, stands: Variant, trained: Trained) -> str | None:
    if stands.dense:
        return "the dense model itself is inside the caps"
    if model.data is None or trained.epochs <= 0:
        return "nothing is recovered: there are no data, or no budget to recover with"
    if stands.drop_low is not None and stands.drop_low <= 0:
        return "it cannot be told from the dense model on the gate: nothing more could be shown to be won"
    return None


def _agenda(nearby: Nearby, trained: Trained) -> Agenda:
    bench = nearby.bench
    name = name_of(nearby.caps.key, nearby.precision, terms(bench.model.spec), bench.data_sha256, bench.seed)
    epoch_s = trained.cpu_s / trained.epochs / torch.get_num_threads()
    return Agenda.of(bench.shelf.file("refine", f"{name}.json"), trained.epochs, epoch_s)


def _ahead(bench: Bench, todo: Counts, number: int) -> list[Ahead]:
    """With the trial of this number, which is the next."""
    brief = Ahead(Step.RECOVERING, recovering(bench, todo.brief_epochs))
    return [*[brief] * (todo.trials - number), *made_ahead(bench, todo.epochs)]


def _last(nearby: Nearby, dense: Kin, best: Tried | None, todo: Counts) -> tuple[Origin, Built] | str:
    """The best, recovered as long as there is time, where it measures inside; or why it is not made."""
    bench, caps, precision = nearby.bench, nearby.caps, nearby.precision
    smallest = Smallest(bench, dense, caps)
    found = nearby.offered({} if best is None else best.factors).searched(held(caps))
    if isinstance(found, TooTight) and not smallest.inside(found, found.costs):
        return f"no other structure measures inside: {against(found.costs, caps)}"

    bench.steps.part = ""
    bench.steps.expect([*made_ahead(bench, todo.epochs)])
    module = nearby.stage.cut_soundly(bench.prunable, found.structure)
    made = recovered_once(bench, module, Recovery(epochs=todo.epochs), bench.seed)
    trained = nearby.stage.trained.and_by(made)
    origin = Origin(made.module, found.structure, precision, caps.key, nearby.stage.parent, trained)
    try:
        built = measured(bench, origin)
    except (ExportError, TableError) as error:
        return str(error)
    if not smallest.inside(found, built.measured.costs):
        return f"what was made measures above the caps: {against(built.measured.costs, caps)}"
    return origin, built


def _judged(nearby: Nearby, lineage: Mapping[str, object], stands: Variant, origin: Origin, built: Built) -> JobResult:
    """It looks at the gate only where it is better on the data that choose."""
    bench = nearby.bench
    before = _chosen_by(bench, bench.shelf.artifact(stands.sha256).read_bytes())
    if _chosen_by(bench, built.artifact) <= before:
        return _stays(bench.model, stands, "what was made is no better than what stands, on the data that choose")
    bench.steps.enter(Step.JUDGING, judging(bench))
    variant, verdict = make_variant(bench, origin, built, look_at(bench, nearby.caps.key, built.sha256))
    if not verdict.passed:
        return _stays(bench.model, stands, f"what was made may not ship: {verdict.reason}")
    variant = replace(variant, lineage={**variant.lineage, **lineage})
    bench.shelf.put(built.artifact, variant, origin.structure, origin.module)
    detail = f"better on the data that choose; {against(costs_of(variant), nearby.caps)}"
    return JobResult(state=JobState.DONE, variant=variant, detail=detail, model_digest=bench.model.digest)


def _stays(model: LoadedModel, stands: Variant, why: str) -> JobResult:
    detail = f"the variant that stands is kept: {why}"
    return JobResult(state=JobState.DONE, variant=stands, detail=detail, model_digest=model.digest)


def _chosen_by(bench: Bench, artifact: bytes) -> float:
    """What is compared on the select split: the share that is right, without labels the distance below zero."""
    assert bench.model.data is not None
    select = bench.model.data.select
    return score(run_artifact(artifact, select.inputs, bench.lab.runtime), select, bench.teacher.select)
