"""One prune job: search a structure under the caps, recover it, and ship it only as measured inside them."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from agent.wire.units import Unit, format_quantity
from controller.core.types import Caps, Constraint, JobState, Variant
from controller.pruning.bench import Bench, Built
from controller.pruning.cost.predict import Costs, binding
from controller.pruning.graph.cut import cut
from controller.pruning.graph.probe import unsound
from controller.pruning.graph.structure import StructureError, full
from controller.pruning.job import JobResult
from controller.pruning.recover.distil import Recovered, recover
from controller.pruning.solve.search import Found, Stage, TooTight, know_narrowest, plan, search, stage_importance
from controller.pruning.spec import Recovery
from controller.pruning.variant import make_variant

_SAMPLES, _REPEATS = 100, 5
_ATTEMPTS = 4
_MORE_RECOVERY = 3
_SHRINK_TARGETS = (0.95, 0.9, 0.8, 0.7)


def make_pruned(bench: Bench, caps: Caps, start_from: tuple[str, ...]) -> JobResult:
    """A variant whose shipped bytes measure inside `caps`, or why there is none. Raises what the steps raise."""
    bench.progress(0.08, f"{len(bench.groups)} prunable groups, {len(bench.refused)} kept dense")
    stage = _start(bench, caps, start_from)
    _know_ends(bench)
    found = search(bench, stage, caps)
    if isinstance(found, TooTight):
        return _too_tight(bench, found, caps, start_from)
    return _recover_and_ship(bench, stage, found, caps, start_from)


def _start(bench: Bench, caps: Caps, start_from: tuple[str, ...]) -> Stage:
    """The smallest named variant that still exceeds every cap, else the dense model."""
    dense = Stage(bench.model.module, full(bench.groups))
    roots = dense.structure.kept.keys()
    kins = bench.shelf.kin(start_from)
    above = [kin for kin in kins if kin.above(caps) and kin.structure.kept.keys() == roots]
    if not above:
        return dense
    kin = min(above, key=lambda each: each.variant.parameters)
    module = cut(dense.module, bench.groups, dense.structure, kin.structure)
    module.load_state_dict(kin.state())
    return Stage(module, kin.structure, kin.variant.sha256)


def _know_ends(bench: Bench) -> None:
    """Predictions need the dense and the narrowest point; the dense job leaves both, else they are made."""
    if bench.shelf.points():
        return
    bench.progress(0.1, "measuring the dense model")
    built = bench.build(bench.model.module, _SAMPLES, 1)
    bench.note_point(full(bench.groups), built.measured.costs)
    know_narrowest(bench)


def _recover_and_ship(bench: Bench, stage: Stage, found: Found, caps: Caps, start_from: tuple[str, ...]) -> JobResult:
    structure, budget = found.structure, bench.model.spec.recovery
    for attempt in range(_ATTEMPTS):
        reason = unsound(bench.model.module, bench.probes, bench.groups, structure)
        if reason is not None:
            raise StructureError(f"the chosen structure {reason}")
        module = cut(stage.module, bench.groups, stage.structure, structure)
        recovery = _recover(bench, module, budget, 0.4 + 0.1 * attempt) if structure != stage.structure else None
        stage = Stage(module if recovery is None else recovery.module, structure, stage.parent)
        bench.progress(0.7 + 0.05 * attempt, "exporting and measuring what ships")
        built = bench.build(stage.module, _SAMPLES, _REPEATS)
        point = bench.note_point(structure, built.measured.costs)
        if binding(built.measured.costs, caps)[1] <= 1:
            return _ship(bench, stage, built, recovery, caps, start_from)
        # Narrower by at least a step, from the recovered weights; these need less of the budget than the first time.
        importance, budget = stage_importance(bench, stage), _half(budget)
        structure = plan(bench, stage, importance, [*bench.shelf.points(), point], caps, _SHRINK_TARGETS[attempt])
    return _too_tight(bench, TooTight(built.measured.costs, binding(built.measured.costs, caps)[0]), caps, start_from)


def _recover(bench: Bench, module: nn.Module, budget: Recovery, share: float) -> Recovered | None:
    data = bench.model.data
    if data is None:
        return None

    def progress(done: float, text: str) -> None:
        bench.progress(share + 0.3 * done, text)

    recovered = recover(module, data, bench.teacher, budget, bench.seed, progress)
    for _ in range(_MORE_RECOVERY):
        if data.select.labels is None or recovered.right >= (bench.model.spec.accuracy_floor or 0.0):
            break
        # Cut this deep, the budget was not enough; the gate's data must not be what tells.
        more = recover(recovered.module, data, bench.teacher, budget, bench.seed + recovered.epochs, progress)
        recovered = replace(more, epochs=recovered.epochs + more.epochs, cpu_s=recovered.cpu_s + more.cpu_s)
    return recovered


def _half(budget: Recovery) -> Recovery:
    return Recovery(
        cpu_s=None if budget.cpu_s is None else budget.cpu_s / 2,
        epochs=None if budget.epochs is None else (budget.epochs + 1) // 2,
    )


def _ship(
    bench: Bench, stage: Stage, built: Built, recovery: Recovered | None, caps: Caps, start_from: tuple[str, ...]
) -> JobResult:
    bench.progress(0.92, "judging accuracy")
    variant = make_variant(bench, stage.module, built, stage.structure, caps.key, stage.parent, recovery)
    which, use = binding(built.measured.costs, caps)
    floor = bench.model.spec.accuracy_floor
    if floor is not None and variant.accuracy is not None and variant.accuracy < floor:
        closest = _closest(bench, caps, start_from) or variant
        detail = (
            f"the variant inside the caps is right in {variant.accuracy:.1%} of {bench.model.spec.name}'s gate data, "
            f"the floor is {floor:.1%}; it uses {use:.0%} of the {which} cap ({_against(built.measured.costs, caps)})"
        )
        return _result(bench, JobState.INFEASIBLE, closest, which, detail, built)
    bench.shelf.put(built.artifact, variant, stage.structure, stage.module)
    detail = f"uses {use:.0%} of the {which} cap ({_against(built.measured.costs, caps)})" if use else "no cap is set"
    return _result(bench, JobState.DONE, variant, which, detail, built)


def _too_tight(bench: Bench, tight: TooTight, caps: Caps, start_from: tuple[str, ...]) -> JobResult:
    detail = f"the smallest structure of {bench.model.spec.ref} exceeds the caps: {_against(tight.costs, caps)}"
    return _result(bench, JobState.INFEASIBLE, _closest(bench, caps, start_from), tight.binding, detail, None)


def _result(
    bench: Bench, state: JobState, variant: Variant | None, which: Constraint, detail: str, built: Built | None
) -> JobResult:
    return JobResult(
        state=state,
        variant=variant,
        binding=which,
        detail=detail,
        ram_base_bytes=0 if built is None else built.measured.ram_base_bytes,
        model_digest=bench.model.digest,
    )


def _closest(bench: Bench, caps: Caps, start_from: tuple[str, ...]) -> Variant | None:
    """Of the known variants at or above the floor, the one least over the caps."""
    floor = bench.model.spec.accuracy_floor or 0.0
    good = [kin for kin in bench.shelf.kin(start_from) if (kin.variant.accuracy or 0.0) >= floor]
    return min(good, key=lambda kin: kin.share(caps)).variant if good else None


def _against(costs: Costs, caps: Caps) -> str:
    """Each set cap with what was measured against it."""
    pairs = (
        ("model RAM", costs.ram_bytes, caps.ram_bytes, Unit.BYTES),
        ("storage", costs.storage_bytes, caps.storage_bytes, Unit.BYTES),
        ("p95 latency", costs.latency_s, caps.latency_s, Unit.SECONDS),
    )
    set_pairs = [(name, cost, cap, unit) for name, cost, cap, unit in pairs if cap is not None]
    return ", ".join(
        f"{name} {format_quantity(cost, unit)} of {format_quantity(cap, unit)}" for name, cost, cap, unit in set_pairs
    )
