from __future__ import annotations

import json
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fleet import KEY, artifact, assignment
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.errors import WireError
from agent.wire.messages import MAX_BYTES
from agent.wire.signing import key_id, sign, verify

WANTED = assignment(artifact(1, 100), 7)
ENVELOPE = sign(WANTED, KEY)


def test_what_was_signed_is_read() -> None:
    assert verify(ENVELOPE, KEY.public_key()) == WANTED


@given(st.integers(0, len(ENVELOPE) - 1), st.integers(1, 255))
def test_a_changed_byte_is_never_read_as_something_else(at: int, flip: int) -> None:
    changed = bytearray(ENVELOPE)
    changed[at] ^= flip
    with suppress(WireError):
        assert verify(bytes(changed), KEY.public_key()) == WANTED


@given(st.binary(max_size=300))
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        verify(data, KEY.public_key())


def test_another_key_is_refused_and_the_trusted_one_is_named() -> None:
    other = Ed25519PrivateKey.generate()
    with pytest.raises(WireError, match=key_id(KEY.public_key())):
        verify(sign(WANTED, other), KEY.public_key())


def test_another_payload_type_and_an_oversize_are_refused() -> None:
    fields = json.loads(ENVELOPE)
    with pytest.raises(WireError, match="payload type"):
        verify(json.dumps(fields | {"payloadType": "text/plain"}).encode(), KEY.public_key())
    with pytest.raises(WireError, match="at most"):
        verify(b" " * (MAX_BYTES + 1), KEY.public_key())


def test_one_good_signature_of_several_is_enough() -> None:
    fields = json.loads(ENVELOPE)
    fields["signatures"].insert(0, {"keyid": "x", "sig": "AAAA"})
    assert verify(json.dumps(fields).encode(), KEY.public_key()) == WANTED
