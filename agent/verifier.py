"""Signatures checked outside of the supervisor, one after the other; the answer comes as news. Threads only enqueue."""

from __future__ import annotations

import base64
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass

from agent.wire.errors import WireError
from agent.wire.messages import Assignment, read_assignment

_TIMEOUT_S = 60.0
_TRIES, _WAIT_S = 3, 5.0


@dataclass(frozen=True, slots=True)
class Verified:
    """An envelope was signed by the trusted key, and this is what it says."""

    assignment: Assignment


@dataclass(frozen=True, slots=True)
class Refused:
    """It was not, or it could not be checked."""

    reason: str


Verdict = Verified | Refused


class Verifier:
    """Only the newest envelope that waits is checked: the controller desires one thing at a time.

    The broker repeats it on every connection, so the last one that was right is remembered.
    """

    def __init__(self, key: bytes, tell: Callable[[Verdict], None]) -> None:
        """`key` is a raw Ed25519 public key."""
        self._command = [sys.executable, "-m", "agent.verify", base64.b64encode(key).decode()]
        self._tell = tell
        self._wake = threading.Condition()
        self._waiting: bytes | None = None
        self._right: tuple[bytes, Verified] | None = None
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="verifier", daemon=True)

    def check(self, envelope: bytes) -> None:
        if self._right is not None and self._right[0] == envelope:
            self._tell(self._right[1])
            return
        with self._wake:
            self._waiting = envelope
            self._wake.notify()
            if not self._thread.is_alive():
                self._thread.start()

    def close(self) -> None:
        with self._wake:
            self._stopping = True
            self._wake.notify()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._stopping or self._waiting is not None)
                if self._stopping or self._waiting is None:
                    return
                envelope, self._waiting = self._waiting, None
            verdict = self._checked(envelope)
            if isinstance(verdict, Verified):
                self._right = (envelope, verdict)
            self._tell(verdict)

    def _checked(self, envelope: bytes) -> Verdict:
        for _ in range(_TRIES):
            try:
                done = subprocess.run(
                    self._command, input=envelope, capture_output=True, timeout=_TIMEOUT_S, check=False
                )
            except (OSError, subprocess.TimeoutExpired) as error:  # no memory just now: what is desired stays desired
                trouble = str(error)
            else:
                if done.returncode == 1 and done.stdout:
                    return Refused(done.stdout.decode(errors="replace"))
                if done.returncode == 0:
                    return _read(done.stdout)
                trouble = f"exit {done.returncode}: {done.stderr.decode(errors='replace').strip()[-200:]}"
            with self._wake:
                if self._wake.wait_for(lambda: self._stopping, _WAIT_S):
                    break
        return Refused(f"it could not be checked: {trouble}")


def _read(payload: bytes) -> Verdict:
    try:
        return Verified(read_assignment(payload))
    except WireError as error:
        return Refused(str(error))
