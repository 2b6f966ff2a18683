"""The fit: the most accurate variant whose upper-bound cost is inside the envelope, or a prune, or a refusal.

Nothing below the model's accuracy floor is chosen, not even the dense variant. Costs are calibrated upper bounds on the
device itself. A fit that leaves the envelope under 85% used asks for a variant made for it, once: an answered request
for the same caps is not asked again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from agent.wire.profile import Profile
from agent.wire.units import Unit, format_quantity
from controller.core import calibrate
from controller.core.caps import below_floor, shippable
from controller.core.envelope import Impossible, collapse
from controller.core.relax import lower_floor, relaxations
from controller.core.types import Calibration, Caps, Constraint, Envelope, JobState, Model, PruneJob, Variant

WELL_USED = 0.85
_GRID = 0.02  # caps are rounded down to steps of 2%, so that nearly equal envelopes share a variant


@dataclass(frozen=True, slots=True)
class Fitted:
    variant: Variant
    binding: Constraint
    envelope: Envelope


@dataclass(frozen=True, slots=True)
class NeedsPrune:
    """No variant fits, or none well: one is to be made under these caps (in the reference host's terms)."""

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


@dataclass(frozen=True, slots=True)
class Catalog:
    """What is known of one model: its variants and the jobs asked for so far by key, a prune's that of its caps."""

    model: Model
    variants: Sequence[Variant]
    jobs: Mapping[str, PruneJob]

    def of_runtime(self, runtime: str) -> Catalog:
        """What of it a device with this runtime can run."""
        return replace(self, variants=[each for each in self.variants if each.runtime == runtime])

    def ram_base_bytes(self, runtime: str) -> int:
        """The bare runtime on the reference host; 0 until a variant was measured with it."""
        return next((each.ram_base_bytes for each in self.variants if each.runtime == runtime), 0)

    def variant(self, sha256: str) -> Variant | None:
        return next((variant for variant in self.variants if variant.sha256 == sha256), None)

    @property
    def dense(self) -> Variant | None:
        return next((variant for variant in self.variants if variant.dense), None)

    @property
    def may_ship(self) -> list[Variant]:
        """Those at or above the accuracy floor."""
        return shippable(self.variants, self.model.accuracy_floor)


def fit(profile: Profile, calibration: Calibration, catalog: Catalog, attempts: int | None = None) -> Fit:
    """Choose for one device. A failed job counts as hopeless after `attempts`; None waits for another one for ever."""
    envelope = collapse(profile, calibration, catalog.ram_base_bytes(profile.runtime))
    if isinstance(envelope, Impossible):
        return Infeasible(envelope.binding, envelope.envelope, envelope.reason, envelope.relaxations)
    catalog = catalog.of_runtime(profile.runtime)
    dense = catalog.dense
    if dense is None:
        return _first(profile.runtime, envelope, catalog)
    best = _best(profile, calibration, envelope, catalog)
    if best is None and dense not in catalog.may_ship:
        return _unshippable(profile, calibration, envelope, catalog, dense)
    binding = binding_constraint(profile, calibration, envelope, dense)
    if best is not None and (as_dense(best, catalog) or use_of(profile, calibration, envelope, best) >= WELL_USED):
        return Fitted(best, binding, envelope)
    caps = _without_slack(caps_for(profile, calibration, envelope), dense)
    job = catalog.jobs.get(caps.key)
    if job is None or job.state in (JobState.QUEUED, JobState.RUNNING):
        return NeedsPrune(caps, binding, envelope)
    if best is not None:
        return Fitted(best, binding, envelope)
    if job.state is JobState.FAILED:
        again = caps.key if job.retry and (attempts is None or job.attempts < attempts) else None
        return Infeasible(binding, envelope, f"pruning failed: {job.detail}", (), waiting_for=again)
    return _refuse(profile, calibration, envelope, catalog, job, binding)


def _first(runtime: str, envelope: Envelope, catalog: Catalog) -> NeedsPrune | Infeasible:
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


def within(
    profile: Profile, calibration: Calibration, envelope: Envelope, variant: Variant, tolerance: float = 0.0
) -> bool:
    """True where every upper-bound cost of the variant lies inside the envelope, give or take a share of each cap."""
    return all(cost <= cap * (1.0 + tolerance) for cost, cap, _ in costs(profile, calibration, envelope, variant))


def use_of(profile: Profile, calibration: Calibration, envelope: Envelope, variant: Variant) -> float:
    """How much of the tightest cap the variant uses: 1.0 is exactly full."""
    return max((cost / cap for cost, cap, _ in costs(profile, calibration, envelope, variant)), default=1.0)


def costs(
    profile: Profile, calibration: Calibration, envelope: Envelope, variant: Variant
) -> list[tuple[float, float, Constraint]]:
    """(upper-bound cost, cap, constraint) of each cap that the envelope has."""
    ram = calibrate.predicted_ram_bytes(calibration, variant)
    latency_s = calibrate.predicted_latency_s(profile, calibration, variant)
    rows = ((ram, envelope.ram_bytes), (variant.size_bytes, envelope.storage_bytes), (latency_s, envelope.latency_s))
    return [(cost, cap.value, cap.binding) for cost, cap in rows if cap is not None]


def binding_constraint(profile: Profile, calibration: Calibration, envelope: Envelope, dense: Variant) -> Constraint:
    """The cap that the dense model exceeds most, or none if it fits."""
    over = [(cost / cap, binding) for cost, cap, binding in costs(profile, calibration, envelope, dense) if cost > cap]
    return max(over)[1] if over else Constraint.NONE


def caps_for(profile: Profile, calibration: Calibration, envelope: Envelope) -> Caps:
    """The envelope in the reference host's terms, rounded down to a grid so that equal envelopes share a variant."""
    ram, storage, latency = envelope.ram_bytes, envelope.storage_bytes, envelope.latency_s
    return Caps(
        ram_bytes=None if ram is None else int(_floor(calibrate.reference_ram_bytes(calibration, ram.value))),
        storage_bytes=None if storage is None else int(_floor(storage.value)),
        latency_s=None
        if latency is None
        else _floor(calibrate.reference_latency_s(profile, calibration, latency.value)),
        runtime=profile.runtime,
    )


def _floor(value: float) -> float:
    if value <= 0:
        return 0.0
    return math.exp(math.floor(math.log(value) / _GRID + 1e-9) * _GRID)


def as_dense(variant: Variant, catalog: Catalog) -> bool:
    """True of the dense variant, and of its whole structure in another precision that is certainly within the margin.

    Where the model sets no margin, it must certainly lose nothing.
    """
    if variant.dense or catalog.dense is None:
        return variant.dense
    worst, margin = variant.drop_high, catalog.model.accuracy_margin or 0.0
    return variant.parameters == catalog.dense.parameters and worst is not None and worst <= margin


def _best(profile: Profile, calibration: Calibration, envelope: Envelope, catalog: Catalog) -> Variant | None:
    """The whole structure where that fits, else the most accurate; of those that may be it, the largest.

    Of one structure in two precisions it is the faster. Within an interval the gate's data would be choosing by chance,
    and they are there to choose nothing.
    """
    fitting = [each for each in catalog.may_ship if within(profile, calibration, envelope, each)]
    whole = [each for each in fitting if as_dense(each, catalog)]
    return max(
        whole or most_accurate(fitting),
        key=lambda each: (each.parameters, -each.latency_p95_s, -each.size_bytes),
        default=None,
    )


def most_accurate(variants: Sequence[Variant]) -> list[Variant]:
    """Those whose interval reaches the best figure: of the paired drops where all have one, else of the accuracies.

    An interval may end a rounding error on the wrong side of the figure that it is around; the figure always counts.
    """
    drops = {each.sha256: each.drop for each in variants if each.drop is not None}
    if variants and len(drops) == len(variants):
        least = min(drops.values())
        return [each for each in variants if min(drops[each.sha256], _or(each.drop_low, drops[each.sha256])) <= least]
    most = max((each.accuracy or 0.0 for each in variants), default=0.0)
    return [each for each in variants if max(each.accuracy or 0.0, each.accuracy_high or 0.0) >= most]


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


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
    job: PruneJob,
    binding: Constraint,
) -> Infeasible:
    """The job has answered, and nothing that it found fits."""
    closest = _closest(profile, calibration, envelope, catalog)
    return Infeasible(
        _on_the_device(job.binding, envelope) or binding,
        envelope,
        _reason(catalog.model, job),
        relaxations(profile, calibration, closest.ram_base_bytes, closest),
        closest,
    )


def _on_the_device(binding: Constraint | None, envelope: Envelope) -> Constraint | None:
    """A job names which of its caps binds; the device's envelope says what that cap comes from."""
    caps = {
        Constraint.RAM_MODEL: envelope.ram_bytes,
        Constraint.STORAGE: envelope.storage_bytes,
        Constraint.DEADLINE: envelope.latency_s,
    }
    cap = caps.get(binding) if binding is not None else None
    return None if cap is None else cap.binding


def _without_slack(caps: Caps, dense: Variant) -> Caps:
    """Drop the caps that even the dense model meets with room to spare, so that they do not tell equal jobs apart."""
    ram, storage, latency_s = caps.ram_bytes, caps.storage_bytes, caps.latency_s
    return replace(
        caps,
        ram_bytes=None if _roomy(ram, dense.ram_bytes) else ram,
        storage_bytes=None if _roomy(storage, dense.size_bytes) else storage,
        latency_s=None if _roomy(latency_s, dense.latency_p95_s) else latency_s,
    )


def _roomy(cap: float | None, dense_cost: float) -> bool:
    return cap is not None and cap >= 1.5 * dense_cost


def _reason(model: Model, job: PruneJob) -> str:
    if job.state is JobState.DONE:
        return "a variant made for these caps was measured above them"
    floor = "" if model.accuracy_floor is None else f" at or above {_share(model.accuracy_floor)} accuracy"
    return f"no variant of {model.ref}{floor} fits: {job.detail}"


def _share(value: float) -> str:
    return format_quantity(value, Unit.SHARE)
