"""A device that no rollout holds keeps what it runs, and is watched like any other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent.wire.errors import Failure
from agent.wire.messages import Result
from controller.core.actions import Action, Assign, OpenIncident, Place, QueuePrune
from controller.core.decide import decide
from controller.core.nouns.calibration import Calibration
from controller.core.nouns.device import DeviceState
from controller.core.nouns.rollout import RolloutState
from controller.core.policy import Policy
from controller.core.presence import Presence
from controller.core.view import DeviceView
from tests.core.builders import NOW, desired, placement, profile, reported, rollout, view, windows

POLICY = Policy(attempts=3, retry_s=60, resend_s=15, soak_s=60)
ABORTED = rollout(id="r2", state=RolloutState.ABORTED)
TIGHT = profile(deadline_s=0.009)  # the half fits, the dense does not
FELL_BACK = {
    "desired": desired("half", Result.REJECTED, rollout="r2"),
    "reported": reported("dense", Result.REJECTED, failure=Failure.GOLDEN),
}


def unheld(**fields: Any) -> DeviceView:
    return view(**{"rollout": None, "owner": ABORTED, **fields})


def told(made: DeviceView) -> list[Action]:
    return decide(made, POLICY, NOW)


def only(actions: list[Action]) -> Action:
    assert len(actions) == 1, actions
    return actions[0]


def placed(made: DeviceView) -> DeviceView:
    (action,) = (each for each in told(made) if isinstance(each, Place))
    return replace(made, placement=action.placement)


@pytest.mark.parametrize("known", [placement("half", rollout="r2"), placement(None, waiting_for="caps"), None])
def test_what_runs_stays_whatever_was_placed_before(known: Any) -> None:
    kept = placed(unheld(placement=known))
    assert kept.placement is not None
    assert (kept.placement.sha256, kept.placement.waiting_for, kept.placement.feasible) == ("dense", None, True)
    assert told(kept) == []


def test_what_is_smaller_than_it_need_be_stays_as_well() -> None:
    kept = placed(unheld(placement=None, desired=desired("quarter"), reported=reported("quarter")))
    assert kept.placement is not None
    assert kept.placement.sha256 == "quarter"
    assert told(kept) == []


def test_a_breach_opens_an_incident() -> None:
    slow = windows(5, latency_p50_ms=50.0, latency_p95_ms=60.0)
    opened = only(told(unheld(profile=profile(deadline_s=0.02), windows=slow)))
    assert isinstance(opened, OpenIncident)
    assert opened.incident.from_variant == "dense"


def test_where_it_fits_no_more_another_variant_of_its_model_goes_out_for_no_rollout() -> None:
    smaller = placed(unheld(profile=TIGHT))
    assert smaller.placement is not None
    assert smaller.placement.sha256 == "half"
    assigned = only(told(smaller))
    assert isinstance(assigned, Assign)
    assert (assigned.sha256, assigned.rollout, assigned.attempts) == ("half", None, 1)


def test_where_none_fits_one_is_made() -> None:
    queued, place = told(unheld(profile=profile(deadline_s=0.002), calibration=Calibration(slowness=1.0)))
    assert isinstance(queued, QueuePrune)
    assert isinstance(place, Place)
    assert place.placement.waiting_for == queued.prune.key


def test_what_it_fell_back_to_is_assigned_as_it_runs_already() -> None:
    kept = placed(unheld(placement=placement("half", rollout="r2"), **FELL_BACK))
    assert kept.placement is not None
    assert kept.placement.sha256 == "dense"
    again = only(told(kept))
    assert isinstance(again, Assign)
    assert (again.sha256, again.rollout, again.attempts) == ("dense", None, 1)


def test_a_repair_that_fails_is_given_up_after_its_attempts() -> None:
    last = desired("half", Result.REJECTED, rollout=None, attempts=POLICY.attempts)
    tried = unheld(profile=TIGHT, placement=placement("half"), desired=last, reported=reported(None, Result.REJECTED))
    assert not any(isinstance(each, Assign) for each in told(tried))


@pytest.mark.parametrize("said", [None, reported(None, Result.REJECTED, failure=Failure.GOLDEN)])
@pytest.mark.parametrize("newest", [None, FELL_BACK["desired"]])
def test_nothing_goes_out_to_a_device_on_which_nothing_runs(newest: Any, said: Any) -> None:
    bare = unheld(desired=newest, reported=said, catalog=None, placement=None)
    assert told(replace(bare, presence=Presence.ONLINE)) == []


def test_a_revoked_device_is_left_in_peace() -> None:
    made = unheld(profile=TIGHT)
    assert told(replace(made, device=replace(made.device, state=DeviceState.REVOKED))) == []
