"""The DSSE envelope around an assignment, signed with Ed25519.

Format and pre-authentication encoding: https://github.com/secure-systems-lab/dsse (protocol.md, v1.0).
"""

from __future__ import annotations

import base64
import binascii
import hashlib

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from agent.wire.errors import WireError
from agent.wire.messages import MAX_BYTES, Assignment, decode_as, encode, read_assignment

PAYLOAD_TYPE = "application/vnd.hedgerow.assignment+json"


class _Signature(msgspec.Struct, frozen=True):
    keyid: str
    sig: str


class _Dsse(msgspec.Struct, frozen=True, rename="camel"):
    payload_type: str
    payload: str
    signatures: list[_Signature]


def key_id(key: Ed25519PublicKey) -> str:
    """The first 16 hex digits of the SHA-256 of the raw public key."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def sign(assignment: Assignment, key: Ed25519PrivateKey) -> bytes:
    payload = encode(assignment)
    signature = key.sign(_pae(payload))
    return encode(
        _Dsse(
            payload_type=PAYLOAD_TYPE,
            payload=base64.b64encode(payload).decode(),
            signatures=[_Signature(key_id(key.public_key()), base64.b64encode(signature).decode())],
        )
    )


def verify(envelope: bytes, key: Ed25519PublicKey) -> Assignment:
    """The assignment inside `envelope` if `key` signed it; `WireError` otherwise. Nothing unsigned is parsed as one."""
    if len(envelope) > MAX_BYTES:
        raise WireError(f"assignment: {len(envelope)} bytes, at most {MAX_BYTES} are read")
    dsse = decode_as(_Dsse, envelope)
    if dsse.payload_type != PAYLOAD_TYPE:
        raise WireError(f"assignment: payload type {dsse.payload_type!r}, expected {PAYLOAD_TYPE}")
    payload = _base64(dsse.payload)
    if not any(_signed(payload, _base64(signature.sig), key) for signature in dsse.signatures):
        raise WireError(f"assignment: no signature by the trusted key {key_id(key)}")
    return read_assignment(payload)


def _signed(payload: bytes, signature: bytes, key: Ed25519PublicKey) -> bool:
    try:
        key.verify(signature, _pae(payload))
    except InvalidSignature:
        return False
    return True


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise WireError(f"assignment: {error}") from None


def _pae(payload: bytes) -> bytes:
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
