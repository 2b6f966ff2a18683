"""Does what was decided: one branch an action. What leaves the process does so only after the commit, from an outbox.

A crash between commit and send loses nothing: the decision sees an unanswered assignment and sends it again.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import assert_never

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.wire import blocks, signing
from agent.wire.messages import WIRE, Assignment
from controller.core import actions as do
from controller.core.jobs import identified
from controller.core.learned import FIGURES
from controller.core.mark import Mark, next_mark
from controller.core.nouns.calibration import Calibration
from controller.core.nouns.desired import Desired
from controller.core.nouns.device import Device
from controller.core.nouns.incident import Incident, IncidentState
from controller.core.nouns.job import Job, JobState
from controller.core.nouns.manifest import Named
from controller.core.nouns.model import Model
from controller.core.nouns.placement import Placement
from controller.core.nouns.variant import Variant
from controller.core.nouns.work import Prune
from controller.loop.ledger import Ledger
from controller.loop.manifests import manifest_of
from controller.store.artifacts import Artifacts
from controller.store.errors import ArtifactError

log = logging.getLogger("hedgerow.perform")


@dataclass(frozen=True, slots=True)
class Deliver:
    """The newest assignment of a device: `envelope` is what was signed, None where it is only in the database."""

    device: str
    envelope: bytes | None = None


@dataclass(frozen=True, slots=True)
class RunJob:
    job: Job
    model: Model
    start_from: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EndJob:
    job: str


Send = Deliver | RunJob | EndJob


class Performer:
    """Performs actions inside a transaction; returns what to send once it is committed."""

    def __init__(self, key: Ed25519PrivateKey, epoch: int, artifacts: Artifacts) -> None:
        self._key, self._epoch, self._artifacts = key, epoch, artifacts

    def perform(self, ledger: Ledger, action: do.Action, now_unix_s: float) -> list[Send]:
        match action:
            case do.Place(placement):
                return self._place(ledger, placement)
            case do.QueuePrune(model, prune):
                self._queue(ledger, model, prune, now_unix_s)
            case do.DropJob(job_id):
                log.info("event=dropped job=%s: nobody waits for it any more", job_id)
                ledger.drop_job(job_id)
            case do.StartJob(job):
                return self._start(ledger, job)
            case do.StopJob(job):
                return self._stop(ledger, job)
            case do.Assign():
                return self._assign(ledger, action, now_unix_s)
            case do.SendDesired(device):
                return [_deliver(ledger, Deliver(device), now_unix_s)]
            case do.FinishDesired(device, epoch, seq, result, reason):
                log.info("event=ended device=%s seq=%d result=%s reason=%r", device, seq, result, reason)
                ledger.finish_desired(device, epoch, seq, result=result, reason=reason, when_unix_s=now_unix_s)
            case do.Calibrate():
                self._calibrate(ledger, action)
            case do.OpenIncident(incident) | do.UpdateIncident(incident):
                _log_incident(incident)
                ledger.put_incident(incident)
            case do.UpdateRollout(rollout):
                log.info("event=rollout id=%s state=%s wave=%d reason=%r", rollout.id, rollout.state, rollout.wave + 1,
                         rollout.reason)  # fmt: skip
                ledger.put_rollout(rollout)
            case _:
                assert_never(action)
        return []

    def _calibrate(self, ledger: Ledger, action: do.Calibrate) -> None:
        known = ledger.get_device(action.device)
        if known is None:
            return
        if changes := _changes(known.calibration, action.calibration):
            log.info("event=calibrated device=%s by=%r %s", action.device, action.why, changes)
        ledger.put_device(replace(known, calibration=action.calibration))
        if action.refit:
            ledger.forget_placements(action.device)

    def _place(self, ledger: Ledger, placement: Placement) -> list[Send]:
        log.info("event=placed device=%s model=%s feasible=%s binding=%s variant=%s reason=%r", placement.device,
                 placement.model, placement.feasible, placement.binding, (placement.sha256 or "-")[:12],
                 placement.reason)  # fmt: skip
        ledger.put_placement(placement)
        return []

    def _queue(self, ledger: Ledger, model: str, prune: Prune, now_unix_s: float) -> None:
        """What is queued already is told its new prediction."""
        job = identified(Job(id="", model=model, work=prune, created_unix_s=now_unix_s))
        match ledger.get_job(job.id):
            case None:
                log.info("event=queued job=%s model=%s kind=%s key=%r", job.id, job.model, job.kind, job.key)
                ledger.put_job(job)
            case Job(state=JobState.QUEUED, work=Prune() as queued) as known:
                told = msgspec.structs.replace(queued, prediction=prune.prediction)
                ledger.put_job(replace(known, work=told))

    def _start(self, ledger: Ledger, job: Job) -> list[Send]:
        model = ledger.get_model(job.model)
        if model is None:
            return []
        running = replace(job, state=JobState.RUNNING, attempts=job.attempts + 1)
        log.info("event=started job=%s model=%s kind=%s key=%r attempt=%d", job.id, job.model, job.kind, job.key,
                 running.attempts)  # fmt: skip
        ledger.put_job(running)
        known = tuple(variant.sha256 for variant in ledger.variants(model.ref))
        return [RunJob(running, model, known)]

    def _stop(self, ledger: Ledger, job: Job) -> list[Send]:
        log.info("event=stopping job=%s model=%s kind=%s key=%r", job.id, job.model, job.kind, job.key)
        ledger.put_job(replace(job, state=JobState.STOPPING))
        return [EndJob(job.id)]

    def _assign(self, ledger: Ledger, action: do.Assign, now_unix_s: float) -> list[Send]:
        variant = ledger.get_variant(action.placement.model, action.sha256)
        if variant is None:
            return []
        issued = ledger.issued(action.device.id)
        epoch, seq = next_mark(self._epoch, issued, action.device.reported)
        if (epoch, seq) > next_mark(self._epoch, issued, None):
            log.warning("event=above_mark device=%s epoch=%d seq=%d reason=%r", action.device.id, epoch, seq,
                        "the device remembers newer assignments than this database: was it restored?")  # fmt: skip
        try:
            manifest = manifest_of(ledger, self._artifacts, variant)
        except ArtifactError as error:
            self.lose(ledger, variant.sha256, str(error))
            return []
        assignment = _assignment(action.device, action.placement, variant, manifest, (epoch, seq), now_unix_s)
        envelope = signing.sign(assignment, self._key)
        ledger.put_desired(
            Desired(
                device=action.device.id,
                epoch=epoch,
                seq=seq,
                model=variant.model,
                sha256=variant.sha256,
                rollout=action.rollout,
                incident=action.incident,
                envelope=envelope,
                manifest=manifest.digest,
                issued_unix_s=now_unix_s,
                attempts=action.attempts,
            )
        )
        log.info("event=assigned device=%s seq=%d variant=%s rollout=%s incident=%s", action.device.id, seq,
                 variant.sha256[:12], action.rollout, action.incident)  # fmt: skip
        return [_deliver(ledger, Deliver(action.device.id, envelope), now_unix_s)]

    def lose(self, ledger: Ledger, sha256: str, reason: str) -> None:
        """The bytes are gone from this host: forget the variant, so that devices get another, and make it again."""
        log.error("event=lost_artifact sha256=%s reason=%r", sha256[:12], f"{reason}; it is made again")
        self._artifacts.set_aside(sha256)
        ledger.drop_variant(sha256)
        for job in ledger.jobs(JobState.DONE):
            if job.sha256 == sha256:
                ledger.put_job(replace(job, state=JobState.QUEUED, attempts=0))


def _assignment(
    device: Device, placement: Placement, variant: Variant, manifest: Named, mark: Mark, now_unix_s: float
) -> Assignment:
    profile, cap = device.profile, placement.envelope.latency_s
    return Assignment(
        device=device.id,
        wire=WIRE,
        epoch=mark[0],
        seq=mark[1],
        model=variant.model,
        sha256=variant.sha256,
        size_bytes=variant.size_bytes,
        manifest=manifest.digest,
        manifest_bytes=manifest.size_bytes,
        ram_total_bytes=profile.ram_total_bytes,
        ram_model_bytes=profile.ram_model_bytes,
        latency_p95_ms=None if cap is None else cap.value * 1e3,
        rate_hz=profile.rate_hz,
        power_idle_watts=profile.power.idle_watts if profile.power else None,
        power_busy_watts=profile.power.busy_watts if profile.power else None,
        runtime=variant.runtime,
        issued_unix_s=now_unix_s,
        block_bytes=blocks.BLOCK_BYTES,
        blocks=[],
    )


def _deliver(ledger: Ledger, sent: Deliver, now_unix_s: float) -> Send:
    ledger.sent_unix_s[sent.device] = now_unix_s
    return sent


def _log_incident(incident: Incident) -> None:
    if incident.state is IncidentState.OPEN:
        log.warning("event=breach device=%s incident=%s kind=%s evidence=%r", incident.device, incident.id,
                    incident.kind, incident.evidence)  # fmt: skip
    else:
        log.info("event=incident device=%s incident=%s state=%s diagnosis=%r outcome=%r", incident.device,
                 incident.id, incident.state, incident.diagnosis, incident.outcome)  # fmt: skip


def _changes(before: Calibration, after: Calibration) -> str:
    """Each figure that was learned anew; `-` is what is declared or modelled."""
    values = [(figure, getattr(before, figure), getattr(after, figure)) for figure in FIGURES]
    return " ".join(f"{figure}={_shown(old)}->{_shown(new)}" for figure, old, new in values if old != new)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
