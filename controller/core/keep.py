"""What becomes of a device that no rollout holds, as its rollout failed or was aborted, or matches it no more.

It keeps what it runs, and nothing else goes out to it; but it is watched like any, and what it runs is kept inside its
budget: where that fits no more, another variant of the same model is found or made.
"""

from __future__ import annotations

from dataclasses import replace

from agent.wire.messages import Reported
from controller.core.actions import Action, Place
from controller.core.bounds import binding_constraint
from controller.core.catalog import Catalog
from controller.core.fit import Fit, Fitted, fit
from controller.core.incumbent import inside
from controller.core.nouns.constraint import Constraint
from controller.core.nouns.desired import Desired
from controller.core.nouns.variant import Variant
from controller.core.place import placement_of, same, wanted
from controller.core.policy import Policy
from controller.core.standing import failed
from controller.core.view import DeviceView


def runs(desired: Desired | None, reported: Reported | None) -> str | None:
    """The sha256 of what the device was told to run; after a failure of what it fell back to."""
    if desired is None:
        return None
    if failed(desired):
        return None if reported is None else reported.sha256
    return desired.sha256


def keep(view: DeviceView, policy: Policy, now_unix_s: float) -> list[Action]:
    """Place the device with what it runs; where that fits no more, with what does."""
    if view.fitted or view.rollout is not None or view.catalog is None:
        return []
    found = _kept(view, view.catalog, policy) or _repaired(view, view.catalog, policy)
    old, new = view.placement, placement_of(view.device.id, view.catalog.model.ref, found, now_unix_s)
    if old is not None:
        new = replace(new, rollout=old.rollout, offered=old.offered)
    return [*wanted(view, found, policy), *([] if same(old, new) else [Place(new)])]


def _repaired(view: DeviceView, catalog: Catalog, policy: Policy) -> Fit:
    """Nothing is made beside what fits: nobody would offer it."""
    found = fit(view.device.profile, view.device.calibration, catalog, policy.attempts)
    return replace(found, prune=None) if isinstance(found, Fitted) else found


def _being_replaced(view: DeviceView, variant: Variant) -> bool:
    """An incident has found something else for the device, or waits for it: until it is closed that holds."""
    return view.incident is not None and view.placement is not None and view.placement.sha256 != variant.sha256


def _kept(view: DeviceView, catalog: Catalog, policy: Policy) -> Fitted | None:
    variant = catalog.variant(runs(view.desired, view.device.reported) or "")
    if variant is not None and _being_replaced(view, variant):
        return None
    envelope = None if variant is None else inside(view, variant, policy)
    if variant is None or envelope is None:
        return None
    dense = catalog.of_runtime(variant.runtime).dense
    profile, calibration = view.device.profile, view.device.calibration
    binding = Constraint.NONE if dense is None else binding_constraint(profile, calibration, envelope, dense)
    return Fitted(variant, binding, envelope)
