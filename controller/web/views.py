"""Every other noun as the API shows it: flat, with unit-suffixed keys; what is not known is null, never 0."""

from __future__ import annotations

from collections.abc import Mapping

from controller.core import calibrate
from controller.core.battery import battery_life_s, energy_joules
from controller.core.catalog import Catalog
from controller.core.compare import at_most_worse
from controller.core.fit import choices
from controller.core.nouns.bulk import Bulk
from controller.core.nouns.device import Device
from controller.core.nouns.incident import Incident
from controller.core.nouns.job import Job
from controller.core.nouns.member import Member
from controller.core.nouns.model import Model, Prefer
from controller.core.nouns.placement import Placement
from controller.core.nouns.rollout import Rollout
from controller.core.nouns.variant import Variant
from controller.web.device_views import Json, battery_view, envelope_view, short
from controller.web.facts import DeviceFacts


def model_view(model: Model, measuring: Job | None = None) -> Json:
    """`measuring` is the job of the dense variant; a model is `done` when it can be rolled out."""
    return {
        "ref": model.ref,
        "state": measuring.state if measuring else None,
        "detail": measuring.detail if measuring else "",
        "name": model.name,
        "version": model.version,
        "spec_path": model.spec_path,
        "digest": model.digest,
        "accuracy_floor": model.accuracy_floor,
        "accuracy_margin": model.accuracy_margin,
        "prefer": model.prefer,
        "ladder": model.ladder,
        "recover_epochs": model.recovery.epochs if model.recovery else None,
        "recover_cpu_s": model.recovery.cpu_s if model.recovery else None,
        "refine_s": model.refine_s,
        "added_unix_s": model.added_unix_s,
    }


def variant_view(variant: Variant) -> Json:
    """Measured on the reference host. `accuracy` null is *unverified accuracy*; `drop` is against dense."""
    return {
        "sha256": variant.sha256,
        "variant": short(variant.sha256),
        "model": variant.model,
        "dense": variant.dense,
        "runtime": variant.runtime,
        "precision": variant.precision,
        "size_bytes": variant.size_bytes,
        "ram_bytes": variant.ram_bytes,
        "ram_base_bytes": variant.ram_base_bytes,
        "latency_p50_ms": variant.latency_p50_s * 1e3,
        "latency_p95_ms": variant.latency_p95_s * 1e3,
        "parameters": variant.parameters,
        "accuracy": variant.accuracy,
        "accuracy_low": variant.accuracy_low,
        "accuracy_high": variant.accuracy_high,
        "drop": variant.drop,
        "drop_low": variant.drop_low,
        "drop_high": variant.drop_high,
        "gate_samples": variant.gate_samples,
        "requested": variant.requested,
        "lineage": dict(variant.lineage),
        "created_unix_s": variant.created_unix_s,
    }


def plan_view(placement: Placement, device: Device, catalog: Catalog) -> Json:
    """One device of a plan: what it runs, what it would run, what that costs there, and what the other choice would."""
    variant, dense = catalog.variant(placement.sha256 or ""), catalog.of_runtime(device.profile.runtime).dense
    found = choices(device.profile, device.calibration, catalog)
    return {
        "device": placement.device,
        "class": device.device_class,
        "model": placement.model,
        "feasible": placement.feasible,
        "prune_needed": placement.feasible and variant is None,
        "binding": placement.binding,
        **envelope_view(placement.envelope),
        "current": short(device.reported.sha256) if device.reported else None,
        "sha256": placement.sha256,
        "variant": short(placement.sha256),
        **_predicted(device, variant),
        **battery_view(device, variant, dense),
        "prefer": catalog.model.prefer,
        "choices": [_choice(prefer, each, device, found) for prefer, each in found.items()],
        "reason": placement.reason,
        "relaxations": list(placement.relaxations),
    }


def _choice(prefer: Prefer, variant: Variant, device: Device, found: Mapping[Prefer, Variant]) -> Json:
    """`points_below` is by how much it may be less right than what `accuracy` chooses, a share, at 95 %."""
    return {
        "prefer": prefer,
        "sha256": variant.sha256,
        "variant": short(variant.sha256),
        **_predicted(device, variant),
        "accuracy_low": variant.accuracy_low,
        "accuracy_high": variant.accuracy_high,
        "battery_life_s": battery_life_s(device.profile, device.calibration, variant),
        "points_below": at_most_worse(variant, found[Prefer.ACCURACY]),
    }


def _predicted(device: Device, variant: Variant | None) -> Json:
    """Upper bounds of latency and RAM on the device itself; the energy of an inference is modelled."""
    profile, learned = device.profile, device.calibration
    latency_s = calibrate.predicted_latency_s(profile, learned, variant) if variant else None
    return {
        "predicted_latency_p95_ms": None if latency_s is None else latency_s * 1e3,
        "predicted_ram_bytes": calibrate.predicted_ram_bytes(learned, variant) if variant else None,
        "size_bytes": variant.size_bytes if variant else None,
        "accuracy": variant.accuracy if variant else None,
        "energy_above_idle_joules": energy_joules(profile, learned, variant) if variant else None,
    }


def rollout_view(rollout: Rollout) -> Json:
    return {
        "id": rollout.id,
        "model": rollout.model,
        "selector": rollout.selector,
        "state": rollout.state,
        "wave": rollout.wave,
        "waves": list(rollout.waves),
        "max_failures": rollout.max_failures,
        "deadline_s": rollout.deadline_s,
        "started_unix_s": rollout.started_unix_s,
        "wave_started_unix_s": rollout.wave_started_unix_s,
        "finished_unix_s": rollout.finished_unix_s,
        "reason": rollout.reason,
    }


def member_view(member: Member, facts: DeviceFacts | None, rollout: Rollout) -> Json:
    """`wave` counts from 0 as the rollout's does, null until one lets the device go; people are told it from 1."""
    device, placement, desired = (facts.device, facts.placement, facts.desired) if facts else (None, None, None)
    given = desired if desired and desired.model == rollout.model else None
    placed = placement if placement and placement.model == rollout.model else None
    return {
        "device": member.device,
        "standing": member.standing,
        "wave": member.wave,
        "since_unix_s": member.since_unix_s,
        "due_unix_s": member.due_unix_s,
        "attempt": member.attempt,
        "reason": member.reason,
        "presence": facts.presence if facts else None,
        "variant": short(given.sha256) if given else None,
        "phase": device.reported.phase if device and device.reported else None,
        "result": given.result if given else None,
        "binding": placed.binding if placed else None,
    }


def bulk_view(bulk: Bulk) -> Json:
    return {
        "id": bulk.id,
        "kind": bulk.kind,
        "selector": bulk.selector,
        "state": bulk.state,
        "total": bulk.total,
        "cursor": bulk.cursor,
        "done": bulk.done,
        "failed": bulk.failed,
        "token": bulk.token,
        "asked_unix_s": bulk.asked_unix_s,
        "finished_unix_s": bulk.finished_unix_s,
    }


def incident_view(incident: Incident) -> Json:
    return {
        "id": incident.id,
        "device": incident.device,
        "kind": incident.kind,
        "state": incident.state,
        "evidence": incident.evidence,
        "diagnosis": incident.diagnosis,
        "from_variant": short(incident.from_variant),
        "from_sha256": incident.from_variant,
        "to_variant": short(incident.to_variant),
        "to_sha256": incident.to_variant,
        "outcome": incident.outcome,
        "opened_unix_s": incident.opened_unix_s,
        "closed_unix_s": incident.closed_unix_s,
    }
