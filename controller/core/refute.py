"""What later windows refute is learned anew: a figure that an incident or a trial raised comes down again.

The newest windows explain a figure as a diagnosis would. Where that is less than the figure by a margin, they
contradict it, and there are two ways down:

- *At once*, to what they explain: an incident taught it, the same variant still runs, and no window since has agreed.
  It was an error then, a sensor's or a neighbour's.
- *After a day* on which none agreed (`refute_s`), to the most that any explained. A smaller variant heats less and a
  night is cool, so nothing shorter tells; and as a larger variant may teach it once more, each time that this happens
  doubles the wait: a loop of breach, repair and relaxation dies out.

Nothing comes down below what is declared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from agent.wire.messages import Result, Window
from agent.wire.profile import Profile, Thermal
from controller.core.actions import Action, Calibrate
from controller.core.diagnose import drawn_watts, median_of, surroundings_celsius
from controller.core.learned import FIGURES, WINDOWS, least
from controller.core.nouns.calibration import Calibration, Learned
from controller.core.nouns.variant import Variant
from controller.core.policy import Policy
from controller.core.view import DeviceView

_SETTLED_CELSIUS = 1.0  # a device that warms by more from the first window to the last is not settled


def refute(view: DeviceView, policy: Policy, now_unix_s: float) -> list[Action]:
    """Judge each learned figure by the windows since; where one comes down, the device is fitted anew."""
    variant, before = view.variant, view.device.calibration
    if view.desired is None or view.desired.result is not Result.SUCCEEDED or variant is None:
        return []
    after = before
    for figure in FIGURES:
        after = _judged(figure, after, view, variant, policy, now_unix_s)
    if after == before:
        return []
    lowered = any(getattr(after, figure) != getattr(before, figure) for figure in FIGURES)
    return [Calibrate(view.device.id, after, WINDOWS, refit=lowered)]


def _judged(
    figure: str, calibration: Calibration, view: DeviceView, variant: Variant, policy: Policy, now_unix_s: float
) -> Calibration:
    value, known = getattr(calibration, figure), calibration.learned.get(figure, Learned())
    newest = _since(known, view, policy)
    found = (
        _explained(figure, view.device.profile, calibration, variant, newest) if newest and value is not None else None
    )
    if found is None:
        return calibration
    found = max(found, declared := _declared(figure, view.device.profile))
    if found >= least(figure, value, variant):
        return _noted(calibration, figure, replace(known, suspect=False, doubted_unix_s=None, most=None))
    since_unix_s = now_unix_s if known.doubted_unix_s is None else known.doubted_unix_s
    most = found if known.most is None else max(found, known.most)
    at_once = _at_once(known, variant)
    if not at_once and now_unix_s - since_unix_s < policy.refute_s * 2**known.again:
        return _noted(calibration, figure, replace(known, doubted_unix_s=since_unix_s, most=most))
    entry = replace(_refuted(value, known, variant, now_unix_s), suspect=at_once)
    return _noted(_lowered(calibration, figure, most if most > declared else None), figure, entry)


def _refuted(value: float, known: Learned, variant: Variant, now_unix_s: float) -> Learned:
    return Learned(by=WINDOWS, learned_unix_s=now_unix_s, sha256=variant.sha256, refuted=value, again=known.again)


def _since(known: Learned, view: DeviceView, policy: Policy) -> list[Window]:
    """The newest windows since it was learned, as many as a breach looks at; none where they are too few to tell."""
    since = [stored.window for stored in view.windows if stored.received_unix_s > (known.learned_unix_s or 0.0)]
    newest = since[-policy.breach_of :]
    enough = len(newest) == policy.breach_of and sum(window.count or 0 for window in newest) >= policy.min_samples
    return newest if enough else []


def _at_once(known: Learned, variant: Variant) -> bool:
    return known.suspect and known.again == 0 and known.sha256 == variant.sha256


def _explained(
    figure: str, profile: Profile, calibration: Calibration, variant: Variant, windows: Sequence[Window]
) -> float | None:
    """The figure as these windows alone would have it; None where they do not tell."""
    peak = max((w.ram_peak_bytes for w in windows if w.ram_peak_bytes is not None), default=None)
    match figure:
        case "slowness":
            p95_s = median_of([w.latency_p95_ms for w in windows], 1e-3)
            return None if p95_s is None else p95_s / variant.latency_p95_s
        case "ram_base_bytes":  # no more than the whole process
            return peak
        case "ram_extra_bytes":
            base = calibration.ram_base_bytes
            return None if peak is None or base is None else max(peak - base - variant.ram_bytes, 0)
        case "ambient_celsius":
            thermal = profile.thermal
            return None if thermal is None or _warming(thermal, windows) else surroundings_celsius(thermal, windows)
        case _:
            return drawn_watts(profile.power, windows)


def _warming(thermal: Thermal, windows: Sequence[Window]) -> bool:
    """Without a time constant a device on its way up looks like one in cooler surroundings."""
    known = [w.temperature_celsius for w in windows if w.temperature_celsius is not None]
    return thermal.time_constant_s is None and bool(known) and known[-1] - known[0] > _SETTLED_CELSIUS


def _declared(figure: str, profile: Profile) -> float:
    """What holds until something is learned; minus infinity where nothing is declared."""
    match figure:
        case "slowness":
            return 1.0 / profile.speed
        case "ambient_celsius":
            return profile.thermal.ambient_celsius if profile.thermal else -math.inf
        case "busy_watts":
            return profile.power.busy_watts if profile.power else -math.inf
        case _:
            return -math.inf


def _lowered(calibration: Calibration, figure: str, value: float | None) -> Calibration:
    """None is what is declared. Of a speed that was refuted the next trial is to count in full."""
    changed: dict[str, Any] = {figure: value}
    if figure == "slowness":
        changed["slowness_samples"] = 0 if value is None else 1
    return replace(calibration, **changed)


def _noted(calibration: Calibration, figure: str, entry: Learned) -> Calibration:
    if calibration.learned.get(figure, Learned()) == entry:
        return calibration
    return replace(calibration, learned={**calibration.learned, figure: entry})
