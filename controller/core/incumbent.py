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
from controller.core.view import DeviceView

# It is not replaced because an upper bound with margins says otherwise.
_TOLERANCE = 0.1


def still_fits(view: DeviceView, policy: Policy) -> str | None:
    """The sha256 of the variant that the device was given, where it fits still and no much larger one may."""
    placement, catalog = view.placement, view.catalog
    if placement is None or catalog is None or placement.model != catalog.model.ref or placement.sha256 is None:
        return None
    variant = catalog.variant(placement.sha256)
    profile, calibration = view.device.profile, view.device.calibration
    envelope = collapse(profile, calibration, catalog.ram_base_bytes(profile.runtime))
    if variant is None or variant.runtime != profile.runtime or isinstance(envelope, Impossible):
        return None
    if not variant.dense and envelope.roomier_than(placement.envelope, WELL_USED):
        return None
    if not _proven(view, variant, policy):
        return variant.sha256 if within(profile, calibration, envelope, variant) else None
    fits = _passed(view, envelope, variant) or within(profile, calibration, envelope, variant, _TOLERANCE)
    return variant.sha256 if fits else None


def _proven(view: DeviceView, variant: Variant, policy: Policy) -> bool:
    """It runs on the device, and no incident is being repaired."""
    desired = view.desired
    runs = desired is not None and desired.result == Result.SUCCEEDED and desired.sha256 == variant.sha256
    return runs and not repairing(view, policy)


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
