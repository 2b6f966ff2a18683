"""What a broker holds for one client, measured on a real one."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.mqtt import MqttLink
from controller.broker.limits import IN_FLIGHT, KEPT, Limits, NoAnswerError, measure
from tests.e2e.grounds import free_ports, listens

DEPLOYED = Path(__file__).parents[2] / "deploy" / "mosquitto" / "hedgerow.conf"
Start = Callable[[str], int]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start mosquitto with these settings; returns its port."""
    program = shutil.which("mosquitto", path="/usr/bin:/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("mosquitto is not installed")
    running: list[subprocess.Popen[bytes]] = []

    def start(settings: str) -> int:
        (port, _), config = free_ports(), tmp_path / "mosquitto.conf"
        config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_dest none\n{settings}\n")
        running.append(subprocess.Popen([program, "-c", str(config)], cwd=tmp_path))
        until_s = time.monotonic() + 10
        while not listens(port):
            assert running[-1].poll() is None, "mosquitto has ended"
            assert time.monotonic() < until_s, "mosquitto does not listen"
            time.sleep(0.05)
        return port

    yield start
    for process in running:
        process.terminate()
        process.wait()


def measured(port: int) -> Limits:
    return measure(lambda name: MqttLink("127.0.0.1", port, name, manual_ack=True))


def test_what_deploy_sets_is_enough(start: Start) -> None:
    port = start(DEPLOYED.read_text().replace("persistence true", "persistence false"))
    assert measured(port) == Limits(IN_FLIGHT, KEPT, largest=True)
    assert measured(port).shortfalls() == []


def test_each_limit_that_falls_short_is_told(start: Start) -> None:
    port = start("max_inflight_messages 20\nmax_queued_messages 150\nmax_packet_size 100000")
    found = measured(port)
    assert (found.in_flight, found.kept, found.largest) == (20, 150, False)
    assert [each.split(";")[0] for each in found.shortfalls()] == [
        "the broker has 20 messages in flight to one client, 100 are wanted",
        "the broker keeps 150 messages for a client that is away, 1000 are wanted",
        "the broker takes no messages of 256 KiB, as some are",
    ]


def test_what_an_earlier_measurement_left_does_not_count(start: Start) -> None:
    port = start("max_inflight_messages 20\nmax_queued_messages 150\nmax_packet_size 100000")
    assert measured(port) == measured(port)


def test_nothing_is_said_of_a_broker_that_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(NoAnswerError, match="cannot reach"):
        measured(port)
