"""Above a device's mark: always above both, and never led astray by a mark that nobody can have issued."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.wire.messages import Result
from controller.core.actions import Assign, FinishDesired, SendDesired
from controller.core.decide import decide
from controller.core.mark import FOLLOWED_EPOCHS, FOLLOWED_SEQS, next_mark
from controller.core.policy import Policy
from tests.core.builders import NOW, always, desired, reported, view

numbers = st.integers(0, 2**63 - 1)
POLICY = Policy()


@always
@given(ours=st.tuples(st.integers(1, 2**31), st.integers(1, 2**53)), theirs=st.tuples(numbers, numbers))
def test_the_next_is_above_ours_and_the_devices_unless_that_is_too_far_ahead(
    ours: tuple[int, int], theirs: tuple[int, int]
) -> None:
    made = next_mark(1, ours, reported(epoch=theirs[0], seq=theirs[1]))
    assert made > ours
    assert made[0] - ours[0] <= FOLLOWED_EPOCHS
    assert made[1] - ours[1] <= FOLLOWED_SEQS + 1
    if theirs[0] - ours[0] <= FOLLOWED_EPOCHS and theirs[1] - ours[1] <= FOLLOWED_SEQS:
        assert made > theirs


def test_without_news_it_is_the_next_seq_at_the_controllers_epoch_or_above() -> None:
    assert next_mark(1, (0, 0), None) == (1, 1)
    assert next_mark(1, (1, 7), reported(epoch=1, seq=7)) == (1, 8)
    assert next_mark(4, (1, 7), None) == (4, 8)
    assert next_mark(1, (3, 7), None) == (3, 8)


def test_what_a_device_will_refuse_is_not_sent_again_but_made_anew() -> None:
    ahead = view(reported=reported("half", seq=9), sent_unix_s=NOW - 100)
    (made,) = decide(ahead, POLICY, NOW)
    assert isinstance(made, Assign)
    assert made.attempts == 2
    just_now = view(reported=reported("half", seq=9), sent_unix_s=NOW - 1)
    assert decide(just_now, POLICY, NOW) == []


def test_a_mark_too_far_ahead_or_ahead_after_each_attempt_is_given_up_with_the_reason() -> None:
    for far in (reported("half", seq=2**53), reported("half", epoch=5000, seq=1)):
        for before in (desired(), desired(result=None)):
            (ended,) = decide(view(desired=before, reported=far, sent_unix_s=NOW), POLICY, NOW)
            assert isinstance(ended, FinishDesired)
            assert ended.result == Result.REJECTED
            assert "too far to be followed" in ended.reason
    ever = desired(result=None, attempts=POLICY.attempts)
    (ended,) = decide(view(desired=ever, reported=reported(seq=9), sent_unix_s=NOW), POLICY, NOW)
    assert isinstance(ended, FinishDesired)
    assert ended.reason == "stale: the device reports the mark (1, 9), above (1, 7) after 3 attempts"


def test_of_what_was_given_up_nothing_is_sent() -> None:
    spent = desired(result=Result.REJECTED, attempts=POLICY.attempts)
    told = decide(view(desired=spent, reported=reported("half", seq=2**53)), POLICY, NOW)
    assert not any(isinstance(each, SendDesired | Assign) for each in told)
