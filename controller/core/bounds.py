"""Calibrated upper bounds of what a variant costs on a device, against its envelope; and the envelope as caps."""

from __future__ import annotations

import math
from dataclasses import replace

from agent.wire.profile import Profile
from controller.core import calibrate
from controller.core.nouns.calibration import Calibration
from controller.core.nouns.caps import Caps
from controller.core.nouns.constraint import Constraint
from controller.core.nouns.envelope import Envelope
from controller.core.nouns.variant import Variant

_GRID = 0.02  # caps are rounded down to steps of 2%, so that nearly equal envelopes share a variant


def within(
    profile: Profile, calibration: Calibration, envelope: Envelope, variant: Variant, tolerance: float = 0.0
) -> bool:
    """True where every upper-bound cost of the variant lies inside the envelope, give or take a share of each cap."""
    ram, storage, latency, room = envelope.ram_bytes, envelope.storage_bytes, envelope.latency_s, 1.0 + tolerance
    # The cheapest to tell comes first: a fleet's plan asks this millions of times.
    return (
        (storage is None or variant.size_bytes <= storage.value * room)
        and (ram is None or calibrate.predicted_ram_bytes(calibration, variant) <= ram.value * room)
        and (latency is None or calibrate.predicted_latency_s(profile, calibration, variant) <= latency.value * room)
    )


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


def without_slack(caps: Caps, dense: Variant) -> Caps:
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
