"""Did the loop keep its promise? Each device that can be served is inside its budget as measured there; each other one
was refused for what binds and told what would do; the breach was repaired by the controller alone.

Which device is which stands in its profile, as the label `expected`. How many variants, prunes and seconds it took is
no part of the promise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agent.wire.profile import Profile
from controller.cli.demo.scenes import Observed, Scenes
from controller.core.breach import detect
from controller.core.nouns.calibration import Calibration
from controller.core.nouns.constraint import Constraint
from controller.core.nouns.window import StoredWindow
from controller.core.policy import Policy

_SERVED, _REFUSED_BY = "served", "refused by "


@dataclass(frozen=True, slots=True)
class Expected:
    """What must become of a device: served, or refused by the constraint that `refused_by` names."""

    refused_by: Constraint | None


def expected(profile: Profile) -> Expected:
    """From the label `expected`: `served`, or `refused by thermal`. Raises `ValueError`."""
    said = profile.labels.get("expected", "")
    if said == _SERVED:
        return Expected(None)
    if said.startswith(_REFUSED_BY):
        return Expected(Constraint(said.removeprefix(_REFUSED_BY)))
    raise ValueError(
        f"{profile.device}: label 'expected' is {said!r}; '{_SERVED}' or '{_REFUSED_BY}thermal' is allowed"
    )


def shortcomings(scenes: Scenes) -> list[str]:
    """Everything that was promised and is not so; empty is success."""
    return [wrong for seen in scenes.after.values() for wrong in _of_device(seen)] + [*_of_incident(scenes)]


def within_budget(seen: Observed) -> bool:
    """By the controller's own rule: fewer than k of the newest n windows are outside the budget, and there are some."""
    base = seen.row["calibration"]["ram_base_bytes"]
    stored = [StoredWindow(seen.profile.device, "", 0.0, window) for window in seen.windows]
    calibration = Calibration(ram_base_bytes=base)
    return bool(stored) and detect(seen.profile, calibration, stored, Policy(min_samples=1)) is None


def _of_device(seen: Observed) -> Iterator[str]:
    row, name, binding = seen.row, seen.profile.device, expected(seen.profile).refused_by
    if row["feasible"]:
        if binding is not None:
            yield f"{name} was served, although no model can fit its {binding} budget"
        elif not within_budget(seen):
            yield f"{name} is not within its measured budget"
        return
    if binding is None:
        yield f"{name} was refused, although the smallest artifact fits: {row['reason'] or 'no placement'}"
    elif row["binding"] != binding:
        yield f"{name} was refused by {row['binding']}, but {binding} binds: {row['reason']}"
    if not row["relaxations"]:
        yield f"{name} was refused without saying what would do"


def _of_incident(scenes: Scenes) -> Iterator[str]:
    incident = scenes.incident
    if incident["state"] != "repaired":
        yield f"the incident ended {incident['state']}: {incident['outcome']}"
    elif incident["from_sha256"] == incident["to_sha256"]:
        yield f"the breach was not repaired by another variant: {incident['outcome']}"
