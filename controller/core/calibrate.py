"""What an observation teaches about a device. Declared figures hold until something measured contradicts them."""

from __future__ import annotations

import math
from dataclasses import replace

from agent.wire.errors import Failure
from agent.wire.messages import Trial
from agent.wire.plausible import sensible
from agent.wire.profile import Profile
from controller.core.envelope import ram_cap
from controller.core.nouns.calibration import Calibration
from controller.core.nouns.variant import Variant

# The prior is the declared speed, believed to a factor of e^0.25; one observation is good to about e^0.05.
_PRIOR_SIGMA = 0.25
_NOISE_SIGMA = 0.05
_UNCALIBRATED_MARGIN = 0.08
_CALIBRATED_MARGIN = 0.05
_RAM_MARGIN = 0.02


def slowness(profile: Profile, calibration: Calibration) -> float:
    """Device latency over reference latency: measured where it is, 1/speed as declared otherwise."""
    return 1.0 / profile.speed if calibration.slowness is None else calibration.slowness


def latency_margin(calibration: Calibration) -> float:
    """The share that an upper bound adds to a predicted latency; smaller once the device has been measured."""
    return _UNCALIBRATED_MARGIN if calibration.slowness is None else _CALIBRATED_MARGIN


def predicted_latency_s(profile: Profile, calibration: Calibration, variant: Variant) -> float:
    """Upper bound of the variant's p95 on this device."""
    return variant.latency_p95_s * slowness(profile, calibration) * (1.0 + latency_margin(calibration))


def predicted_ram_bytes(calibration: Calibration, variant: Variant) -> float:
    """Upper bound of what the variant adds above the runtime's base on this device."""
    return variant.ram_bytes * (1.0 + _RAM_MARGIN) + (calibration.ram_extra_bytes or 0)


def reference_latency_s(profile: Profile, calibration: Calibration, cap_s: float) -> float:
    """The reference p95 whose upper bound on this device is `cap_s`."""
    return cap_s / (slowness(profile, calibration) * (1.0 + latency_margin(calibration)))


def reference_ram_bytes(calibration: Calibration, cap_bytes: float) -> float:
    return (cap_bytes - (calibration.ram_extra_bytes or 0)) / (1.0 + _RAM_MARGIN)


def learn_from_trial(profile: Profile, calibration: Calibration, variant: Variant, trial: Trial) -> Calibration:
    """The calibration after the device's own trial of `variant`; a trial that measured nothing teaches nothing.

    Nor does a figure that cannot be, whatever let it through. A failed trial always changes the fit, however many
    earlier observations disagree.
    """
    learned, (trial, _) = calibration, sensible(trial)
    if trial.ram_base_bytes is not None and trial.ram_peak_bytes is not None:
        extra = trial.ram_peak_bytes - trial.ram_base_bytes - variant.ram_bytes
        learned = replace(
            learned, ram_base_bytes=trial.ram_base_bytes, ram_extra_bytes=max(extra, learned.ram_extra_bytes or 0)
        )
    if trial.failure is Failure.MEMORY:
        learned = _learn_too_large(profile, learned, variant)
    if trial.latency_p95_ms is not None:
        learned = learn_latency(profile, learned, variant, trial.latency_p95_ms * 1e-3)
        if trial.failure is Failure.LATENCY:
            learned = _learn_at_least(learned, trial.latency_p95_ms * 1e-3 / variant.latency_p95_s)
    return learned


def learn_latency(profile: Profile, calibration: Calibration, variant: Variant, latency_p95_s: float) -> Calibration:
    """Posterior of log(slowness): precision-weighted mean of prior and observations (conjugate normal)."""
    observed = math.log(latency_p95_s / variant.latency_p95_s)
    count = calibration.slowness_samples
    prior_weight = 1.0 / _PRIOR_SIGMA**2 + count / _NOISE_SIGMA**2
    weight = 1.0 / _NOISE_SIGMA**2
    mean = (math.log(slowness(profile, calibration)) * prior_weight + observed * weight) / (prior_weight + weight)
    return replace(calibration, slowness=math.exp(mean), slowness_samples=min(count + 1, 20))


def _learn_at_least(calibration: Calibration, slowness: float) -> Calibration:
    return replace(calibration, slowness=max(calibration.slowness or 0.0, slowness))


def _learn_too_large(profile: Profile, calibration: Calibration, variant: Variant) -> Calibration:
    """It needs more than the cap. How much is not known where an allocation was refused: then the peak is below it."""
    cap = ram_cap(profile, calibration.ram_base_bytes or 0)
    if cap is None or calibration.ram_base_bytes is None:
        return calibration
    extra = math.ceil(cap.value) - variant.ram_bytes
    return replace(calibration, ram_extra_bytes=max(calibration.ram_extra_bytes or 0, extra))
