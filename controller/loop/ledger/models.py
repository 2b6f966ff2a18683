"""Models with their variants, manifests and jobs, as a turn leaves them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from controller.core.catalog import Catalog, catalog_of
from controller.core.nouns.job import Job, JobState
from controller.core.nouns.manifest import KeptManifest, Named
from controller.core.nouns.model import Model
from controller.core.nouns.variant import Variant
from controller.core.policy import Policy
from controller.loop.fleet import Fleet
from controller.loop.ledger.book import Book
from controller.loop.staged import Staged
from controller.store.tx import Tx


class ModelBook(Book):
    def __init__(self, fleet: Fleet, policy: Policy, now_s: float) -> None:
        super().__init__(fleet, policy, now_s)
        self._models, self._variants, self._jobs = Staged(fleet.models), Staged(fleet.variants), Staged(fleet.jobs)
        self._manifests = Staged(fleet.manifests)
        self._catalogs, self._stale = dict[str, Catalog](), set[str]()
        self._moved = defaultdict[str, dict[str, Job]](dict)

    def get_model(self, ref: str) -> Model | None:
        return self._models.get(ref)

    def model_refs(self) -> list[str]:
        return [each.ref for each in self._models.values()]

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

    def get_job(self, job: str) -> Job | None:
        return self._jobs.get(job)

    def jobs(self, *states: JobState) -> list[Job]:
        """Those in one of `states`, or all; oldest first."""
        found = [each for each in self._jobs.values() if not states or each.state in states]
        return sorted(found, key=lambda each: (each.created_unix_s, each.id))

    def put_job(self, job: Job) -> None:
        known = self._jobs.get(job.id)
        self._jobs.put(job.id, job)
        if known is None or replace(known, detail=job.detail) != job:  # how far it is moves nobody
            self.models.add(job.model)
            self.jobs_moved = True
            self._moved[job.model][job.id] = job

    def drop_job(self, job: str) -> None:
        known = self._jobs.get(job)
        self._jobs.drop(job)
        if known is not None:
            self._changed(known.model)

    def catalog(self, ref: str) -> Catalog | None:
        """What is known of a model; None where the model is not."""
        known = self._catalogs.get(ref) or (None if ref in self._stale else self._fleet.catalogs.get(ref))
        moved, model = [*self._moved.pop(ref, {}).values()], self._models.get(ref)
        if model is None:
            return None
        if known is None or any(known.jobs.get(each.key, each).id != each.id for each in moved):
            known = catalog_of(model, self._variants.values(), self._jobs.values())
        elif moved:
            known = known.with_jobs(moved)
        self._catalogs[ref] = known
        return known

    def _changed(self, model: str) -> None:
        self.models.add(model)
        self._stale.add(model)
        self._catalogs.pop(model, None)
        self.jobs_moved = True

    def _finish_catalogs(self) -> None:
        """What was asked for before some job moved, as in the end."""
        for ref in {*self._moved}:
            if ref in self._catalogs or (ref in self._fleet.catalogs and ref not in self._stale):
                self.catalog(ref)

    def _write_models(self, tx: Tx) -> None:
        tx.put_models(self._models.written())
        for _, sha256 in self._variants.dropped():
            tx.drop_variant(sha256)
        tx.put_variants(self._variants.written())
        for job in self._jobs.dropped():
            tx.drop_job(job)
        tx.put_jobs(self._jobs.written())

    def _apply_models(self) -> None:
        fleet = self._fleet
        self._finish_catalogs()
        self._models.apply(fleet.models)
        self._variants.apply(fleet.variants)
        fleet.census.jobs_move(fleet.jobs, self._jobs.new)
        self._jobs.apply(fleet.jobs)
        self._manifests.apply(fleet.manifests)
        for model in self._stale - self._catalogs.keys():
            fleet.catalogs.pop(model, None)
        fleet.catalogs.update(self._catalogs)
