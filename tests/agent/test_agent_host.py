"""How busy the host is, by the kernel's counters, over windows and trials."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from boards import clock, put

from agent.host import PROC, Host, Load, Look, between
from agent.observer import Observer
from agent.sensors import Sensors
from agent.wire.messages import Trial


def counters(busy: int, idle: int, waited_us: int | None = None) -> dict[str, str]:
    """A tenth of what is idle is a wait for a disk; guests are within the user's time."""
    user, waits = busy - 3, idle // 10
    files = {"stat": f"cpu  {user} 1 1 {idle - waits} {waits} 0 1 0 5 0\ncpu0 1 1 1 1 1 1 1 1 0 0\nintr 9"}
    if waited_us is not None:
        files["pressure/cpu"] = (
            f"some avg10=0.00 avg60=0.00 avg300=0.00 total={waited_us}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0"
        )
    return files


def load(root: Path, before: dict[str, str], after: dict[str, str], seconds: float = 10.0) -> Load:
    now_s = [100.0]
    host = Host(root, lambda: now_s[0])
    put(root, before)
    first = host.look()
    now_s[0] += seconds
    put(root, after)
    return between(first, host.look())


def test_shares_are_of_the_interval(tmp_path: Path) -> None:
    found = load(tmp_path, counters(1000, 3000, 5_000_000), counters(1300, 3100, 6_500_000))
    assert (found.busy_share, found.pressure_share) == (pytest.approx(0.75), pytest.approx(0.15))


def test_a_kernel_without_pressure_says_nothing_of_it(tmp_path: Path) -> None:
    found = load(tmp_path, counters(1000, 3000), counters(1000, 3100))
    assert (found.busy_share, found.pressure_share) == (0.0, None)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {}),
        ({"stat": "rubbish"}, {"stat": "cpu a b c d e f g h"}),
        ({"stat": "cpu 1 2"}, {"stat": ""}),
        (counters(1300, 3100, 9), counters(1000, 3000, 8)),  # a container that was moved to another host
        (counters(1300, 3100), counters(1300, 3100)),
    ],
)
def test_what_is_not_there_or_no_counter_is_none_and_not_zero(
    tmp_path: Path, before: dict[str, str], after: dict[str, str]
) -> None:
    assert load(tmp_path, before, after) == Load()


def test_a_host_that_stands_for_another_device_is_not_looked_at() -> None:
    assert Host(None, lambda: 7.0).look() == Look(7.0)


def test_this_host_counts() -> None:
    look = Host(PROC, lambda: 0.0).look()
    assert look.busy is not None
    assert look.ticks is not None
    assert 0 < look.busy < look.ticks


@dataclass
class Around:
    """A device whose files a test writes, second by second."""

    root: Path
    now_s: float = 0.0

    def __post_init__(self) -> None:
        self.turn(0, 1000, 100, 1500000)
        self.observer = Observer(Sensors(self.root, self.clock), Host(self.root, self.clock), self.clock)

    def clock(self) -> float:
        return self.now_s

    def turn(self, seconds: float, busy: int, idle: int, ceiling: int) -> None:
        self.now_s += seconds
        put(self.root, {**counters(busy, idle, 0), **clock(1000000, ceiling, 1500000)})

    def samples(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now_s += 1
            self.observer.sample()


def test_a_trial_tells_how_the_device_was_meanwhile_though_windows_close_in_it(tmp_path: Path) -> None:
    around = Around(tmp_path)
    around.samples(5)
    around.observer.begins(7)
    around.turn(0.5, 1900, 200, 900000)
    around.samples(9)
    window = around.observer.window()
    assert (window.host_busy_share, window.pressure_share) == (pytest.approx(0.9), 0.0)
    assert window.throttled_share == pytest.approx(10 / 15)
    around.turn(0.5, 1900, 1200, 900000)
    around.samples(9)
    trial = around.observer.tried(7, Trial(sha256="a", passed=True))
    assert (trial.throttled_share, trial.frequency_hz) == (1.0, 1e9)
    assert trial.host_busy_share == pytest.approx(900 / 2000)
    assert around.observer.tried(8, Trial(sha256="a", passed=True)) == Trial(sha256="a", passed=True)


def test_readings_are_not_kept_for_longer_than_somebody_needs_them(tmp_path: Path) -> None:
    around = Around(tmp_path)
    around.observer.begins(1)
    around.samples(30)
    around.observer.window()
    assert len(around.observer._readings) == 31, "its trial is still under way"
    around.observer.ended(1)
    around.samples(30)
    around.observer.window()
    assert not around.observer._readings
