"""A device as the API shows it: what it declares, is held to, runs, measures and has taught."""

from __future__ import annotations

from typing import Any

import msgspec

from agent.wire.messages import Trial
from controller.core import calibrate
from controller.core.battery import battery_life_s
from controller.core.breach import excesses, ram_cap_bytes
from controller.core.envelope import ambient_celsius, busy_watts
from controller.core.nouns.calibration import Calibration
from controller.core.nouns.desired import Desired
from controller.core.nouns.device import Device
from controller.core.nouns.envelope import Cap, Envelope
from controller.core.nouns.placement import Placement
from controller.core.nouns.variant import Variant
from controller.core.nouns.window import StoredWindow
from controller.core.presence import Presence
from controller.core.speaks import foreign
from controller.web.facts import DeviceFacts

Json = dict[str, Any]
SHORT = 12
_SHOWN = (
    "count",
    "errors",
    "latency_p50_ms",
    "latency_p95_ms",
    "latency_source",
    "rss_bytes",
    "ram_peak_bytes",
    "temperature_celsius",
    "power_watts",
    "power_source",
    "battery_percent",
    "battery_discharging",
    "throttled_share",
    "asked",
    "shed",
    "queue_p95_ms",
    "cpu_per_inference_s",
    "host_busy_share",
    "pressure_share",
)


def short(sha256: str | None) -> str | None:
    """Enough of a digest to recognise it by."""
    return None if sha256 is None else sha256[:SHORT]


def device_view(facts: DeviceFacts) -> Json:
    device, reported = facts.device, facts.device.reported
    return {
        "id": device.id,
        "class": device.device_class,
        "labels": dict(device.labels),
        "state": device.state,
        "presence": facts.presence,
        "last_seen_unix_s": device.last_seen_unix_s,
        "registered_unix_s": device.registered_unix_s,
        "agent_version": device.agent_version,
        "architecture": device.architecture,
        "wire": device.wire,
        "wire_reason": foreign(device),
        "runtimes": list(device.runtimes),
        "emulated": device.emulated,
        "sha256": reported.sha256 if reported else None,
        "variant": short(reported.sha256) if reported else None,
        "phase": reported.phase if reported else None,
        **_assigned(facts.desired),
        **_placed(facts.placement),
        **battery_view(device, facts.assigned, facts.dense),
        **_limits(device),
        **_measured(facts),
        "trial": _trial(reported.trial if reported else None),
        "calibration": calibration_view(device),
        "incident": facts.incident.id if facts.incident else None,
        "implausible": device.implausible,
        "implausible_last": device.implausible_last,
    }


def _trial(trial: Trial | None) -> Json | None:
    """The device's own measurement of what it was last given, and how the device was meanwhile."""
    if trial is None:
        return None
    return {
        "variant": short(trial.sha256),
        "passed": trial.passed,
        "latency_p95_ms": trial.latency_p95_ms,
        "ram_peak_bytes": trial.ram_peak_bytes,
        "frequency_hz": trial.frequency_hz,
        "throttled_share": trial.throttled_share,
        "host_busy_share": trial.host_busy_share,
    }


def _assigned(desired: Desired | None) -> Json:
    """What the device should run, and how the newest assignment ended."""
    return {
        "model": desired.model if desired else None,
        "desired_sha256": desired.sha256 if desired else None,
        "seq": desired.seq if desired else None,
        "result": desired.result if desired else None,
        "result_reason": desired.reason if desired else "",
        "rollout": desired.rollout if desired else None,
    }


def _placed(placement: Placement | None) -> Json:
    return {
        "feasible": placement.feasible if placement else None,
        "binding": placement.binding if placement else None,
        "reason": placement.reason if placement else "",
        "relaxations": list(placement.relaxations) if placement else [],
        "waiting_for": placement.waiting_for if placement else None,
        **envelope_view(placement.envelope if placement else Envelope(None, None, None)),
    }


def battery_view(device: Device, variant: Variant | None, dense: Variant | None) -> Json:
    """Projected from full to empty on the variant and on the dense one; null without a battery. `battery_life_source`
    says where the draw that it is projected with comes from."""
    profile, learned = device.profile, device.calibration
    lives = [None if each is None else battery_life_s(profile, learned, each) for each in (variant, dense)]
    known = any(each is not None for each in lives)
    return {
        "battery_life_s": lives[0],
        "battery_life_dense_s": lives[1],
        "battery_life_source": _source(learned.busy_watts, "declared") if known else None,
    }


def envelope_view(envelope: Envelope) -> Json:
    """Three caps, each with what binds it; 0 lets nothing run. RAM is what the model may add to the bare runtime."""
    return {
        **_cap("ram", "bytes", envelope.ram_bytes),
        **_cap("storage", "bytes", envelope.storage_bytes),
        **_cap("latency", "ms", envelope.latency_s, 1e3),
    }


def _cap(name: str, unit: str, cap: Cap | None, scale: float = 1.0) -> Json:
    return {
        f"{name}_cap_{unit}": None if cap is None else max(cap.value, 0.0) * scale,
        f"{name}_cap_binding": None if cap is None else cap.binding,
    }


def _limits(device: Device) -> Json:
    """What a window's figures are held against; RAM is here that of the whole worker process."""
    profile = device.profile
    return {
        "ram_limit_bytes": ram_cap_bytes(profile, device.calibration),
        "deadline_ms": None if profile.deadline_s is None else profile.deadline_s * 1e3,
        "rate_hz": profile.rate_hz,
        "temperature_limit_celsius": profile.thermal.limit_celsius if profile.thermal else None,
    }


def _measured(facts: DeviceFacts) -> Json:
    stored = facts.window
    return {
        "window_received_unix_s": stored.received_unix_s if stored else None,
        "window_closed_unix_s": stored.closed_unix_s if stored else None,
        **{name: getattr(stored.window, name) if stored else None for name in _SHOWN},
        "within_budget": _within_budget(facts),
    }


def _within_budget(facts: DeviceFacts) -> bool | None:
    """None where the device is not there to say so, its window is history or of another variant than the one that runs,
    or nothing ran in it."""
    device, stored = facts.device, facts.window
    if stored is None or stored.history or facts.presence is not Presence.ONLINE:
        return None
    runs = device.reported.sha256 if device.reported else None
    if stored.window.sha256 != runs or not stored.window.count:
        return None
    return not excesses(device.profile, device.calibration, stored.window)


def calibration_view(device: Device) -> Json:
    """The figures that decisions use, each with where it comes from: declared by the owner, modelled, or
    measured, and then by what and when."""
    profile, learned = device.profile, device.calibration
    power, thermal = profile.power, profile.thermal
    return {
        "slowness": calibrate.slowness(profile, learned),
        "slowness_samples": learned.slowness_samples,
        **_origin("slowness", learned, "slowness", "declared"),
        "ram_base_bytes": learned.ram_base_bytes,
        **_origin("ram_base", learned, "ram_base_bytes", "modelled"),
        "ram_extra_bytes": learned.ram_extra_bytes,
        **_origin("ram_extra", learned, "ram_extra_bytes", "modelled"),
        "ambient_celsius": ambient_celsius(profile, learned) if thermal else learned.ambient_celsius,
        **_origin("ambient", learned, "ambient_celsius", "declared" if thermal else None),
        "busy_watts": busy_watts(power, learned) if power else learned.busy_watts,
        **_origin("busy", learned, "busy_watts", "declared" if power else None),
    }


def _source(learned: float | None, otherwise: str | None) -> str | None:
    return otherwise if learned is None else "measured"


def _origin(name: str, calibration: Calibration, figure: str, otherwise: str | None) -> Json:
    """`learned_by` is a trial, an incident or later windows, which may have brought it down to what is `otherwise`."""
    entry = calibration.learned.get(figure)
    return {
        f"{name}_source": _source(getattr(calibration, figure), otherwise),
        f"{name}_learned_by": entry.by or None if entry else None,
        f"{name}_learned_unix_s": entry.learned_unix_s if entry else None,
    }


def window_view(stored: StoredWindow) -> Json:
    window: Json = msgspec.to_builtins(stored.window)
    del window["closed_s"]  # of a clock that says nothing here
    head = {
        "boot": stored.boot,
        "received_unix_s": stored.received_unix_s,
        "closed_unix_s": stored.closed_unix_s,
        "history": stored.history,
        "variant": short(stored.window.sha256),
    }
    return {**head, **window}
