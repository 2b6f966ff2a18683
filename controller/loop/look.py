"""The facts of one device -> the view that a decision needs. No query: all of it is in memory."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from controller.core.keep import runs
from controller.core.membership import Join, holds, join
from controller.core.nouns.desired import Desired
from controller.core.nouns.device import Device
from controller.core.nouns.member import Member
from controller.core.nouns.rollout import LIVE, Rollout, RolloutState
from controller.core.nouns.variant import Variant
from controller.core.selector import Selector, parse_selector
from controller.core.view import DeviceView
from controller.loop.ledger import Ledger

Facts = tuple[object, ...]
"""All that a fit hangs on while no incident is open, as the very objects: what changes is another object."""


_selector = lru_cache(maxsize=1024)(parse_selector)


def selector_of(rollout: Rollout) -> Selector:
    return _selector(rollout.selector)


def facts_of(view: DeviceView) -> Facts:
    return _facts(view.device, view.rollout, view.catalog, view.placement, view.desired)


class Looker:
    """For one turn: views from what the `ledger` says now. `fitted` are the facts by which devices were fitted last."""

    def __init__(self, ledger: Ledger, fitted: Mapping[str, Facts]) -> None:
        self._ledger, self._fitted = ledger, fitted
        self._live: list[Rollout] | None = None

    def rollouts_moved(self) -> None:
        """What was remembered of them holds no longer."""
        self._live = None

    def joining(self, device: str, now_unix_s: float) -> Join | None:
        """Does it join another rollout than the one that owns it?"""
        known = self._ledger.get_device(device)
        if known is None:
            return None
        if self._live is None:
            self._live = self._ledger.rollouts(*LIVE)
        owning, member = self._owning(device), self._ledger.member(device)
        return join(known, self._live, _matches, now_unix_s, owning=owning, member=member)

    def view(self, device: str) -> DeviceView | None:
        known = self._ledger.get_device(device)
        if known is None:
            return None
        ledger, owning, member = self._ledger, self._owning(device), self._ledger.member(device)
        desired, history = ledger.latest_desired(device), ledger.history(device)
        held = owning is not None and holds(owning, known, _matches, member, desired)
        rollout = owning if held else None
        model = self._kept_model(known, desired) if rollout is None else rollout.model
        catalog = None if model is None else ledger.catalog(model)
        placement = None if model is None else ledger.placement(device, model)
        facts = _facts(known, rollout, catalog, placement, desired)
        since = (desired.finished_unix_s or 0.0) if desired is not None else 0.0
        return DeviceView(
            device=known,
            presence=ledger.presence(device),
            linked_unix_s=ledger.linked_unix_s,
            owner=owning,
            member=member,
            rollout=rollout,
            admitted=_goes(rollout, member),
            catalog=catalog,
            placement=placement,
            desired=desired,
            sent_unix_s=ledger.sent(device),
            variant=None if desired is None else self._variant(desired.model, desired.sha256),
            windows=[each for each in ledger.windows(device) if each.received_unix_s >= since],
            incident=history.open,
            past_incidents=history.past,
            fitted=history.open is None and _same(facts, self._fitted.get(device)),
        )

    def _owning(self, device: str) -> Rollout | None:
        owner = self._ledger.owner(device)
        return None if owner is None else self._ledger.get_rollout(owner.rollout)

    def _kept_model(self, device: Device, desired: Desired | None) -> str | None:
        """The model of what it runs."""
        sha256 = runs(desired, device.reported)
        if desired is None or sha256 is None or sha256 == desired.sha256:
            return None if desired is None or sha256 is None else desired.model
        models = (desired.model, *self._ledger.model_refs())
        return next((each for each in models if self._ledger.get_variant(each, sha256) is not None), None)

    def _variant(self, model: str, sha256: str) -> Variant | None:
        catalog = self._ledger.catalog(model)
        return None if catalog is None else catalog.variant(sha256)


def _matches(rollout: Rollout, device: Device) -> bool:
    return selector_of(rollout).matches(device)


def _goes(rollout: Rollout | None, member: Member | None) -> bool:
    """In a running rollout the wave decides; a finished one lets its late joiners go at once."""
    if rollout is None or rollout.state is RolloutState.FINISHED:
        return True
    return member is not None and member.wave is not None


def _facts(device: Device, *others: object) -> Facts:
    return device.profile, device.calibration, device.reported, device.wire, *others


def _same(facts: Facts, before: Facts | None) -> bool:
    return before is not None and all(one is other for one, other in zip(facts, before, strict=True))
