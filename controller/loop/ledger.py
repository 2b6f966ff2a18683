"""What a turn writes down: laid over the fleet's facts while it goes on, then written in one transaction, then applied.

Who reads here sees what the turn has written so far. Where the transaction fails, nothing of it was ever there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from agent.wire.messages import Window
from controller.core.catalog import Catalog
from controller.core.history import History
from controller.core.nouns.desired import Desired
from controller.core.nouns.device import Device
from controller.core.nouns.incident import Incident
from controller.core.nouns.job import JobState, PruneJob
from controller.core.nouns.manifest import KeptManifest, Named
from controller.core.nouns.model import Model
from controller.core.nouns.placement import Placement
from controller.core.nouns.rollout import Rollout, RolloutState
from controller.core.nouns.variant import Variant
from controller.core.nouns.window import StoredWindow
from controller.core.policy import Policy
from controller.loop.fleet import Fleet, kept
from controller.loop.staged import Staged
from controller.loop.wishes import Wishes
from controller.store.store import Store
from controller.store.tx import Tx


class Ledger:
    """`woken` are devices of which something was written, `models` those of which variants, jobs or policy changed, and
    `rollouts_moved` those that started or ended. `jobs_moved` where any job did, or what devices wait for."""

    def __init__(self, fleet: Fleet, store: Store, policy: Policy) -> None:
        self._fleet, self._store, self._policy = fleet, store, policy
        self._devices, self._desired = Staged(fleet.devices), Staged(fleet.desired)
        self._placements, self._histories = Staged(fleet.placements), Staged(fleet.histories)
        self._windows, self._marks, self._rollouts = Staged(fleet.windows), Staged(fleet.marks), Staged(fleet.rollouts)
        self._models, self._variants, self._jobs = Staged(fleet.models), Staged(fleet.variants), Staged(fleet.jobs)
        self._manifests = Staged(fleet.manifests)
        self._catalogs, self._stale = dict[str, Catalog](), set[str]()
        self._assigned, self._finished = list[Desired](), list[Desired]()
        self._incidents = dict[str, Incident]()
        self._arrived = list[StoredWindow]()
        self._forgotten = set[str]()
        self._notes = list[Callable[[Tx], None]]()
        self.sent_unix_s = dict[str, float]()
        self.woken, self.models = set[str](), set[str]()
        self.rollouts_moved, self.jobs_moved = False, False

    # --- devices -----------------------------------------------------------------------------------------------------

    def get_device(self, device: str) -> Device | None:
        return self._devices.get(device)

    def devices(self) -> Iterator[Device]:
        return self._devices.values()

    def put_device(self, device: Device) -> None:
        self._devices.put(device.id, device)
        self.woken.add(device.id)

    def sent(self, device: str) -> float | None:
        """When it was last sent its assignment, in Unix seconds."""
        return self.sent_unix_s.get(device, self._fleet.sent_unix_s.get(device))

    # --- assignments -------------------------------------------------------------------------------------------------

    def latest_desired(self, device: str) -> Desired | None:
        return self._desired.get(device)

    def put_desired(self, desired: Desired) -> None:
        known = self._desired.get(desired.device)
        if known is None or known.sha256 != desired.sha256:
            self._windows.drop(desired.device)
        self._desired.put(desired.device, kept(desired))
        self._assigned.append(desired)
        self.woken.add(desired.device)

    def finish_desired(
        self, device: str, epoch: int, seq: int, *, result: str, reason: str, when_unix_s: float
    ) -> None:
        """Record how the newest assignment ended; another one is ignored, a device may report anything."""
        known = self._desired.get(device)
        if known is not None and (known.epoch, known.seq) == (epoch, seq):
            ended = replace(known, result=result, reason=reason, finished_unix_s=when_unix_s)
            self._desired.put(device, ended)
            self._finished.append(ended)
            self.woken.add(device)

    # --- placements --------------------------------------------------------------------------------------------------

    def placement(self, device: str, model: str) -> Placement | None:
        return self._placements.get((device, model))

    def put_placement(self, placement: Placement) -> None:
        self._placements.put((placement.device, placement.model), placement)
        self.woken.add(placement.device)
        self.jobs_moved = True

    def forget_placements(self, device: str) -> None:
        """What was decided for a device rests on figures that no longer hold: it is fitted anew."""
        for model in [each.ref for each in self._models.values()]:
            if self._placements.get((device, model)) is not None:
                self._placements.drop((device, model))
        self._forgotten.add(device)
        self.woken.add(device)
        self.jobs_moved = True

    def wishes(self) -> Wishes:
        """The prunes that devices wait for by now."""
        after = self._fleet.wishes.copy()
        before = (self._fleet.placements.get(key) for key in self._placements.new)
        after.add(self._placements.written())
        after.remove(each for each in before if each is not None)
        return after

    # --- incidents and telemetry -------------------------------------------------------------------------------------

    def history(self, device: str) -> History:
        return self._histories.get(device) or History()

    def put_incident(self, incident: Incident) -> None:
        self._histories.put(incident.device, self.history(incident.device).with_(incident))
        self._incidents[incident.id] = incident
        self.woken.add(incident.device)

    def windows(self, device: str) -> tuple[StoredWindow, ...]:
        return self._windows.get(device) or ()

    def add_windows(self, device: str, boot: str, received_unix_s: float, new: Iterable[Window]) -> None:
        """All that are new are kept; those of what the device was told to run are judged."""
        desired = self._desired.get(device)
        stored = [StoredWindow(device, boot, received_unix_s, each) for each in self.fresh(device, boot, new)]
        judged = [each for each in stored if desired is not None and each.window.sha256 == desired.sha256]
        if stored:
            self._arrived += stored
            self._marks.put(device, (boot, max(each.window.seq for each in stored)))
            self.woken.add(device)
        if judged:
            self._windows.put(device, (*self.windows(device), *judged)[-self._policy.windows_seen :])

    def fresh(self, device: str, boot: str, windows: Iterable[Window]) -> list[Window]:
        """Those that did not come before."""
        known = self._marks.get(device)
        above = known[1] if known is not None and known[0] == boot else -1
        return [each for each in windows if each.seq > above]

    def add_event(self, device: str, boot: str, kind: str, message: str, unix_s: float) -> None:
        self._notes.append(lambda tx: tx.add_event(device, boot, kind, message, unix_s))

    def add_dead_letter(self, topic: str, payload: bytes, reason: str, unix_s: float) -> None:
        self._notes.append(lambda tx: tx.add_dead_letter(topic, payload, reason, unix_s))

    # --- models, variants, jobs --------------------------------------------------------------------------------------

    def get_model(self, ref: str) -> Model | None:
        return self._models.get(ref)

    def put_model(self, model: Model) -> None:
        self._models.put(model.ref, model)
        self._changed(model.ref)

    def get_variant(self, model: str, sha256: str) -> Variant | None:
        return self._variants.get((model, sha256))

    def put_variant(self, variant: Variant) -> None:
        self._variants.put((variant.model, variant.sha256), variant)
        self._changed(variant.model)

    def drop_variant(self, sha256: str) -> None:
        """Of every model that has this artifact."""
        for each in [each for each in self._variants.values() if each.sha256 == sha256]:
            self._variants.drop((each.model, sha256))
            self._changed(each.model)

    def variants(self, model: str) -> list[Variant]:
        """In the order they were made."""
        of_model = [each for each in self._variants.values() if each.model == model]
        return sorted(of_model, key=lambda each: (each.created_unix_s, each.sha256))

    def artifact_bytes(self, sha256: str) -> int | None:
        """How long the artifact is, whichever model it belongs to."""
        return next((each.size_bytes for each in self._variants.values() if each.sha256 == sha256), None)

    def manifest_of(self, sha256: str) -> Named | None:
        """The manifest of an artifact, where it was made."""
        return self._manifests.get(sha256)

    def put_manifest(self, manifest: KeptManifest) -> None:
        self._manifests.put(manifest.sha256, Named(manifest.digest, len(manifest.body)))
        self._notes.append(lambda tx: tx.put_manifest(manifest))

    def drop_manifest(self, digest: str) -> bool:
        """It is made again when it is asked for; False where there is none of this digest."""
        found = [each for each, named in self._fleet.manifests.items() if named.digest == digest]
        for sha256 in found:
            self._manifests.drop(sha256)
        return bool(found)

    def manifest_bytes(self, digest: str) -> int | None:
        """How long the manifest of this digest is."""
        return next((each.size_bytes for each in self._manifests.values() if each.digest == digest), None)

    def get_job(self, job: str) -> PruneJob | None:
        return self._jobs.get(job)

    def jobs(self, *states: JobState) -> list[PruneJob]:
        """Those in one of `states`, or all; oldest first."""
        found = [each for each in self._jobs.values() if not states or each.state in states]
        return sorted(found, key=lambda each: (each.created_unix_s, each.id))

    def put_job(self, job: PruneJob) -> None:
        known = self._jobs.get(job.id)
        self._jobs.put(job.id, job)
        if known is None or replace(known, detail=job.detail) != job:  # how far it is moves nobody
            self._changed(job.model)

    def drop_job(self, job: str) -> None:
        known = self._jobs.get(job)
        self._jobs.drop(job)
        if known is not None:
            self._changed(known.model)

    def catalog(self, ref: str) -> Catalog | None:
        """What is known of a model; None where the model is not."""
        found = self._catalogs.get(ref) or (None if ref in self._stale else self._fleet.catalogs.get(ref))
        model = self._models.get(ref)
        if found is None and model is not None:
            found = Catalog(model, self.variants(ref), {job.key: job for job in self.jobs() if job.model == ref})
        if found is not None:
            self._catalogs[ref] = found
        return found

    def _changed(self, model: str) -> None:
        self.models.add(model)
        self._stale.add(model)
        self._catalogs.pop(model, None)
        self.jobs_moved = True

    # --- rollouts ----------------------------------------------------------------------------------------------------

    def get_rollout(self, rollout: str) -> Rollout | None:
        return self._rollouts.get(rollout)

    def rollouts(self, *states: RolloutState) -> list[Rollout]:
        """Those in one of `states`, or all; newest first."""
        found = [each for each in self._rollouts.values() if not states or each.state in states]
        return sorted(found, key=lambda each: (each.started_unix_s, each.id), reverse=True)

    def put_rollout(self, rollout: Rollout) -> None:
        known = self._rollouts.get(rollout.id)
        self._rollouts.put(rollout.id, rollout)
        self.rollouts_moved = self.rollouts_moved or known is None or known.state is not rollout.state

    # --- the end of the turn -----------------------------------------------------------------------------------------

    def commit(self) -> None:
        """Write it all in one transaction, and apply it. Raises what the database does; then nothing was written."""
        if not self._is_empty():
            with self._store.begin() as tx:
                self._write(tx)
            self._apply()
        self._fleet.sent_unix_s.update(self.sent_unix_s)

    def _is_empty(self) -> bool:
        staged = (self._devices, self._desired, self._placements, self._histories, self._rollouts, self._models,
                  self._variants, self._jobs, self._manifests)  # fmt: skip
        return not (any(each.new for each in staged) or self._arrived or self._forgotten or self._notes)

    def _write(self, tx: Tx) -> None:
        tx.put_models(self._models.written())
        tx.put_devices([each for each in self._devices.written() if self._rewritten(each)])
        tx.put_variants(self._variants.written())
        for _, sha256 in [key for key, value in self._variants.new.items() if value is None]:
            tx.drop_variant(sha256)
        tx.put_jobs(self._jobs.written())
        for name in [key for key, value in self._jobs.new.items() if value is None]:
            tx.drop_job(name)
        tx.put_rollouts(self._rollouts.written())
        for device in self._forgotten:
            tx.forget_placements(device)
        tx.put_placements(self._placements.written())
        tx.add_desired(self._assigned)
        tx.finish_all_desired(self._finished)
        tx.put_incidents([*self._incidents.values()])
        tx.put_windows(self._arrived)
        for note in self._notes:
            note(tx)

    def _rewritten(self, device: Device) -> bool:
        """When it was last heard of is written now and then, and not for each of its messages."""
        known = self._fleet.devices.get(device.id)
        return known is None or replace(known, last_seen_unix_s=device.last_seen_unix_s) != device

    def _apply(self) -> None:
        fleet = self._fleet
        fleet.wishes = self.wishes() if self._placements.new else fleet.wishes
        for device in self._devices.written():
            (fleet.seen.discard if self._rewritten(device) else fleet.seen.add)(device.id)
        self._devices.apply(fleet.devices)
        self._desired.apply(fleet.desired)
        self._placements.apply(fleet.placements)
        self._histories.apply(fleet.histories)
        self._windows.apply(fleet.windows)
        self._marks.apply(fleet.marks)
        self._rollouts.apply(fleet.rollouts)
        self._models.apply(fleet.models)
        self._variants.apply(fleet.variants)
        self._jobs.apply(fleet.jobs)
        self._manifests.apply(fleet.manifests)
        for model in self._stale:
            fleet.catalogs.pop(model, None)
        fleet.catalogs.update(self._catalogs)
