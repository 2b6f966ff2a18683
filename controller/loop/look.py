"""Stored facts -> the view that a decision needs. Reads only; one transaction's consistent picture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from controller.core.catalog import Catalog
from controller.core.nouns.desired import Desired
from controller.core.nouns.device import Device, DeviceState
from controller.core.nouns.incident import Incident, IncidentState
from controller.core.nouns.placement import Placement
from controller.core.nouns.rollout import Rollout, RolloutState
from controller.core.nouns.variant import Variant
from controller.core.policy import Policy
from controller.core.selector import parse_selector
from controller.core.standing import standing
from controller.core.view import DeviceView, View
from controller.core.waves import admitted
from controller.store.tx import Tx

_LIVE = (RolloutState.RUNNING, RolloutState.FINISHED)
_OPEN = (IncidentState.OPEN, IncidentState.ACTING)


@dataclass(frozen=True, slots=True)
class _Rows:
    """What is stored of one device or of all: by the device's id, a placement also by its model. Incidents are newest
    first."""

    desired: Mapping[str, Desired]
    placements: Mapping[tuple[str, str], Placement]
    incidents: Mapping[str, Sequence[Incident]]


def _all_rows(tx: Tx) -> _Rows:
    """Read at once: a query for each device would take most of a turn."""
    return _rows(tx.latest_desired_all(), tx.placements(), tx.incidents())


def _rows_of(tx: Tx, device: str) -> _Rows:
    desired = tx.latest_desired(device)
    return _rows({} if desired is None else {device: desired}, tx.placements(device=device), tx.incidents(device))


def _rows(desired: Mapping[str, Desired], placements: list[Placement], incidents: list[Incident]) -> _Rows:
    by_device = defaultdict[str, list[Incident]](list)
    for each in incidents:
        by_device[each.device].append(each)
    return _Rows(desired, {(each.device, each.model): each for each in placements}, by_device)


class Looker:
    """Builds views within one transaction; what several devices share is read once."""

    def __init__(self, tx: Tx, policy: Policy, sent_unix_s: Mapping[str, float], now_unix_s: float) -> None:
        self._tx, self._policy, self._sent, self._now = tx, policy, sent_unix_s, now_unix_s
        self._jobs = tx.jobs()
        self._rows: _Rows | None = None
        self._catalogs: dict[str, Catalog | None] = {}
        self._rollouts = sorted(tx.rollouts(*_LIVE), key=lambda each: -each.started_unix_s)
        self._selectors = {each.id: parse_selector(each.selector) for each in self._rollouts}

    def view(self, devices: Iterable[Device]) -> View:
        """The view of `devices`, of every running rollout with all its members, and of the unfinished jobs."""
        running = [rollout for rollout in self._rollouts if rollout.state is RolloutState.RUNNING]
        accepted = [each for each in self._tx.devices() if each.state is DeviceState.ACCEPTED] if running else []
        if running:
            self._rows = _all_rows(self._tx)
        members = {rollout.id: self._members(rollout, accepted) for rollout in running}
        going = {each.id: self._admitted(each, members[each.id]) for each in running}
        views = [self._admit(self.device_view(device), going) for device in devices]
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
        view = self._without_windows(device)
        if view.desired is None:
            return view
        since = view.desired.finished_unix_s or 0.0
        windows = self._tx.recent_windows(device.id, self._policy.view_windows, since)
        return replace(view, windows=[each for each in windows if each.window.sha256 == view.desired.sha256])

    def _without_windows(self, device: Device) -> DeviceView:
        rollout = self._rollout_of(device)
        rows = self._rows or _rows_of(self._tx, device.id)
        desired, incidents = rows.desired.get(device.id), rows.incidents.get(device.id, ())
        return DeviceView(
            device=device,
            rollout=rollout,
            catalog=self.catalog(rollout.model) if rollout is not None else None,
            placement=rows.placements.get((device.id, rollout.model)) if rollout is not None else None,
            desired=desired,
            sent_unix_s=self._sent.get(device.id),
            variant=self._variant_of(desired),
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
        """Without their windows, which tell nothing of where they stand."""
        return [self._without_windows(device) for device in accepted if self._rollout_of(device) is rollout]

    def _admitted(self, rollout: Rollout, views: Sequence[DeviceView]) -> frozenset[str]:
        return admitted(rollout, [standing(view, self._policy, self._now) for view in views])

    def _admit(self, view: DeviceView, going: Mapping[str, frozenset[str]]) -> DeviceView:
        """In a running rollout the wave decides; a finished one lets its late joiners go at once."""
        if view.rollout is None:
            return view
        late = view.rollout.state is RolloutState.FINISHED
        return replace(view, admitted=late or view.device.id in going.get(view.rollout.id, frozenset()))
