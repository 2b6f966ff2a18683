from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.errors import Failure, WireError
from agent.wire.messages import LEAF_TYPES, MAX_BYTES, Phase, Reported, Status, Telemetry, Window, decode, encode
from agent.wire.topics import DeviceTopic, Leaf

STATUS = DeviceTopic("a", Leaf.STATUS)


def test_a_message_is_read_back_and_an_absent_sensor_is_null() -> None:
    telemetry = Telemetry(device="a", boot="b", windows=[Window(seq=1, duration_s=1.0)])
    assert decode(DeviceTopic("a", Leaf.TELEMETRY), encode(telemetry)) == telemetry
    assert json.loads(encode(telemetry))["windows"][0]["temperature_celsius"] is None


def test_unknown_keys_are_ignored_and_missing_ones_take_their_default() -> None:
    new = b'{"device": "a", "online": true, "boot": "b", "mood": "good"}'
    assert decode(STATUS, new) == Status(device="a", online=True, boot="b")
    old = b'{"device": "a", "boot": "b", "seq": 1, "sha256": null, "phase": "idle"}'
    reported = decode(DeviceTopic("a", Leaf.REPORTED), old)
    assert isinstance(reported, Reported)
    assert (reported.phase, reported.trial) == (Phase.IDLE, None)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'{"device": "b", "online": true, "boot": "x"}', "speaks for device 'b'"),
        (b'{"device": "a", "online": 1, "boot": "x"}', "online"),
        (b'{"device": "a"}', "online"),
        (b"[" * 20000, "hedgerow/v1/a/status"),
        (b" " * (MAX_BYTES + 1), "at most"),
        (b"\xff", "hedgerow/v1/a/status"),
    ],
)
def test_what_the_contract_forbids_is_refused_by_name(payload: bytes, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        decode(STATUS, payload)


@given(st.sampled_from(list(LEAF_TYPES)), st.binary(max_size=100))
def test_any_payload_is_read_or_refused(leaf: Leaf, payload: bytes) -> None:
    with suppress(WireError):
        decode(DeviceTopic("a", leaf), payload)


def test_an_assignment_is_not_a_plain_message() -> None:
    with pytest.raises(WireError, match="not a plain message"):
        decode(DeviceTopic("a", Leaf.DESIRED), b"{}")


def test_only_circumstances_are_temporary() -> None:
    assert {each for each in Failure if each.temporary} == {Failure.NO_SPACE, Failure.CRASHED}
