"""Is a device inside its budget? One window at a time, and k of n of them for a breach."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent.wire.messages import Window
from agent.wire.profile import Profile
from controller.core.envelope import lifetime_watts
from controller.core.nouns.calibration import Calibration
from controller.core.nouns.incident import BreachKind
from controller.core.nouns.window import StoredWindow
from controller.core.policy import Policy

_COOLING_CELSIUS = 0.3


@dataclass(frozen=True, slots=True)
class Excess:
    """One figure of one window above its limit, in the unit of its kind: s, bytes, degrees C or W."""

    kind: BreachKind
    measured: float
    limit: float


@dataclass(frozen=True, slots=True)
class Breach:
    kind: BreachKind
    evidence: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What each figure of a window may be at most; None where nothing is asked for."""

    latency_s: float
    celsius: float | None
    ram_bytes: float | None
    watts: float | None


def limits_of(profile: Profile, calibration: Calibration) -> Limits:
    thermal = profile.thermal
    return Limits(
        latency_s=min(profile.deadline_s or float("inf"), 1.0 / profile.rate_hz),
        celsius=None if thermal is None else thermal.limit_celsius - thermal.guard_celsius,
        ram_bytes=ram_cap_bytes(profile, calibration),
        watts=lifetime_watts(profile),
    )


def excesses(profile: Profile, calibration: Calibration, window: Window) -> list[Excess]:
    """Everything in `window` that is outside the device's budget; what was not measured is not judged."""
    return _excesses(limits_of(profile, calibration), window)


def is_outside(limits: Limits, window: Window) -> bool:
    """Whether anything in `window` is."""
    return any(measured > limit for _, measured, limit in _measured(limits, window))


def _excesses(limits: Limits, window: Window) -> list[Excess]:
    return [Excess(kind, measured, limit) for kind, measured, limit in _measured(limits, window) if measured > limit]


def detect(
    profile: Profile, calibration: Calibration, windows: Sequence[StoredWindow], policy: Policy
) -> Breach | None:
    """The breach in the newest windows (oldest first), the most frequent kind, or None.

    k of n windows and a minimum of samples; it is over only when `healthy` says so.
    """
    newest = [stored.window for stored in windows[-policy.breach_of :]]
    if sum(window.count or 0 for window in newest) < policy.min_samples:
        return None
    found = [
        excess
        for before, window in zip([None, *newest], newest, strict=False)
        for excess in excesses(profile, calibration, window)
        if not (excess.kind is BreachKind.TEMPERATURE and _cooling(before, window))
    ]
    by_kind = [[excess for excess in found if excess.kind is kind] for kind in BreachKind]
    worst = max(by_kind, key=len)
    if len(worst) < policy.breach_windows:
        return None
    return Breach(worst[0].kind, _evidence(worst[0].kind, worst, len(newest)))


def _cooling(before: Window | None, window: Window) -> bool:
    """On its way down, as after a trial's burst: hot still, but no breach."""
    if before is None or before.temperature_celsius is None or window.temperature_celsius is None:
        return False
    return before.temperature_celsius - window.temperature_celsius > _COOLING_CELSIUS


def healthy(profile: Profile, calibration: Calibration, windows: Sequence[StoredWindow], policy: Policy) -> bool:
    """True when the newest windows all served inside the budget, and there are enough of them."""
    newest = [stored.window for stored in windows[-policy.healthy_windows :]]
    good = [window for window in newest if window.count and not excesses(profile, calibration, window)]
    return len(good) == policy.healthy_windows


def _measured(limits: Limits, window: Window) -> Iterator[tuple[BreachKind, float, float]]:
    if window.temperature_celsius is not None and limits.celsius is not None:
        yield BreachKind.TEMPERATURE, window.temperature_celsius, limits.celsius
    if window.latency_p95_ms is not None:
        yield BreachKind.LATENCY, window.latency_p95_ms * 1e-3, limits.latency_s
    if window.ram_peak_bytes is not None and limits.ram_bytes is not None:
        yield BreachKind.MEMORY, window.ram_peak_bytes, limits.ram_bytes
    if window.power_watts is not None and limits.watts is not None and window.battery_discharging is not False:
        yield BreachKind.BATTERY, window.power_watts, limits.watts


def ram_cap_bytes(profile: Profile, calibration: Calibration) -> float | None:
    """The tighter RAM cap as a bound on the whole worker process; the model's counts once its base is measured."""
    caps = [float(profile.ram_total_bytes)] if profile.ram_total_bytes is not None else []
    if profile.ram_model_bytes is not None and calibration.ram_base_bytes is not None:
        caps.append(float(calibration.ram_base_bytes + profile.ram_model_bytes))
    return min(caps, default=None)


_UNITS = {
    BreachKind.LATENCY: ("p95 latency", 1e3, "ms"),
    BreachKind.MEMORY: ("peak RAM", 2.0**-20, "MiB"),
    BreachKind.TEMPERATURE: ("temperature", 1.0, "C"),
    BreachKind.BATTERY: ("power", 1.0, "W"),
}


def _evidence(kind: BreachKind, found: Sequence[Excess], of: int) -> str:
    name, scale, unit = _UNITS[kind]
    worst = max(excess.measured for excess in found) * scale
    return (
        f"{name} up to {worst:.3g} {unit} against {found[-1].limit * scale:.3g} {unit} in {len(found)} of {of} windows"
    )
