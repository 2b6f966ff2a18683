"""What is known of one model: its variants, and how the prunes that were asked for ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce

from agent.wire.profile import Runtime
from controller.core.caps import below, costs_as_caps, shippable, use
from controller.core.choose import choose
from controller.core.costs import Use
from controller.core.nouns.caps import Caps
from controller.core.nouns.job import Job, JobState, prunes
from controller.core.nouns.model import Model, Prefer
from controller.core.nouns.variant import Variant
from controller.core.nouns.work import Prune

NEAR = 1 / 1.1
"""Caps within 10 % of each other are served by one variant, made under the tighter of each."""


@dataclass(frozen=True)
class Catalog:
    """What is known of one model: its variants and the jobs asked for so far by key, a prune's that of its caps.

    What a fit asks of it is worked out once: a catalog serves a fleet.
    """

    model: Model
    variants: Sequence[Variant]
    jobs: Mapping[str, Job]

    def of_runtime(self, runtime: Runtime) -> Catalog:
        """What of it a device with this runtime can run."""
        if runtime not in self._by_runtime:
            variants = [each for each in self.variants if each.runtime == runtime]
            self._by_runtime[runtime] = replace(self, variants=variants)
        return self._by_runtime[runtime]

    def with_jobs(self, moved: Sequence[Job]) -> Catalog:
        """With these jobs as they are by now. What hangs on none of them is not worked out anew: a large fleet asks for
        one prune after the other."""
        after = replace(self, jobs={**self.jobs, **{each.key: each for each in moved}})
        jobs = [*moved, *filter(None, (self.jobs.get(each.key) for each in moved))]
        states = {each.state for each in jobs}
        after._chosen.update(self._chosen)
        after._by_state.update((state, found) for state, found in self._by_state.items() if state not in states)
        if not any(prune.least is not None for _, prune in prunes(jobs)):
            after._least.update(self._least)
        after._by_runtime.update((runtime, each.with_jobs(moved)) for runtime, each in self._by_runtime.items())
        return after

    def newer_than(self, unix_s: float) -> bool:
        """Whether any variant was made since then."""
        return any(each.created_unix_s > unix_s for each in self.variants)

    def ram_base_bytes(self, runtime: Runtime) -> int:
        """The bare runtime on the reference host; 0 until a variant was measured with it."""
        return next((each.ram_base_bytes for each in self.variants if each.runtime == runtime), 0)

    def variant(self, sha256: str) -> Variant | None:
        return next((variant for variant in self.variants if variant.sha256 == sha256), None)

    @cached_property
    def dense(self) -> Variant | None:
        return next((variant for variant in self.variants if variant.dense), None)

    @cached_property
    def may_ship(self) -> list[Variant]:
        """Those at or above the accuracy floor."""
        return shippable(self.variants, self.model.accuracy_floor)

    def choose(self, fitting: Sequence[Variant], prefer: Prefer | None = None) -> Variant | None:
        """By the model owner's preference or another one, see `controller.core.choose`.

        Most devices of a fleet have one of a few sets of variants to choose from.
        """
        model = self.model if prefer is None else replace(self.model, prefer=prefer)
        asked = model.prefer, frozenset(each.sha256 for each in fitting)
        if asked not in self._chosen:
            self._chosen[asked] = choose(fitting, model)
        return self._chosen[asked]

    def answer(self, caps: Caps) -> Job | None:
        """The job that says how a prune to `caps` ends: that one, or one that was refused under looser caps or measured
        that nothing is so small."""
        own = self.jobs.get(caps.key)
        if own is not None and own.state is not JobState.QUEUED:
            return own
        refused = self._prunes(JobState.INFEASIBLE)
        told = next((job for job, prune in refused if prune.caps.covers(caps)), None)
        if told is None and self.too_small(caps) is not None:
            told = next((job for job, prune in refused if prune.least is not None), None)
        return told or own

    def too_small(self, caps: Caps) -> Use | None:
        """The cap that lies below all that was ever measured of the model, where a job looked for the smallest."""
        return below(caps, self.least(caps.runtime))

    def least(self, runtime: Runtime) -> Caps | None:
        """What the smallest that was ever measured for this runtime takes; None where no job looked for it."""
        if runtime not in self._least:
            known = [prune for _, prune in prunes(self.jobs.values()) if prune.caps.runtime == runtime]
            told = [each.least for each in known if each.least is not None]
            made = [costs_as_caps(each) for each in self.variants if each.runtime == runtime]
            self._least[runtime] = reduce(Caps.meet, [*told, *made]) if told else None
        return self._least[runtime]

    def is_made(self, caps: Caps) -> bool:
        """A variant was made under caps that are hardly tighter, or it was made under looser ones and is inside these
        all the same: another prune would make much the same."""
        return any(caps.near(job.caps, NEAR) or self._holds(job, caps) for job, _ in self._prunes(JobState.DONE))

    def _holds(self, prune: Job, caps: Caps) -> bool:
        made = self.variant(prune.sha256 or "") if prune.caps.covers(caps) else None
        return made is not None and use(caps, made) <= 1

    def _prunes(self, state: JobState) -> list[tuple[Job, Prune]]:
        if state not in self._by_state:
            found = prunes(each for each in self.jobs.values() if each.state is state)
            self._by_state[state] = sorted(found, key=lambda each: (each[0].created_unix_s, each[0].id))
        return self._by_state[state]

    @cached_property
    def _by_runtime(self) -> dict[Runtime, Catalog]:
        return {}

    @cached_property
    def _chosen(self) -> dict[tuple[Prefer, frozenset[str]], Variant | None]:
        return {}

    @cached_property
    def _least(self) -> dict[Runtime, Caps | None]:
        return {}

    @cached_property
    def _by_state(self) -> dict[JobState, list[tuple[Job, Prune]]]:
        return {}


def catalog_of(model: Model, variants: Iterable[Variant], jobs: Iterable[Job]) -> Catalog:
    """What of all these is of the model, in the order in which it was made or asked for."""
    made = [each for each in variants if each.model == model.ref]
    asked = [each for each in jobs if each.model == model.ref]
    made.sort(key=lambda each: (each.created_unix_s, each.sha256))
    asked.sort(key=lambda each: (each.created_unix_s, each.id))
    return Catalog(model, made, {each.key: each for each in asked})
