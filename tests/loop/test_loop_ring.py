"""The newest windows of a device, packed: rules must read of them what they would read of the windows themselves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.wire.messages import Window
from controller.core import breach, diagnose
from controller.core.nouns.calibration import Calibration
from controller.core.nouns.incident import BreachKind
from controller.core.nouns.window import StoredWindow
from controller.core.policy import Policy
from controller.loop.ring import newest, packed, unpacked
from tests.core.builders import DENSE, always, profiles

figures = st.none() | st.floats(0, 1e6)
windows = st.builds(
    Window,
    seq=st.integers(0, 2**40), duration_s=figures, count=st.none() | st.integers(0, 2**40),
    latency_p50_ms=figures, latency_p95_ms=figures, busy_share=st.none() | st.floats(0, 1),
    ram_peak_bytes=st.none() | st.integers(0, 2**40), temperature_celsius=figures, power_watts=figures,
    throttled_share=st.none() | st.floats(0, 1), battery_discharging=st.none() | st.booleans(),
    sha256=st.just("a" * 64), power_source=st.just("measured"), rss_bytes=st.integers(0, 2**40),
)  # fmt: skip
rings = st.lists(st.builds(StoredWindow, st.just("cam"), st.just("b"), st.floats(0, 2e9), windows), max_size=6)


@always
@given(rings, profiles(), st.sampled_from(BreachKind))
def test_rules_say_the_same_of_what_was_packed(ring: list[StoredWindow], profile: object, kind: BreachKind) -> None:
    policy, bare, again = Policy(min_samples=0), Calibration(ram_base_bytes=10_000_000), unpacked("cam", packed(ring))
    assert [each.received_unix_s for each in again] == [each.received_unix_s for each in ring]
    assert breach.detect(profile, bare, again, policy) == breach.detect(profile, bare, ring, policy)  # type: ignore[arg-type]
    assert breach.healthy(profile, bare, again, policy) == breach.healthy(profile, bare, ring, policy)  # type: ignore[arg-type]
    if ring and profile.thermal is not None:  # type: ignore[attr-defined]
        found = [diagnose.diagnose(kind, profile, bare, DENSE, each) for each in (again, ring)]  # type: ignore[arg-type]
        assert found[0] == found[1]


@given(rings, st.integers(1, 6))
def test_the_newest_ones_are_the_last(ring: list[StoredWindow], number: int) -> None:
    assert unpacked("cam", newest(packed(ring), number)) == unpacked("cam", packed(ring[-number:]))
