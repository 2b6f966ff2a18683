"""The variant that a device was given: whether it still fits, by what was measured there before what is predicted."""

from __future__ import annotations

from agent.wire.messages import Result
from controller.core.bounds import within
from controller.core.envelope import Impossible, collapse
from controller.core.fit import WELL_USED
from controller.core.incidents import repairing
from controller.core.learned import TRIAL
from controller.core.nouns.calibration import Calibration
from controller.core.nouns.envelope import Cap, Envelope
from controller.core.nouns.variant import Variant
from controller.core.policy import Policy
from controller.core.standing import failed
from controller.core.view import DeviceView

# It is not replaced because an upper bound with margins says otherwise.
_TOLERANCE = 0.1


def still_fits(view: DeviceView, policy: Policy) -> str | None:
    """The sha256 of the variant that the device was given, where it fits still and no much larger one may."""
    placement, catalog = view.placement, view.catalog
    if placement is None or catalog is None or placement.model != catalog.model.ref or placement.sha256 is None:
        return None
    variant = catalog.variant(placement.sha256)
    envelope = None if variant is None else inside(view, variant, policy)
    if variant is None or envelope is None:
        return None
    much_larger = not variant.dense and envelope.roomier_than(placement.envelope, WELL_USED)
    return None if much_larger else variant.sha256


def inside(view: DeviceView, variant: Variant, policy: Policy) -> Envelope | None:
    """The device's envelope, where a variant of the view's model is inside it; what runs, by what was measured."""
    profile, calibration = view.device.profile, view.device.calibration
    base = 0 if view.catalog is None else view.catalog.ram_base_bytes(profile.runtime)
    envelope = collapse(profile, calibration, base)
    if variant.runtime != profile.runtime or isinstance(envelope, Impossible):
        return None
    if not _proven(view, variant, policy):
        return envelope if within(profile, calibration, envelope, variant) else None
    fits = _passed(view, envelope, variant) or within(profile, calibration, envelope, variant, _TOLERANCE)
    return envelope if fits else None


def _proven(view: DeviceView, variant: Variant, policy: Policy) -> bool:
    """It runs on the device, and no incident is being repaired. What it fell back to after a failure ran before."""
    desired, reported = view.desired, view.device.reported
    if desired is None or repairing(view, policy):
        return False
    if failed(desired):
        return view.rollout is None and reported is not None and reported.sha256 == variant.sha256
    return desired.result is Result.SUCCEEDED and desired.sha256 == variant.sha256


def _passed(view: DeviceView, envelope: Envelope, variant: Variant) -> bool:
    """Its own trial was inside these caps, and only trials have taught since, be it those of others."""
    reported, calibration = view.device.reported, view.device.calibration
    trial = reported.trial if reported is not None else None
    if trial is None or trial.sha256 != variant.sha256 or not trial.passed or not _by_trials(calibration):
        return False
    p95_s = None if trial.latency_p95_ms is None else trial.latency_p95_ms * 1e-3
    base, peak = trial.ram_base_bytes, trial.ram_peak_bytes
    ram_bytes = None if base is None or peak is None else peak - base
    pairs = (
        (p95_s, envelope.latency_s),
        (ram_bytes, envelope.ram_bytes),
        (variant.size_bytes, envelope.storage_bytes),
    )
    return all(_inside(cost, cap) for cost, cap in pairs)


def _by_trials(calibration: Calibration) -> bool:
    known = (calibration.learned.get(figure) for figure in ("slowness", "ram_extra_bytes"))
    return all(entry is None or entry.by == TRIAL for entry in known)


def _inside(cost: float | None, cap: Cap | None) -> bool:
    return cap is None or (cost is not None and cost <= cap.value)
