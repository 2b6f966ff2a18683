"""Signatures, checked by real processes."""

from __future__ import annotations

import queue
import subprocess
import sys
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fleet import KEY, artifact, assignment

from agent.verifier import Refused, Verdict, Verified, Verifier
from agent.wire.signing import sign

pytestmark = pytest.mark.e2e
WANTED = assignment(artifact(1), 1)


@pytest.fixture
def news() -> queue.SimpleQueue[Verdict]:
    return queue.SimpleQueue()


@pytest.fixture
def verifier(news: queue.SimpleQueue[Verdict]) -> Iterator[Verifier]:
    made = Verifier(KEY.public_key().public_bytes_raw(), news.put)
    yield made
    made.close()


def test_what_the_trusted_key_signed_is_read(verifier: Verifier, news: queue.SimpleQueue[Verdict]) -> None:
    verifier.check(sign(WANTED, KEY))
    assert news.get(timeout=20) == Verified(WANTED)


@pytest.mark.parametrize(
    ("envelope", "reason"),
    [
        (sign(WANTED, Ed25519PrivateKey.generate()), "no signature by the trusted key"),
        (sign(WANTED, KEY)[:-9], "_Dsse"),
        (b"\x00", "_Dsse"),
        (b" " * 300_000, "at most 262144 are read"),
    ],
)
def test_what_it_did_not_sign_is_refused_with_the_reason(
    verifier: Verifier, news: queue.SimpleQueue[Verdict], envelope: bytes, reason: str
) -> None:
    verifier.check(envelope)
    verdict = news.get(timeout=20)
    assert isinstance(verdict, Refused)
    assert reason in verdict.reason


def test_a_repeat_needs_no_process_and_of_those_that_wait_the_newest_counts(
    verifier: Verifier, news: queue.SimpleQueue[Verdict], monkeypatch: pytest.MonkeyPatch
) -> None:
    later = [assignment(artifact(1), seq) for seq in (2, 3, 4)]
    verifier.check(sign(WANTED, KEY))
    assert news.get(timeout=20) == Verified(WANTED)
    real, asked = subprocess.run, []

    def counted(*args: object, **kwargs: object) -> object:
        asked.append(args)
        return real(*args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", counted)
    verifier.check(sign(WANTED, KEY))
    assert news.get(timeout=1) == Verified(WANTED)
    assert asked == []
    for each in later:
        verifier.check(sign(each, KEY))
    verdicts = [news.get(timeout=20)]
    while verdicts[-1] != Verified(later[-1]):
        verdicts.append(news.get(timeout=20))
    assert len(verdicts) <= 2


def test_the_process_says_why_on_stdout_and_in_its_exit() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "agent.verify", "A" * 43 + "="], input=b"{}", capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, b"")
    assert b"payloadType" in done.stdout
