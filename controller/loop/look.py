"""The facts of one device -> the view that a decision needs. No query: all of it is in memory."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from controller.core.muster import Muster
from controller.core.nouns.device import Device
from controller.core.nouns.rollout import LIVE, Rollout, RolloutState
from controller.core.nouns.variant import Variant
from controller.core.selector import parse_selector
from controller.core.view import DeviceView
from controller.loop.ledger import Ledger

Facts = tuple[object, ...]
"""All that a fit hangs on while no incident is open, as the very objects: what changes is another object."""


_selector = lru_cache(maxsize=1024)(parse_selector)


def facts_of(view: DeviceView) -> Facts:
    return _facts(view.device, view.rollout, view.catalog, view.placement, view.desired)


class Looker:
    """For one turn: views from what the `ledger` says now, in the rollouts whose members are in `musters`. `fitted` are
    the facts by which devices were fitted last."""

    def __init__(self, ledger: Ledger, musters: Mapping[str, Muster], fitted: Mapping[str, Facts]) -> None:
        self._ledger, self.musters, self._fitted = ledger, musters, fitted
        self._live: list[Rollout] | None = None

    def rollouts_moved(self) -> None:
        """What was remembered of them holds no longer."""
        self._live = None

    def view(self, device: str) -> DeviceView | None:
        known = self._ledger.get_device(device)
        if known is None:
            return None
        ledger, rollout = self._ledger, self.rollout_of(known)
        desired, history = ledger.latest_desired(device), ledger.history(device)
        catalog = None if rollout is None else ledger.catalog(rollout.model)
        placement = None if rollout is None else ledger.placement(device, rollout.model)
        facts = _facts(known, rollout, catalog, placement, desired)
        since = (desired.finished_unix_s or 0.0) if desired is not None else 0.0
        return DeviceView(
            device=known,
            presence=ledger.presence(device),
            rollout=rollout,
            admitted=rollout is not None and self._goes(rollout, device),
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

    def rollout_of(self, device: Device) -> Rollout | None:
        """The newest one, running or finished, that matches it."""
        if self._live is None:
            self._live = self._ledger.rollouts(*LIVE)
        return next((each for each in self._live if _selector(each.selector).matches(device)), None)

    def _variant(self, model: str, sha256: str) -> Variant | None:
        catalog = self._ledger.catalog(model)
        return None if catalog is None else catalog.variant(sha256)

    def _goes(self, rollout: Rollout, device: str) -> bool:
        """In a running rollout the wave decides; a finished one lets its late joiners go at once."""
        if rollout.state is RolloutState.FINISHED:
            return True
        muster = self.musters.get(rollout.id)
        return muster is not None and muster.goes(device)


def _facts(device: Device, *others: object) -> Facts:
    return device.profile, device.calibration, device.reported, device.wire, *others


def _same(facts: Facts, before: Facts | None) -> bool:
    return before is not None and all(one is other for one, other in zip(facts, before, strict=True))
