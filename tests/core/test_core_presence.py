"""Who is there: what is said now proves it, what a broker remembers does not, and a silence has its patience."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.messages import Status
from controller.core.policy import Policy
from controller.core.presence import NEVER, Contact, Presence, Word, patience_s, presence, spoke, told

POLICY = Policy(quiet_windows=4, quiet_least_s=20, default_window_s=30, default_hold_s=900)
NOW = 10_000.0


def status(online: bool = True, **figures: float | None) -> Status:
    return Status(device="cam", boot="b", online=online, **figures)


@pytest.mark.parametrize(
    ("before", "message", "live", "expected"),
    [
        (NEVER, status(), True, Presence.ONLINE),
        (NEVER, status(), False, Presence.UNKNOWN),  # the broker may remember one that died with it
        (NEVER, status(online=False), True, Presence.OFFLINE),
        (NEVER, status(online=False), False, Presence.OFFLINE),
        (spoke(NEVER, NOW), status(), False, Presence.ONLINE),
        (spoke(NEVER, NOW), status(online=False), False, Presence.OFFLINE),  # what is remembered is as of now
        (Contact(Word.LIVE_OFFLINE), status(), False, Presence.UNKNOWN),
        (Contact(Word.RETAINED_OFFLINE), status(), True, Presence.ONLINE),
    ],
)
def test_what_a_status_tells(before: Contact, message: Status, live: bool, expected: Presence) -> None:
    assert presence(told(before, message, NOW, live=live), POLICY, NOW) is expected


def test_nobody_is_there_of_whom_nothing_was_heard() -> None:
    assert presence(NEVER, POLICY, NOW) is Presence.UNKNOWN


@pytest.mark.parametrize(
    ("figures", "patience"),
    [
        ({"window_s": 30.0, "hold_s": 0.0}, 120.0),
        ({"window_s": 30.0, "hold_s": 900.0}, 1020.0),
        ({"window_s": 1.0, "hold_s": 0.0}, 20.0),
        ({}, 1020.0),  # an older agent: on battery it holds windows back and does not say so
        ({"window_s": math.nan, "hold_s": -1.0}, 1020.0),
        ({"window_s": 1e300, "hold_s": math.inf}, 1020.0),
    ],
)
def test_a_device_is_quiet_once_it_has_missed_windows_beyond_what_it_may_hold_back(
    figures: dict[str, float], patience: float
) -> None:
    contact = told(NEVER, status(**figures), NOW, live=True)
    assert patience_s(contact, POLICY) == patience
    assert presence(contact, POLICY, NOW + patience) is Presence.ONLINE
    assert presence(contact, POLICY, NOW + patience + 0.1) is Presence.QUIET
    assert presence(spoke(contact, NOW + 5000), POLICY, NOW + 5000) is Presence.ONLINE


messages = st.tuples(
    st.sampled_from(["live online", "live offline", "retained online", "retained offline", "window"]),
    st.floats(0, 1000),
)


@given(st.lists(messages, max_size=8), st.floats(0, 1e6))
def test_online_is_only_who_said_something_within_its_patience_and_no_goodbye_since(
    heard: list[tuple[str, float]], later_s: float
) -> None:
    contact, now_s, spoke_s = NEVER, 0.0, -math.inf
    for what, passed_s in heard:
        now_s += passed_s
        if what == "window":
            contact, spoke_s = spoke(contact, now_s), now_s
            continue
        live, online = what.startswith("live"), what.endswith("online")
        contact = told(contact, status(online, window_s=30.0, hold_s=0.0), now_s, live=live)
        spoke_s = now_s if live and online else spoke_s if online else -math.inf
    now_s += later_s
    expected = now_s - spoke_s <= patience_s(contact, POLICY)
    assert (presence(contact, POLICY, now_s) is Presence.ONLINE) is expected
