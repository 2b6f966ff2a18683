"""The device's mark, the highest (epoch, seq) that it has ever obeyed: nothing at or below it is obeyed again.

A database that was restored from a backup, or a new one, is behind the marks of its devices. Each device says its own
in what it reports, and the next assignment for it goes above. What is reported is not signed, so a mark is followed
only a bounded way: forged ones, once in `resend_s` at most, would take millions of years to use the numbers up.
"""

from __future__ import annotations

from agent.wire.errors import Failure
from agent.wire.messages import Reported
from controller.core.nouns.desired import Desired
from controller.core.policy import Policy
from controller.core.standing import failed

FOLLOWED_EPOCHS = 1000
FOLLOWED_SEQS = 2**20

Mark = tuple[int, int]


def overtaken(reported: Reported | None, desired: Desired) -> bool:
    """The device remembers a newer assignment than our newest, which it refuses for ever."""
    return reported is not None and (reported.epoch, reported.seq) > (desired.epoch, desired.seq)


def plausible(reported: Reported, known: Mark) -> bool:
    """Not further above what we know to have issued than a lost day, or month, of assignments explains."""
    return reported.epoch - known[0] <= FOLLOWED_EPOCHS and reported.seq - known[1] <= FOLLOWED_SEQS


def given_up(reported: Reported, desired: Desired, policy: Policy) -> str | None:
    """Why an assignment below the device's mark has failed for good; None while one above the mark may still help.

    A mark that is too far ahead, or ahead again after every attempt, is no memory that was lost here.
    """
    ours, mark = (desired.epoch, desired.seq), (reported.epoch, reported.seq)
    followed = plausible(reported, ours)
    if failed(desired) or (followed and (desired.result is not None or desired.attempts < policy.attempts)):
        return None
    why = f"after {desired.attempts} attempts" if followed else "too far to be followed"
    return f"{Failure.STALE}: the device reports the mark {mark}, above {ours} {why}"


def known_mark(epoch: int, issued: Mark, reported: Reported | None) -> Mark:
    """Nothing above it was ever obeyed: our newest assignment's, which is `issued`, and a plausible one of the device.

    `epoch` is the controller's own, the least that it issues.
    """
    known = (max(epoch, issued[0]), issued[1])
    if reported is None or not plausible(reported, known):
        return known
    return max(known[0], reported.epoch), max(known[1], reported.seq)


def next_mark(epoch: int, issued: Mark, reported: Reported | None) -> Mark:
    """The (epoch, seq) of a device's next assignment."""
    known = known_mark(epoch, issued, reported)
    return known[0], known[1] + 1
