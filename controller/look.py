"""Stored facts -> the view that a decision needs. Reads only; one transaction's consistent picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from controller.core.catalog import Catalog
from controller.core.policy import Policy
from controller.core.selector import parse_selector
from controller.core.standing import standing
from controller.core.types import Desired, Device, DeviceState, IncidentState, Rollout, RolloutState, Variant
from controller.core.view import DeviceView, View
from controller.core.waves import admitted
from controller.store.tx import Tx

_LIVE = (RolloutState.RUNNING, RolloutState.FINISHED)
_OPEN = (IncidentState.OPEN, IncidentState.ACTING)


class Looker:
    """Builds views within one transaction; what several devices share is read once."""

    def __init__(self, tx: Tx, policy: Policy, sent_unix_s: Mapping[str, float], now_unix_s: float) -> None:
        self._tx, self._policy, self._sent, self._now = tx, policy, sent_unix_s, now_unix_s
        self._jobs = tx.jobs()
        self._catalogs: dict[str, Catalog | None] = {}
        self._rollouts = sorted(tx.rollouts(*_LIVE), key=lambda each: -each.started_unix_s)
        self._selectors = {each.id: parse_selector(each.selector) for each in self._rollouts}

    def view(self, devices: Iterable[Device]) -> View:
        """The view of `devices`, of every running rollout with all its members, and of the unfinished jobs."""
        running = [rollout for rollout in self._rollouts if rollout.state is RolloutState.RUNNING]
        accepted = [each for each in self._tx.devices() if each.state is DeviceState.ACCEPTED] if running else []
        members = {rollout.id: self._members(rollout, accepted) for rollout in running}
        going = {each.id: self._admitted(each, members[each.id]) for each in running}
        seen = {view.device.id: view for views in members.values() for view in views}
        views = [self._admit(seen.get(device.id) or self.device_view(device), going) for device in devices]
        wishes = self._tx.waited_for()
        return View(
            devices=views,
            rollouts=running,
            members=members,
            jobs=self._jobs,
            waited_for=frozenset(wishes),
            needed=frozenset(wish for wish, needed in wishes.items() if needed),
        )

    def device_view(self, device: Device) -> DeviceView:
        tx, rollout = self._tx, self._rollout_of(device)
        catalog = self.catalog(rollout.model) if rollout is not None else None
        desired = tx.latest_desired(device.id)
        incidents = tx.incidents(device=device.id)
        placements = tx.placements(device=device.id, model=rollout.model) if rollout is not None else []
        since = (desired.finished_unix_s if desired is not None else None) or 0.0
        windows = tx.recent_windows(device.id, self._policy.view_windows, since)
        return DeviceView(
            device=device,
            rollout=rollout,
            catalog=catalog,
            placement=placements[0] if placements else None,
            desired=desired,
            sent_unix_s=self._sent.get(device.id),
            variant=self._variant_of(desired),
            windows=[each for each in windows if desired is not None and each.window.sha256 == desired.sha256],
            incident=next((each for each in incidents if each.state in _OPEN), None),
            past_incidents=[each for each in incidents if each.state not in _OPEN],
        )

    def catalog(self, ref: str) -> Catalog | None:
        if ref not in self._catalogs:
            model = self._tx.get_model(ref)
            jobs = {job.key: job for job in self._jobs if job.model == ref}
            known = None if model is None else Catalog(model, self._tx.variants(ref), jobs)
            self._catalogs[ref] = known
        return self._catalogs[ref]

    def _variant_of(self, desired: Desired | None) -> Variant | None:
        catalog = self.catalog(desired.model) if desired is not None else None
        return None if desired is None or catalog is None else catalog.variant(desired.sha256)

    def _rollout_of(self, device: Device) -> Rollout | None:
        return next((each for each in self._rollouts if self._selectors[each.id].matches(device)), None)

    def _members(self, rollout: Rollout, accepted: Sequence[Device]) -> list[DeviceView]:
        mine = [device for device in accepted if self._rollout_of(device) is rollout]
        return [self.device_view(device) for device in mine]

    def _admitted(self, rollout: Rollout, views: Sequence[DeviceView]) -> frozenset[str]:
        return admitted(rollout, [standing(view, self._policy, self._now) for view in views])

    def _admit(self, view: DeviceView, going: Mapping[str, frozenset[str]]) -> DeviceView:
        """In a running rollout the wave decides; a finished one lets its late joiners go at once."""
        if view.rollout is None:
            return view
        late = view.rollout.state is RolloutState.FINISHED
        return replace(view, admitted=late or view.device.id in going.get(view.rollout.id, frozenset()))
