"""Is a device there? From what was last heard of its connection, and how long ago by a clock that does not jump.

A broker remembers what a device last said of itself, also of one that died with it. So what is retained is believed
where it says that a device is gone, and proves nothing where it says that one is there: only what is said now does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from agent.wire.messages import Status
from agent.wire.ranges import believed
from controller.core.policy import Policy


class Presence(StrEnum):
    """*Quiet*: it was there, and has missed windows since. *Unknown*: nothing was heard since our link came up."""

    ONLINE = "online"
    QUIET = "quiet"
    UNKNOWN = "unknown"
    OFFLINE = "offline"


class Word(StrEnum):
    """What was last heard of a device's connection."""

    NOTHING = "nothing"
    LIVE_ONLINE = "live online"
    LIVE_OFFLINE = "live offline"
    RETAINED_ONLINE = "retained online"
    RETAINED_OFFLINE = "retained offline"


@dataclass(frozen=True, slots=True)
class Contact:
    """`live_s` is when the device was last heard live, by the controller's steady clock. `window_s` and `hold_s` are
    how long its windows are and how much longer it may say nothing, None where its agent does not tell."""

    word: Word = Word.NOTHING
    live_s: float = -math.inf
    window_s: float | None = None
    hold_s: float | None = None


NEVER = Contact()


def presence(contact: Contact, policy: Policy, now_s: float) -> Presence:
    match contact.word:
        case Word.LIVE_OFFLINE | Word.RETAINED_OFFLINE:
            return Presence.OFFLINE
        case Word.LIVE_ONLINE:
            return Presence.ONLINE if now_s - contact.live_s <= patience_s(contact, policy) else Presence.QUIET
        case Word.NOTHING | Word.RETAINED_ONLINE:
            return Presence.UNKNOWN


def patience_s(contact: Contact, policy: Policy) -> float:
    """How long a device that is there may say nothing."""
    window_s = policy.default_window_s if contact.window_s is None else contact.window_s
    hold_s = policy.default_hold_s if contact.hold_s is None else contact.hold_s
    return hold_s + max(policy.quiet_windows * window_s, policy.quiet_least_s)


def spoke(contact: Contact, now_s: float) -> Contact:
    """After anything that the device said now, but for a goodbye."""
    return replace(contact, word=Word.LIVE_ONLINE, live_s=now_s)


def told(contact: Contact, status: Status, now_s: float, *, live: bool) -> Contact:
    """After its status: said now, or what the broker remembers of it.

    The last will is the broker's word, and has no figures. Who was heard live stays so whatever is remembered of him,
    save that he is gone: the broker tells that as of now.
    """
    if not status.online:
        return replace(contact, word=Word.LIVE_OFFLINE if live else Word.RETAINED_OFFLINE)
    window_s, hold_s = believed("window_s", status.window_s), believed("hold_s", status.hold_s)
    known = replace(contact, window_s=window_s, hold_s=hold_s)
    if live:
        return spoke(known, now_s)
    return known if contact.word is Word.LIVE_ONLINE else replace(known, word=Word.RETAINED_ONLINE)
