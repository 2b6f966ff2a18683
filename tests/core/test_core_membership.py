"""Which rollout owns a device, which one it joins, and where it stands."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.messages import Result
from controller.core.membership import holds, join, joins, stand
from controller.core.nouns.desired import Desired
from controller.core.nouns.device import Device, DeviceState
from controller.core.nouns.incident import IncidentState
from controller.core.nouns.member import Member, Standing
from controller.core.nouns.rollout import LIVE, Rollout, RolloutState
from controller.core.policy import Policy
from controller.core.view import DeviceView
from tests.core.builders import NOW, always, desired, device, incident, placement, reported, rollout, view

POLICY = Policy(attempts=3, retry_s=60, resend_s=15, soak_s=60)
RUNNING, FINISHED, FAILED, ABORTED = RolloutState


def matches(rollout: Rollout, device: Device) -> bool:
    return rollout.selector == "" or rollout.selector == device.labels.get("site")


def rollouts(*states_and_sites: tuple[RolloutState, str]) -> list[Rollout]:
    """r1, r2, ... from the oldest on."""
    return [rollout(id=f"r{at}", state=state, selector=site) for at, (state, site) in enumerate(states_and_sites, 1)]


def joined(known: list[Rollout], owning: str | None, site: str = "north", state: DeviceState = DeviceState.ACCEPTED):  # type: ignore[no-untyped-def]
    live = [each for each in reversed(known) if each.state in LIVE]
    found = joins(
        replace(device(), labels={"site": site}, state=state),
        next((each for each in known if each.id == owning), None),
        live,
        matches,
    )
    return None if found is None else found.id


@pytest.mark.parametrize(
    ("known", "owning", "expected"),
    [
        ([(FINISHED, ""), (RUNNING, "")], None, "r2"),
        ([(FINISHED, ""), (RUNNING, "south")], None, "r1"),
        ([(FINISHED, ""), (RUNNING, "")], "r1", "r2"),
        ([(FINISHED, ""), (RUNNING, "")], "r2", None),
        ([(FINISHED, ""), (ABORTED, "")], "r2", None),
        ([(FINISHED, ""), (FAILED, "")], "r2", None),
        ([(FINISHED, ""), (ABORTED, "")], "r1", None),
        ([(FINISHED, ""), (ABORTED, "")], None, "r1"),
        ([(FINISHED, ""), (ABORTED, ""), (RUNNING, "north")], "r2", "r3"),
        ([(FINISHED, "north"), (RUNNING, "south")], "r2", "r1"),
        ([(FINISHED, "west"), (RUNNING, "south")], "r2", None),
        ([(RUNNING, ""), (FINISHED, "north"), (RUNNING, "south")], "r3", "r2"),
    ],
)
def test_the_newest_that_matches_and_no_older_one_than_its_owner(
    known: list[tuple[RolloutState, str]], owning: str | None, expected: str | None
) -> None:
    assert joined(rollouts(*known), owning) == expected
    for state in (DeviceState.PENDING, DeviceState.REVOKED):
        assert joined(rollouts(*known), owning, state=state) is None


fleets = st.lists(st.tuples(st.sampled_from(RolloutState), st.sampled_from(["", "north", "south"])), max_size=6)


@always
@given(fleets, st.none() | st.integers(1, 6), st.sampled_from(["north", "south", "west"]))
def test_who_joined_stays_where_it_is_held(
    known: list[tuple[RolloutState, str]], owning: int | None, site: str
) -> None:
    made, named = rollouts(*known), None if owning is None else f"r{owning}"
    found = joined(made, named, site)
    if found is None:
        return
    assert joined(made, found, site) is None
    assert holds(made[int(found[1:]) - 1], replace(device(), labels={"site": site}), matches)


FAILED_HERE = Member(rollout="r1", device="cam", standing=Standing.FAILED, attempt=1)
FELL_BACK = device(reported=reported("dense", Result.REJECTED))


@pytest.mark.parametrize(
    ("made", "member", "newest", "expected"),
    [
        (FELL_BACK, FAILED_HERE, desired("half", Result.REJECTED), False),
        (FELL_BACK, FAILED_HERE, desired("dense", rollout=None), False),
        (FELL_BACK, replace(FAILED_HERE, standing=Standing.RUNNING), desired("half", Result.REJECTED), True),
        (FELL_BACK, FAILED_HERE, desired("half", None), True),
        (FELL_BACK, FAILED_HERE, desired("dense"), True),
        (FELL_BACK, replace(FAILED_HERE, attempt=0), desired("dense", rollout="r0"), True),
        (device(reported=reported(None, Result.REJECTED)), FAILED_HERE, desired("half", Result.REJECTED), True),
        (device(), FAILED_HERE, None, True),
    ],
)
def test_a_rollout_that_has_finished_lets_go_of_who_failed_and_fell_back(
    made: Device, member: Member, newest: Desired | None, expected: bool
) -> None:
    assert holds(rollout(state=FINISHED), made, matches, member, newest) is expected
    assert holds(rollout(), made, matches, member, newest), "one that runs goes on trying"
    assert not holds(rollout(state=ABORTED), made, matches, member, newest)


@pytest.mark.parametrize(
    ("state", "stood", "expected"),
    [
        (RUNNING, Standing.SUCCEEDED, Standing.LEFT),
        (RUNNING, Standing.WAITING, Standing.LEFT),
        (FINISHED, Standing.SUCCEEDED, Standing.SUCCEEDED),
        (FINISHED, Standing.INFEASIBLE, Standing.INFEASIBLE),
        (ABORTED, Standing.READY, Standing.LEFT),
        (FAILED, Standing.FAILED, Standing.FAILED),
    ],
)
def test_what_stays_of_a_device_in_the_rollout_before(state: RolloutState, stood: Standing, expected: Standing) -> None:
    older, newer = rollout(id="r1", state=state), rollout(id="r2")
    was = Member(rollout="r1", device="cam", standing=stood, wave=0, since_unix_s=5.0, reason="why")
    told = join(device(), [newer], matches, NOW, owning=older, member=was)
    assert told is not None
    assert (told.owner.rollout, told.owner.before, told.owner.since_unix_s) == ("r2", "r1", NOW)
    assert told.member == Member(rollout="r2", device="cam", since_unix_s=NOW)
    left = told.left or was
    assert (left.standing, left.wave) == (expected, 0)
    assert (told.left is None) is (expected is not Standing.LEFT), "what is no news is not written"


def member(made: DeviceView, now_unix_s: float = NOW) -> Member:
    """As it is written down; and once it is, there is nothing more to write."""
    made = made if made.owner is not None else replace(made, owner=made.rollout)
    found = stand(made, POLICY, now_unix_s)
    assert found is not None
    assert stand(replace(made, member=found), POLICY, now_unix_s) is None
    return found


def test_a_member_says_why_it_does_not_get_on_and_when_time_will_tell() -> None:
    waiting = member(view(desired=None, placement=placement(None, waiting_for="caps", reason="being pruned")))
    assert (waiting.standing, waiting.reason, waiting.wave, waiting.attempt) == (
        Standing.WAITING,
        "being pruned",
        None,
        0,
    )
    infeasible = member(view(placement=placement(None, feasible=False, reason="too small")))
    assert (infeasible.standing, infeasible.reason) == (Standing.INFEASIBLE, "too small")
    running = member(view(desired=desired(result=None, issued_unix_s=NOW - 5, attempts=2)))
    assert (running.standing, running.due_unix_s, running.attempt, running.wave) == (Standing.RUNNING, NOW + 595, 2, 0)
    silent = member(view(desired=desired(result=None, issued_unix_s=NOW - 700)))
    assert (silent.standing, silent.reason) == (Standing.FAILED, "no answer within 10 min")
    soaking = member(view(desired=desired(finished_unix_s=NOW - 10)))
    assert (soaking.standing, soaking.due_unix_s, soaking.reason) == (Standing.SOAKING, NOW + 50, "")
    unrepaired = member(view(past_incidents=[
        incident(state=IncidentState.UNREPAIRED, closed_unix_s=NOW - 50, outcome="nothing fits")
    ]))  # fmt: skip
    assert (unrepaired.standing, unrepaired.reason) == (Standing.FAILED, "incident i1: nothing fits")


def test_a_wave_is_never_taken_back_and_since_is_when_it_came_to_its_standing() -> None:
    made = view(desired=None, rollout=rollout(wave=1))
    went = Member(rollout="r1", device="cam", standing=Standing.READY, wave=0, since_unix_s=5.0)
    lost = replace(made, owner=made.rollout, member=went, placement=placement(None, waiting_for="caps"))
    assert member(lost) == replace(went, standing=Standing.WAITING, since_unix_s=NOW)
    assert stand(replace(made, owner=made.rollout, member=went), POLICY, NOW) is None
    assert member(view(rollout=rollout(wave=1))).wave == 1, "who runs it already was let go by the wave that saw it"


def test_who_is_not_held_has_left_a_running_rollout_and_ends_as_it_was_begun_in_one_that_ended() -> None:
    unheld = view(rollout=None, owner=rollout())
    assert (member(unheld).standing, member(unheld).reason) == (Standing.LEFT, "its labels match no more")
    revoked = replace(unheld, device=device(state=DeviceState.REVOKED))
    assert member(revoked).reason == "it is revoked"
    aborted = rollout(state=ABORTED)
    for told, expected in (
        (desired(result=None, issued_unix_s=NOW - 10), Standing.RUNNING),
        (desired(result=None, issued_unix_s=NOW - 1e6), Standing.FAILED),
        (desired(result=Result.REJECTED, reason="golden"), Standing.FAILED),
        (desired(finished_unix_s=NOW - 10), Standing.SOAKING),
        (desired(), Standing.SUCCEEDED),
    ):
        assert member(replace(unheld, owner=aborted, desired=told)).standing is expected
    stood = Member(rollout="r1", device="cam", standing=Standing.READY)
    kept = replace(unheld, owner=aborted, member=stood, desired=desired(rollout="r0"))
    assert stand(kept, POLICY, NOW) is None, "as it stood when that ended"


def test_a_device_that_nobody_owns_stands_nowhere() -> None:
    assert stand(view(rollout=None), POLICY, NOW) is None
