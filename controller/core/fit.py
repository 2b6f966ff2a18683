"""The fit: of the variants whose upper-bound cost is inside the envelope the one that the owner prefers, or a refusal.

Nothing below the model's accuracy floor is chosen, not even the dense variant. Costs are calibrated upper bounds on the
device itself. Where nothing fits, a prune is asked for, once. Where something fits, it goes out; a prune is asked for
beside it only where none of what fits was made for about this envelope and a better one is predicted to be possible.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from agent.wire.profile import Profile, Runtime
from agent.wire.units import Unit, format_quantity
from controller.core.bounds import binding_constraint, caps_for, use_of, within, without_slack
from controller.core.caps import below_floor, sure
from controller.core.catalog import Catalog
from controller.core.compare import best_of
from controller.core.costs import Use
from controller.core.envelope import Impossible, collapse
from controller.core.nouns.calibration import Calibration
from controller.core.nouns.caps import Caps
from controller.core.nouns.constraint import Constraint
from controller.core.nouns.envelope import Envelope
from controller.core.nouns.job import AT_WORK, UNFINISHED, Job, JobState
from controller.core.nouns.model import Model, Prefer
from controller.core.nouns.variant import Variant
from controller.core.nouns.work import Prediction, Prune
from controller.core.pays import pays, predict
from controller.core.relax import UNTRIED, lower_floor, relaxations

WELL_USED = 0.85


@dataclass(frozen=True, slots=True)
class Proposal:
    """A prune to `caps` (in the reference host's terms), and what it is modelled to win where a variant fits already.
    `pays`: it is worth a job."""

    caps: Caps
    prediction: Prediction | None = None
    pays: bool = True


@dataclass(frozen=True, slots=True)
class Fitted:
    """The variant to run. `prune` would make a better one, or might have."""

    variant: Variant
    binding: Constraint
    envelope: Envelope
    prune: Proposal | None = None


@dataclass(frozen=True, slots=True)
class NeedsPrune:
    """No variant fits: one is to be made under these caps (in the reference host's terms)."""

    caps: Caps
    binding: Constraint
    envelope: Envelope


@dataclass(frozen=True, slots=True)
class Infeasible:
    """Nothing fits, for good or until the prune that it waits for (the key of its caps) is tried again."""

    binding: Constraint
    envelope: Envelope
    reason: str
    relaxations: tuple[str, ...]
    closest: Variant | None = None
    waiting_for: str | None = None


Fit = Fitted | NeedsPrune | Infeasible


def fit(
    profile: Profile,
    calibration: Calibration,
    catalog: Catalog,
    attempts: int | None = None,
    kept: str | None = None,
) -> Fit:
    """Choose for one device. A failed job counts as hopeless after `attempts`; None waits for another one for ever.

    The variant `kept` (a sha256) fits whatever its upper bounds say: it was measured inside the budget on the device.
    """
    envelope = collapse(profile, calibration, catalog.ram_base_bytes(profile.runtime))
    if isinstance(envelope, Impossible):
        return Infeasible(envelope.binding, envelope.envelope, envelope.reason, envelope.relaxations)
    catalog = catalog.of_runtime(profile.runtime)
    dense = catalog.dense
    if dense is None:
        return _first(profile.runtime, envelope, catalog)
    fitting = _fitting(profile, calibration, envelope, catalog, kept)
    best = catalog.choose(fitting)
    if best is None and dense not in catalog.may_ship:
        return _unshippable(profile, calibration, envelope, catalog, dense)
    binding = binding_constraint(profile, calibration, envelope, dense)
    caps = without_slack(caps_for(profile, calibration, envelope), dense)
    if best is not None:
        full = any(each.dense or use_of(profile, calibration, envelope, each) >= WELL_USED for each in fitting)
        return Fitted(best, binding, envelope, None if full else _better(best_of(fitting), caps, catalog))
    job = catalog.answer(caps)
    if job is not None and (short := catalog.too_small(caps)) is not None:
        return _refuse(profile, calibration, envelope, catalog, short.binding, _too_small(catalog.model, short))
    if job is None or job.state in UNFINISHED:
        return NeedsPrune(caps, binding, envelope)
    if job.state is JobState.FAILED:
        again = caps.key if job.retry and (attempts is None or job.attempts < attempts) else None
        return Infeasible(binding, envelope, f"pruning failed: {job.detail}", (), waiting_for=again)
    return _refuse(profile, calibration, envelope, catalog, _bound(job) or binding, _reason(catalog.model, job))


def choices(profile: Profile, calibration: Calibration, catalog: Catalog) -> dict[Prefer, Variant]:
    """What would go out under each preference; empty where nothing fits."""
    envelope = collapse(profile, calibration, catalog.ram_base_bytes(profile.runtime))
    if isinstance(envelope, Impossible):
        return {}
    catalog = catalog.of_runtime(profile.runtime)
    fitting = _fitting(profile, calibration, envelope, catalog)
    found = {prefer: catalog.choose(fitting, prefer) for prefer in Prefer}
    return {prefer: variant for prefer, variant in found.items() if variant is not None}


def _fitting(
    profile: Profile, calibration: Calibration, envelope: Envelope, catalog: Catalog, kept: str | None = None
) -> list[Variant]:
    may_ship = catalog.may_ship
    return [each for each in may_ship if each.sha256 == kept or within(profile, calibration, envelope, each)]


def _better(best: Variant, caps: Caps, catalog: Catalog) -> Proposal | None:
    """The prune that could make a more right variant than the `best` that fits; None where it was made or refused.

    What goes out may be tied with the best and cost less: a prune that only makes up for that would not go out either.
    """
    job = catalog.answer(caps)
    if catalog.is_made(caps) or (job is not None and job.state not in UNFINISHED):
        return None
    if job is not None and job.state in AT_WORK:
        return Proposal(caps, job.work.prediction if isinstance(job.work, Prune) else None)
    prediction = predict(best, caps, catalog.variants, list(catalog.jobs.values()))
    return Proposal(caps, prediction, pays=prediction is None or pays(prediction))


def _first(runtime: Runtime, envelope: Envelope, catalog: Catalog) -> NeedsPrune | Infeasible:
    """There is nothing yet for this runtime. A job without caps makes the dense variant; for the usual runtime
    that is the one which every model starts with."""
    caps = Caps(runtime=runtime)
    job = catalog.jobs.get(caps.key)
    if job is not None and job.state in (JobState.FAILED, JobState.INFEASIBLE):
        again = caps.key if job.state is JobState.FAILED and job.retry else None
        reason = f"{catalog.model.ref} cannot be made for {runtime}: {job.detail}"
        return Infeasible(Constraint.NONE, envelope, reason, (), waiting_for=again)
    if caps == Caps():
        return Infeasible(Constraint.NONE, envelope, "the model is still being measured", (), waiting_for=caps.key)
    return NeedsPrune(caps, Constraint.NONE, envelope)


def _closest(profile: Profile, calibration: Calibration, envelope: Envelope, catalog: Catalog) -> Variant:
    """Of the variants that may ship the one that exceeds its tightest cap least; of all where none may."""
    return min(catalog.may_ship or catalog.variants, key=lambda each: use_of(profile, calibration, envelope, each))


def _unshippable(
    profile: Profile, calibration: Calibration, envelope: Envelope, catalog: Catalog, dense: Variant
) -> Infeasible:
    """The dense model itself may not ship. No prune is asked for: what is cut from it is held to the same floor."""
    closest, model = _closest(profile, calibration, envelope, catalog), catalog.model
    lower = () if closest in catalog.may_ship else (lower_floor(closest),)
    return Infeasible(
        Constraint.ACCURACY,
        envelope,
        f"nothing of {model.ref} that fits may ship: {below_floor(dense, model.accuracy_floor)}",
        (*lower, *relaxations(profile, calibration, closest.ram_base_bytes, closest)),
        closest,
    )


def _refuse(
    profile: Profile,
    calibration: Calibration,
    envelope: Envelope,
    catalog: Catalog,
    binding: Constraint,
    reason: str,
) -> Infeasible:
    """A job has answered, and nothing that it found fits.

    What would do is what the closest variant takes. Where nothing but the dense model may ship, it is what the smallest
    structure takes, if that was measured: between the two nothing was tried.
    """
    closest, least = _closest(profile, calibration, envelope, catalog), catalog.least(profile.runtime)
    wanted = closest
    if closest.dense and least is not None:
        wanted, reason = _shrunk(closest, sure(least)), f"{reason}; what would do is told {UNTRIED}"
    would_do = relaxations(profile, calibration, closest.ram_base_bytes, wanted)
    return Infeasible(_on_the_device(binding, envelope) or binding, envelope, reason, would_do, closest)


def _shrunk(dense: Variant, least: Caps) -> Variant:
    """A variant that would take the `least`; of what was not measured as much as the dense one."""
    latency_s = dense.latency_p95_s if least.latency_s is None else least.latency_s
    return replace(
        dense,
        ram_bytes=dense.ram_bytes if least.ram_bytes is None else least.ram_bytes,
        size_bytes=dense.size_bytes if least.storage_bytes is None else least.storage_bytes,
        latency_p50_s=dense.latency_p50_s * latency_s / dense.latency_p95_s,
        latency_p95_s=latency_s,
    )


def _bound(job: Job) -> Constraint | None:
    return job.work.binding if isinstance(job.work, Prune) else None


def _on_the_device(binding: Constraint | None, envelope: Envelope) -> Constraint | None:
    """A job names which of its caps binds; the device's envelope says what that cap comes from."""
    caps = {
        Constraint.RAM_MODEL: envelope.ram_bytes,
        Constraint.STORAGE: envelope.storage_bytes,
        Constraint.DEADLINE: envelope.latency_s,
    }
    cap = caps.get(binding) if binding is not None else None
    return None if cap is None else cap.binding


def _reason(model: Model, job: Job) -> str:
    if job.state is JobState.DONE:
        return "a variant made for these caps was measured above them"
    floor = "" if model.accuracy_floor is None else f" at or above {_share(model.accuracy_floor)} accuracy"
    return f"no variant of {model.ref}{floor} fits: {job.detail}"


def _too_small(model: Model, short: Use) -> str:
    """In the reference host's terms, as the jobs' own reasons are."""
    names = {Constraint.RAM_MODEL: "model RAM", Constraint.STORAGE: "storage", Constraint.DEADLINE: "p95 latency"}
    unit = Unit.SECONDS if short.binding is Constraint.DEADLINE else Unit.BYTES
    taken, cap = format_quantity(short.cost, unit), format_quantity(short.cap, unit)
    return f"no structure of {model.ref} is so small: {names[short.binding]} {taken} at the least, of {cap}"


def _share(value: float) -> str:
    return format_quantity(value, Unit.SHARE)
