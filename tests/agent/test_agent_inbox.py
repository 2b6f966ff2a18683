from __future__ import annotations

import threading
import time

import pytest
from fleet import artifact, sha256

from agent.inbox import BLOCKS, Inbox
from agent.link import Arrived, Connected
from agent.wire.topics import BlobTopic, Leaf, topic

ACK = Arrived(topic("dev-1", Leaf.ACK), b"")


def block(number: int) -> Arrived:
    return Arrived(str(BlobTopic(sha256(artifact(1)), number)), b"data")


def test_of_blocks_no_more_are_held_and_of_all_else_nothing_is_let_go(caplog: pytest.LogCaptureFixture) -> None:
    inbox = Inbox()
    for number in range(BLOCKS + 3):
        inbox.hear(block(number))
    inbox.hear(ACK)
    inbox.put(None)
    inbox.hear(Connected())
    assert list(inbox.rest()) == [block(number) for number in range(BLOCKS)] + [ACK, None, Connected()]
    inbox.hear(block(99))
    assert inbox.take(0.0) == block(99)
    assert inbox.take(0.0) is None
    assert caplog.text.count("event=blocks_let_go") == 1


def test_a_link_that_is_quicker_is_held_back_and_loses_nothing() -> None:
    inbox, wanted = Inbox(), [block(number) for number in range(10 * BLOCKS)]
    link = threading.Thread(target=lambda: [inbox.hear(each) for each in wanted])
    link.start()
    got = []
    while (news := inbox.take(1.0)) is not None:
        got.append(news)
        time.sleep(0.001)
    link.join()
    assert got == wanted
