"""An agent and a controller of different wires: nothing is sent that cannot be read, and everybody is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.wire.errors import Failure
from agent.wire.messages import WIRE, Phase, Reported, Result
from controller.core.actions import Action, Assign, FinishDesired, Place, SendDesired
from controller.core.decide import decide
from controller.core.nouns.member import Standing
from controller.core.policy import Policy
from controller.core.speaks import foreign
from controller.core.standing import standing
from controller.core.view import DeviceView
from tests.core.builders import DENSE, NOW, catalog, desired, device, placement, reported, view

POLICY = Policy(attempts=3, retry_s=60, resend_s=15, soak_s=60)
OLD, NEW = device(wire=1), device(wire=WIRE)
DOWNLOADING = reported(None, None, phase=Phase.DOWNLOADING)
WORDS = "speaks wire 1, this controller speaks 2: update the agent"


def told(made: DeviceView) -> list[Action]:
    return decide(made, POLICY, NOW)


def stands(made: DeviceView) -> Standing:
    return standing(made, POLICY, NOW)


def test_who_is_to_be_updated_is_told() -> None:
    assert foreign(OLD) == WORDS
    assert foreign(device(wire=WIRE + 1)).endswith("update the controller")
    assert foreign(NEW) == foreign(device()) == "", "who has not said is taken to speak ours"


@pytest.mark.parametrize("newest", [None, desired("half"), desired(result=Result.FAILED_NO_CHANGE)])
def test_an_agent_of_another_wire_gets_no_assignment_and_its_placement_says_why(newest: object) -> None:
    waiting = view(device=OLD, desired=newest, reported=None)
    (placed,) = told(waiting)
    assert isinstance(placed, Place)
    assert (placed.placement.feasible, placed.placement.reason) == (True, WORDS)
    made = view(device=OLD, desired=newest, reported=None, placement=placed.placement)
    assert told(made) == []
    assert stands(made) is Standing.REFUSED


def test_once_updated_it_is_assigned_and_nothing_is_said_any_more() -> None:
    (placed,) = told(view(device=NEW, desired=None, reported=None, placement=placement(reason=WORDS)))
    assert isinstance(placed, Place)
    assert placed.placement.reason == ""
    (made,) = told(view(device=NEW, desired=None, reported=None))
    assert isinstance(made, Assign)


def test_what_it_was_given_before_it_still_gets_and_what_it_runs_it_runs() -> None:
    waiting = view(
        device=OLD, desired=desired(result=None, manifest=None), reported=None, placement=placement(reason=WORDS)
    )
    assert told(waiting) == [SendDesired("cam")]
    running = view(device=OLD, desired=desired(manifest=None), placement=placement(reason=WORDS))
    assert told(running) == []
    assert stands(running) is Standing.SUCCEEDED


@pytest.mark.parametrize(
    ("result", "heard"),
    [
        (None, None),
        (None, reported("half", seq=6)),
        (Result.SUCCEEDED, reported(None, None, seq=0, phase=Phase.IDLE)),
        (Result.REJECTED, reported(None, Result.REJECTED, failure=Failure.WIRE)),
    ],
)
def test_what_an_updated_agent_can_no_longer_read_is_made_anew(result: Result | None, heard: Reported | None) -> None:
    (made,) = told(view(device=NEW, desired=desired(result=result, manifest=None), reported=heard))
    assert isinstance(made, Assign)
    assert made.attempts == 1, "the attempt is the same"


def test_what_an_updated_agent_has_taken_up_it_ends() -> None:
    assert told(view(device=NEW, desired=desired(result=None, manifest=None), reported=DOWNLOADING)) == []
    assert told(view(device=NEW, desired=desired(manifest=None))) == []
    refused = reported(None, Result.REJECTED, failure=Failure.MEMORY)
    failed = desired(result=Result.REJECTED, manifest=None)
    assert told(view(device=NEW, desired=failed, reported=refused)) == [], "wire 2 needs no less memory"


def test_an_agent_that_refuses_the_wire_that_it_claims_to_speak_is_not_sent_more_and_more() -> None:
    refused = reported(None, Result.REJECTED, failure=Failure.WIRE, reason="no")
    (ended,) = told(view(device=NEW, desired=desired(result=None), reported=refused))
    assert ended == FinishDesired("cam", 1, 7, Result.REJECTED, "wire: no")
    made = view(device=NEW, desired=desired(result=Result.REJECTED), reported=refused)
    assert told(made) == []
    assert stands(made) is Standing.FAILED


def test_what_was_sent_before_it_said_what_it_speaks_is_no_failure_and_is_tried_again_once_it_is_updated() -> None:
    unreadable = reported(None, Result.REJECTED, failure=Failure.BAD_DIGEST, reason="0 block digests, 3 expected")
    failed = desired(result=Result.REJECTED, finished_unix_s=NOW - 60)
    made = view(device=OLD, desired=failed, reported=unreadable, placement=placement(reason=WORDS))
    assert stands(made) is Standing.REFUSED
    assert told(made) == []
    again = reported(None, None, seq=0, epoch=0, phase=Phase.IDLE)
    (retried,) = told(view(device=NEW, desired=failed, reported=again))
    assert isinstance(retried, Assign)


def test_where_nothing_fits_that_is_the_reason() -> None:
    below = catalog(variants=(replace(DENSE, accuracy=0.5),))
    (placed,) = told(view(device=OLD, catalog=below, placement=None, desired=None, reported=None))
    assert isinstance(placed, Place)
    assert not placed.placement.feasible
    assert placed.placement.reason != WORDS
