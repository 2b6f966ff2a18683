"""The controller's clock beside a host's clock that does as it likes."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from agent.boots import boot_id, steady_s
from controller.loop.clock import JUMP_S, LOST_S, Clock

NOW = 1_800_000_000.0
HOURS_3 = 10_800.0


@dataclass
class Host:
    wall_unix_s: float = NOW
    up_s: float = 500.0
    kept: bool = False
    boot: str = "one"

    def passes(self, seconds: float) -> None:
        self.wall_unix_s += seconds
        self.up_s += seconds

    def clock(self, memory: str | None = None, newest_unix_s: float = 0.0) -> Clock:
        return Clock(
            memory, newest_unix_s, boot=self.boot, wall=lambda: self.wall_unix_s,
            steady=lambda: self.up_s, kept=lambda: self.kept,
        )  # fmt: skip


@pytest.mark.parametrize("jump_s", [-HOURS_3, HOURS_3, -10 * LOST_S, 10_000 * LOST_S])
def test_it_passes_as_the_seconds_do(jump_s: float) -> None:
    host = Host()
    clock = host.clock()
    host.passes(40)
    host.wall_unix_s += jump_s
    host.passes(2)
    assert clock.now() == NOW + 42


@pytest.mark.parametrize(
    ("jump_s", "kept", "followed"),
    [
        pytest.param(-HOURS_3, False, True, id="set back"),
        pytest.param(HOURS_3, False, True, id="set on"),
        pytest.param(10_000 * LOST_S, False, True, id="NTP's first answer"),
        pytest.param(-10_000 * LOST_S, False, False, id="lost"),
        pytest.param(-10_000 * LOST_S, True, True, id="a mistyped year mended by NTP"),
        pytest.param(JUMP_S / 2, True, False, id="a leap second"),
        pytest.param(-JUMP_S / 2, True, False, id="a leap second back"),
    ],
)
def test_it_follows_what_is_a_correction(jump_s: float, kept: bool, followed: bool) -> None:
    host = Host(kept=kept)
    clock = host.clock()
    host.wall_unix_s += jump_s
    step_s = clock.step_s()
    assert step_s == (jump_s if followed else 0.0)
    clock.step(step_s)
    assert clock.now() == (host.wall_unix_s if followed else NOW)
    assert clock.step_s() == 0.0


def test_a_pause_between_two_readings_is_no_jump() -> None:
    host = Host()

    def slow_wall() -> float:
        host.passes(3600)
        return host.wall_unix_s

    clock = Clock(None, 0.0, boot="one", wall=lambda: NOW, steady=lambda: host.up_s, kept=lambda: False)
    clock._wall = slow_wall
    assert clock.step_s() == 0.0


def test_a_restart_within_a_boot_goes_on_with_what_passed_meanwhile() -> None:
    host = Host()
    memory = host.clock().memory()
    host.passes(600)
    host.wall_unix_s += 10 * LOST_S
    assert host.clock(memory).now() == NOW + 600


def test_after_another_boot_it_is_the_hosts_clock_but_never_before_the_newest_stamp() -> None:
    memory = Host().clock().memory()
    ahead = Host(boot="two", up_s=5.0, wall_unix_s=NOW + 600)
    assert ahead.clock(memory, NOW).now() == NOW + 600
    lost = Host(boot="two", up_s=5.0, wall_unix_s=30.0)
    assert lost.clock(memory, NOW).now() == NOW


def test_where_the_system_names_no_boot_every_start_counts_as_one() -> None:
    nameless = Host(boot="")
    assert nameless.clock(Host(boot="").clock().memory(), NOW + 5).now() == NOW + 5


def test_this_host_has_a_steady_clock_and_a_boot() -> None:
    assert 0 < steady_s() <= steady_s()
    assert boot_id() == boot_id()
