"""`agent simulate`: many devices in a process, over a real broker and a network that loses and breaks."""

from __future__ import annotations

import base64
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fleet import KEY, Hand, assignment, sha256
from realagent import PROFILE, A
from realbroker import RealBroker

from agent.pump import Pump
from agent.simulate.command import plan_of
from agent.simulate.fleet import named
from agent.simulate.surroundings import parse_surroundings
from agent.wire.errors import WireError
from agent.wire.messages import Info, Reported, Result, Status, Telemetry
from agent.wire.profile import parse_profile

COUNT = 30
FLAGS = {"prefix": None, "loss": None, "cut": None, "seed": None, "physics": [], "window": "1 s", "count": COUNT}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, object]:
    (tmp_path / "profile.yaml").write_text(PROFILE)
    (tmp_path / "key").write_text(base64.b64encode(KEY.public_key().public_bytes_raw()).decode())
    return FLAGS | {"profile": [tmp_path / "profile.yaml"], "trusted_key": tmp_path / "key", "broker": "127.0.0.1:1"}


@pytest.fixture
def hand(broker: RealBroker) -> Iterator[Hand]:
    made = Hand(broker)
    made.add(A)
    yield made
    made.link.stop()


def until(done: Callable[[], bool], hand: Hand, work: Callable[[], None] = lambda: None, seconds: float = 60) -> None:
    until_s = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until_s, f"it did not come about; last heard: {hand.heard[-3:]}"
        hand.work()
        work()
        time.sleep(0.05)


def test_a_fleet_on_a_bad_network_gets_its_model_and_reports(
    broker: RealBroker, hand: Hand, files: dict[str, object]
) -> None:
    command = [sys.executable, "-m", "agent.cli", "simulate", "-n", str(COUNT), "--broker", f"127.0.0.1:{broker.port}"]
    command += ["--profile", str(files["profile"][0]), "--trusted-key", str(files["trusted_key"])]  # type: ignore[index]
    command += ["--loss", "5%", "--cut", "10 s", "--window", "1 s", "--physics", "ambient=20C..45C"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    wanted = {f"sim-{number:05}" for number in range(COUNT)}
    placed, online = set[str](), dict[str, bool]()
    telling = set[str]()
    asked_s = 0.0

    def work() -> None:
        nonlocal asked_s
        for each in hand.heard:
            if isinstance(each, Status):
                online[each.device] = each.online
            if isinstance(each, Reported) and each.result is Result.SUCCEEDED and each.sha256 == sha256(A):
                placed.add(each.device)
            if isinstance(each, Telemetry):
                assert all(window.latency_source == "modelled" for window in each.windows)
                telling.add(each.device)
        hand.heard.clear()
        if time.monotonic() > asked_s + 3:  # what is lost is said again, as the controller does
            asked_s = time.monotonic()
            for device in sorted(wanted - placed):
                hand.assign(assignment(A, 1, device=device, rate_hz=20.0))

    try:
        until(lambda: placed == wanted and telling == wanted, hand, work)
        assert len(list(Path(f"/proc/{process.pid}/task").iterdir())) < 6  # no thread a device
        process.send_signal(signal.SIGTERM)
        until(lambda: sum(online.values()) < COUNT / 3, hand, work)  # a goodbye may be lost too
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        said = process.stdout.read()
        process.stdout.close()
    assert f"{COUNT} active; {COUNT} succeeded" in said


def test_another_name_leaves_every_text_as_it_was_written() -> None:
    text = "device: a\nspeed: 0.5\nlabels: {country: NO, fw: 1.10, tested: yes, where: Süd}\n"
    profile = parse_profile(named(text, "sim-1"))
    assert (profile.device, profile.speed) == ("sim-1", 0.5)
    assert profile.labels == {"country": "NO", "fw": "1.10", "tested": "yes", "where": "Süd"}


def test_the_devices_are_drawn_from_the_profiles_and_the_seed() -> None:
    texts = [named(PROFILE, "sim-1"), named(PROFILE, "sim-2")]
    assert [parse_profile(text).device for text in texts] == ["sim-1", "sim-2"]
    assert parse_profile(texts[0]).rate_hz == parse_profile(PROFILE).rate_hz
    physics = parse_surroundings(["ambient=20 C..45 C", "battery=50 %", "slowness=0.5..2"])
    lots = [physics.draw(random.Random(7)) for _ in range(2)]
    assert lots[0] == lots[1]
    assert 20 <= (lots[0].ambient_celsius or 0) <= 45
    assert (lots[0].battery_percent, lots[0].throttle_at_celsius) == (50, None)


@pytest.mark.parametrize(
    ("flag", "value", "says"),
    [
        ("count", 0, "at least one device"),
        ("count", 10**9, "open files"),
        ("loss", "100 %", "under 100 %"),
        ("cut", "0 s", "above 0"),
        ("seed", "x", "whole number"),
        ("prefix", "Sim", "device id"),
        ("physics", ["wind=3"], "one of ambient, battery, slowness, throttle"),
        ("physics", ["ambient=45C..20C"], "the lower end comes first"),
        ("physics", ["ambient=warm"], "is not a number of celsius"),
    ],
)
def test_a_wrong_flag_is_told(files: dict[str, object], flag: str, value: object, says: str) -> None:
    with pytest.raises(WireError, match=says):
        plan_of(files | {flag: value})


def test_a_pump_calls_in_order_what_is_due_and_what_is_handed_in() -> None:
    now_s, called = 0.0, list[str]()
    pump = Pump(lambda: now_s)
    pump.later(2, lambda: called.append("second"))
    pump.later(1, lambda: called.append("first"))
    pump.soon(lambda: called.append("soon"))
    pump.turn(0)
    assert called == ["soon"]
    now_s = 5.0
    pump.turn(10)
    assert called == ["soon", "first", "second"]
    pump.close()


def test_what_a_device_declares_is_told_as_simulated(broker: RealBroker, hand: Hand, files: dict[str, object]) -> None:
    from agent.simulate.fleet import Fleet

    fleet = Fleet(plan_of(files | {"broker": f"127.0.0.1:{broker.port}", "count": 2}))
    until(lambda: sum(isinstance(each, Info) for each in hand.heard) >= 2, hand, fleet.turn)
    assert {each.architecture for each in hand.heard if isinstance(each, Info)} == {"simulated"}
    fleet.stop()
