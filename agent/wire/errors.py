"""Failures as values: what went wrong, and whether trying again can help."""

from __future__ import annotations

from enum import StrEnum


class WireError(ValueError):
    """A message, topic, signature or profile that the contract does not allow."""


class Failure(StrEnum):
    """Why a device did not run an assignment. The word travels in `reported.failure`."""

    NO_SPACE = "no_space"
    NO_RUNTIME = "no_runtime"
    BAD_DIGEST = "bad_digest"
    BAD_MODEL = "bad_model"
    GOLDEN = "golden"
    MEMORY = "memory"
    LATENCY = "latency"
    CRASHED = "crashed"
    STALE = "stale"
    WRONG_DEVICE = "wrong_device"
    BAD_SIGNATURE = "bad_signature"
    EXPIRED = "expired"
    WIRE = "wire"

    @property
    def temporary(self) -> bool:
        """True where the same assignment may succeed later without a change to it."""
        return self in (Failure.NO_SPACE, Failure.CRASHED)
