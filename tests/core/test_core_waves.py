"""Which devices may go, and when a rollout moves on, ends or stops."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.muster import Muster
from controller.core.nouns.member import GONE, NOT_IN_WAVES, Member, Standing
from controller.core.nouns.rollout import Rollout, RolloutState
from controller.core.waves import advance, room, size
from tests.core.builders import NOW, always, rollout

LETTERS = {
    "?": Standing.UNPLACED, "i": Standing.INFEASIBLE, "x": Standing.REFUSED, "w": Standing.WAITING, "y": Standing.READY,
    "r": Standing.RUNNING, "k": Standing.SOAKING, "s": Standing.SUCCEEDED, "f": Standing.FAILED,
}  # fmt: skip


def member(at: int, letter: str) -> Member:
    """d00, d01, ... with a letter for the standing. A capital was let go before; so was who was assigned something."""
    stands = LETTERS[letter.lower()]
    gone = letter.isupper() or stands in GONE
    return Member(rollout="r1", device=f"d{at:02}", standing=stands, wave=0 if gone else None)


def fleet(letters: str) -> Muster:
    return Muster(member(at, letter) for at, letter in enumerate(letters))


def going(letters: str, **fields: object) -> list[str]:
    """Who has been let go before, and who is by now."""
    muster = fleet(letters)
    members = [member(at, letter) for at, letter in enumerate(letters)]
    gone = {each.device for each in members if each.wave is not None and each.standing not in NOT_IN_WAVES}
    return sorted(gone | set(muster.next(room(rollout(**fields), muster))))


def after(letters: str, **fields: object) -> Rollout | None:
    return advance(rollout(**fields), fleet(letters), NOW)


def test_a_canary_goes_first_and_then_all() -> None:
    assert going("yyyyy", wave=0) == ["d00"]
    assert going("yyyyy", wave=1) == ["d00", "d01", "d02", "d03", "d04"]


def test_even_the_smallest_share_is_one_device() -> None:
    assert going("yyy", waves=(0.01, 1.0)) == ["d00"]


def test_infeasible_devices_are_no_part_of_a_wave() -> None:
    assert going("iiyyyyy") == ["d02"]
    assert going("ixyyyyy") == ["d02"], "nor is one whose agent speaks another wire"


def test_a_late_joiner_does_not_push_out_the_canary_that_goes_already() -> None:
    assert going("yyryy") == ["d02"]


def test_who_waits_for_a_prune_does_not_hold_up_who_is_ready() -> None:
    assert going("wyyyy") == ["d01"]


def test_a_wave_that_succeeded_lets_the_next_one_go() -> None:
    moved = after("syyyy")
    assert moved is not None
    assert (moved.state, moved.wave, moved.wave_started_unix_s) == (RolloutState.RUNNING, 1, NOW)


@pytest.mark.parametrize("canary", ["w", "y", "r", "k"])
def test_nothing_moves_while_the_wave_is_under_way(canary: str) -> None:
    assert after(canary, waves=(0.5, 1.0)) is None


def test_a_failed_canary_stops_the_rollout_and_is_named() -> None:
    ended = after("fyyyy")
    assert ended is not None
    assert (ended.state, ended.finished_unix_s) == (RolloutState.FAILED, NOW)
    assert "d00" in ended.reason


@pytest.mark.parametrize(("letters", "state"), [("fssss", RolloutState.FINISHED), ("ffsss", RolloutState.FAILED)])
def test_a_fifth_of_the_wave_may_fail(letters: str, state: RolloutState) -> None:
    ended = after(letters, wave=1)
    assert ended is not None
    assert ended.state is state


def test_too_many_failures_stop_it_before_the_wave_has_ended() -> None:
    ended = after("ffrrr", wave=1)
    assert ended is not None
    assert ended.state is RolloutState.FAILED


def test_it_finishes_with_a_count_of_each_standing() -> None:
    ended = after("sssi", wave=1)
    assert ended is not None
    assert (ended.state, ended.reason) == (RolloutState.FINISHED, "1 infeasible, 3 succeeded")


def test_without_a_single_success_it_has_failed_and_says_why() -> None:
    ended = after("ii", wave=1)
    assert ended is not None
    assert (ended.state, ended.reason) == (RolloutState.FAILED, "no device succeeded: 2 infeasible")
    lenient = after("fi", wave=1, max_failures=1.0)
    assert lenient is not None
    assert (lenient.state, lenient.reason) == (RolloutState.FAILED, "no device succeeded: 1 infeasible, 1 failed")


@pytest.mark.parametrize("letters", ["", "s?"])
def test_it_waits_for_members_and_for_each_to_be_fitted(letters: str) -> None:
    assert after(letters, wave=1) is None


@pytest.mark.parametrize("state", [RolloutState.FINISHED, RolloutState.FAILED, RolloutState.ABORTED])
def test_an_ended_rollout_stays_as_it_is(state: RolloutState) -> None:
    assert after("sfyyy", state=state, wave=1) is None


fleets = st.text(alphabet=list(LETTERS), max_size=30)


@always
@given(letters=fleets, share=st.floats(0.01, 1.0))
def test_a_wave_is_its_share_of_the_placed_and_feasible_and_later_waves_hold_it(letters: str, share: float) -> None:
    waves = (share / 2, share, 1.0)
    placed = sum(letters.count(each) for each in "wyrksf")
    first, second, last = (set(going(letters, waves=waves, wave=at)) for at in range(3))
    assert first <= second <= last
    gone, ready = sum(letters.count(each) for each in "rksf"), letters.count("y")
    assert size(rollout(waves=waves, wave=1), fleet(letters)) == max(math.ceil(share * placed - 1e-9), gone)
    assert len(second) == max(min(math.ceil(share * placed - 1e-9), gone + ready), gone)
    assert len(last) == gone + ready, "who waits has nothing to go with"


@always
@given(letters=fleets, at=st.integers(0, 2))
def test_it_never_moves_on_while_a_device_of_the_wave_is_under_way(letters: str, at: int) -> None:
    waves = (0.1, 0.5, 1.0)
    moved = after(letters, waves=waves, wave=at)
    wave = [LETTERS[letters[int(device[1:])]] for device in going(letters, waves=waves, wave=at)]
    if moved is not None and moved.state is not RolloutState.FAILED:
        assert set(wave) <= {Standing.SUCCEEDED, Standing.FAILED}
        assert len(wave) == size(rollout(waves=waves, wave=at), fleet(letters))
        assert wave.count(Standing.FAILED) <= 0.2 * len(wave)


@given(moves=st.lists(st.tuples(st.integers(0, 9), st.sampled_from([*LETTERS, "Y", "W", "I", "left"])), max_size=60))
def test_counts_are_those_of_the_members_however_they_moved(moves: list[tuple[int, str]]) -> None:
    muster, members = Muster(), dict[str, Member]()
    for at, letter in moves:
        moved = member(at, "y" if letter == "left" else letter)
        if letter == "left":
            moved = Member(rollout="r1", device=moved.device, standing=Standing.LEFT, wave=0)
        news = muster.put(moved)
        known = members.get(moved.device)
        assert news == (_place(known) != _place(moved))
        members[moved.device] = moved
    anew = Muster(members.values())
    assert (muster.counts, len(muster), muster.gone, muster.feasible) == (
        anew.counts, len(anew), anew.gone, anew.feasible
    )  # fmt: skip
    assert (
        muster.next(99)
        == anew.next(99)
        == sorted(each for each in members if _place(members[each]) == ("ready", False))
    )
    assert muster.first_failed(99) == sorted(each for each in members if members[each].standing is Standing.FAILED)


def _place(member: Member | None) -> tuple[str, bool] | None:
    return (member.standing.value, member.wave is not None) if member is not None and member.counts else None


def test_nobody_is_told_to_go_twice() -> None:
    muster = fleet("yyy")
    assert muster.next(1) == ["d00"]
    muster.put(member(0, "Y"))
    muster.put(member(0, "w"))  # what was made for it was lost, and is made again
    muster.put(member(0, "Y"))
    assert muster.next(9) == ["d01", "d02"]


def test_who_was_let_go_goes_on_being_counted_with_its_wave() -> None:
    assert going("Yyyyy") == ["d00"]
    assert going("Iyyyy") == ["d01"], "unless nothing fits it any more"
    assert after("Yssss", wave=1) is None


@given(letters=st.text(alphabet="ysi", min_size=1, max_size=20))
def test_a_fleet_on_which_all_goes_well_finishes_unless_nobody_is_feasible(letters: str) -> None:
    made, now = rollout(waves=(0.1, 0.3, 1.0)), list(letters)
    for _ in range(10):
        if made.state is not RolloutState.RUNNING:
            break
        for device in going("".join(now), waves=made.waves, wave=made.wave):
            now[int(device[1:])] = "s"
        made = advance(made, fleet("".join(now)), NOW) or made
    assert made.state is (RolloutState.FINISHED if "s" in now else RolloutState.FAILED)
