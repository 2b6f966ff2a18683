"""The demo demands what the loop promises and nothing else, and shows the rest."""

from __future__ import annotations

import io
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.messages import Window
from agent.wire.profile import Profile, parse_profile
from controller.cli.demo.measured import energy
from controller.cli.demo.outcome import outcome
from controller.cli.demo.processes import Processes
from controller.cli.demo.report import against_dense, print_report
from controller.cli.demo.scenes import Observed, Scenes
from controller.cli.demo.stage import DENSE_ON_DEVICE_S, Stage, demo_profiles
from controller.cli.demo.story import Story
from controller.cli.demo.summer import WARMED_DEVICE, too_warm
from controller.cli.demo.teller import DemoFailed, Teller
from controller.cli.demo.verdict import expected, shortcomings
from controller.cli.demo.words import windows_line
from controller.core import calibrate
from controller.core.envelope import Impossible, collapse
from controller.core.nouns.calibration import Calibration
from controller.core.nouns.constraint import Constraint
from controller.core.nouns.envelope import Envelope

PROFILES = {profile.device: profile for profile, _ in demo_profiles()}
SERVED = [profile for profile in PROFILES.values() if expected(profile).refused_by is None]
REFUSED = [profile for profile in PROFILES.values() if expected(profile).refused_by is not None]
RAM_BASE_BYTES = 72 * 2**20

# Of the wearable model, as `controller prune` measured it: what the smallest artifact takes, its time as a share of the
# dense model's, its RAM that of the largest INT8 one; and what emulated devices took beyond the reference host.
DENSE_BYTES, SMALLEST_BYTES, SMALLEST_RAM_BYTES, SMALLEST_TIME_SHARE = 2_730_109, 29_900, int(1.47 * 2**20), 0.33
DEVICE_EXTRA_RAM_BYTES, DEVICE_EXTRA_TIME = int(0.13 * 2**20), 1.11
SAFE = 1.1
MARGIN = 1.0 + calibrate.latency_margin(Calibration(slowness=1.0))

DENSE = {"sha256": "d" * 64, "variant": "dddd", "dense": True, "size_bytes": DENSE_BYTES, "latency_p50_ms": 0.8}
DENSE |= {"accuracy": 0.888, "accuracy_low": 0.87, "accuracy_high": 0.905, "drop": 0.0, "drop_low": 0.0, "drop_high": 0}
SMALL = {"sha256": "5" * 64, "variant": "5555", "dense": False, "size_bytes": 54_000, "latency_p50_ms": 0.3}
SMALL |= {"accuracy": 0.899, "accuracy_low": 0.88, "accuracy_high": 0.915}
SMALL |= {"drop": -0.011, "drop_low": -0.025, "drop_high": 0.003}


def window(profile: Profile, **figures: Any) -> Window:
    latency_ms = 1e3 * min(profile.deadline_s or 1.0, 0.02) * 0.9
    usual = {"latency_p50_ms": latency_ms, "latency_p95_ms": latency_ms, "ram_peak_bytes": RAM_BASE_BYTES + 2**20}
    return Window(**{"seq": 1, "duration_s": 2.0, "sha256": SMALL["sha256"], "count": 20, **usual, **figures})


def observed(profile: Profile, windows: dict[str, Any] | None = None, **row: Any) -> Observed:
    """The device as it is to end, but for what is given."""
    binding = expected(profile).refused_by
    shown = {
        "id": profile.device,
        "feasible": binding is None,
        "binding": binding or Constraint.DEADLINE,
        "reason": "too hot" if binding else "",
        "relaxations": ["a cooler place"] if binding else [],
        "sha256": None if binding else SMALL["sha256"],
        "calibration": {"ram_base_bytes": RAM_BASE_BYTES, "slowness": 50.0},
        "ram_cap_bytes": 2**21,
        "ram_cap_binding": "ram.total",
        "storage_cap_bytes": 2**24,
        "storage_cap_binding": "storage",
        "latency_cap_ms": 24.0,
        "latency_cap_binding": "deadline",
        "temperature_limit_celsius": None,
        "battery_life_s": 52_000.0 if profile.battery and not binding else None,
        "battery_life_dense_s": 32_000.0 if profile.battery and not binding else None,
        **row,
    }
    told = [] if binding else [window(profile, **(windows or {})) for _ in range(5)]
    return Observed(profile, shown, told)


def scenes(*others: Observed, **incident: Any) -> Scenes:
    after = {device: observed(profile) for device, profile in PROFILES.items()}
    after |= {each.profile.device: each for each in others}
    story = {"id": "i1", "device": WARMED_DEVICE, "kind": "temperature", "evidence": "hot", "diagnosis": "warm"}
    story |= {"state": "repaired", "outcome": "inside", "opened_unix_s": 100.0, "closed_unix_s": 137.0}
    story |= {"from_sha256": DENSE["sha256"], "to_sha256": SMALL["sha256"], **incident}
    variants = {str(each["sha256"]): each for each in (DENSE, SMALL)}
    return Scenes(after, variants, frozenset({str(SMALL["sha256"])}), 1, story, 1.25, 200.0)


# --- the verdict -----------------------------------------------------------------------------------------------------


def test_one_variant_for_all_and_one_prune_keep_the_promise() -> None:
    assert shortcomings(scenes()) == []


def test_a_device_outside_its_measured_budget_fails() -> None:
    late = observed(PROFILES["quick-band"], {"latency_p95_ms": 25.0})
    assert shortcomings(scenes(late)) == ["quick-band is not within its measured budget"]


def test_a_device_that_serves_nothing_fails() -> None:
    silent = replace(observed(PROFILES["quick-band"]), windows=[])
    assert shortcomings(scenes(silent)) == ["quick-band is not within its measured budget"]


def test_a_refusal_of_what_the_smallest_artifact_fits_fails_and_says_why() -> None:
    refused = observed(PROFILES["slim-tag"], feasible=False, reason="pruning failed: x", relaxations=["more storage"])
    [wrong] = shortcomings(scenes(refused))
    assert wrong == "slim-tag was refused, although the smallest artifact fits: pruning failed: x"


def test_a_device_without_a_placement_fails() -> None:
    unplaced = observed(PROFILES["slim-tag"], feasible=None)
    assert any("slim-tag was refused" in wrong for wrong in shortcomings(scenes(unplaced)))


def test_the_refused_device_is_refused_for_what_binds_and_told_what_would_do() -> None:
    other = observed(PROFILES["sealed-beacon"], binding=Constraint.RATE)
    assert shortcomings(scenes(other)) == ["sealed-beacon was refused by rate, but thermal binds: too hot"]
    mute = observed(PROFILES["sealed-beacon"], relaxations=[])
    assert shortcomings(scenes(mute)) == ["sealed-beacon was refused without saying what would do"]
    served = observed(PROFILES["sealed-beacon"], feasible=True)
    assert shortcomings(scenes(served)) == ["sealed-beacon was served, although no model can fit its thermal budget"]


def test_the_breach_must_be_repaired_and_by_the_controller() -> None:
    [wrong] = shortcomings(scenes(state="unrepaired", outcome="too late"))
    assert wrong == "the incident ended unrepaired: too late"
    [wrong] = shortcomings(scenes(to_sha256=DENSE["sha256"], outcome="passed by itself"))
    assert "passed by itself" in wrong


# --- the profiles ----------------------------------------------------------------------------------------------------


def test_a_label_that_says_neither_is_refused() -> None:
    profile = parse_profile("device: a\nlabels: {expected: perhaps}")
    with pytest.raises(ValueError, match="a: label 'expected' is 'perhaps'; 'served' or"):
        expected(profile)


@pytest.mark.parametrize("profile", SERVED, ids=lambda profile: profile.device)
def test_the_smallest_artifact_fits_each_device_that_must_be_served_with_room_for_noise(profile: Profile) -> None:
    envelope = collapse(profile, Calibration(), RAM_BASE_BYTES)
    assert isinstance(envelope, Envelope)
    assert envelope.latency_s is not None
    assert envelope.storage_bytes is not None
    assert envelope.ram_bytes is not None
    takes_s = DENSE_ON_DEVICE_S * SMALLEST_TIME_SHARE * DEVICE_EXTRA_TIME * MARGIN
    assert envelope.latency_s.value > takes_s * SAFE
    assert envelope.storage_bytes.value > SMALLEST_BYTES * SAFE
    assert envelope.ram_bytes.value > (SMALLEST_RAM_BYTES + DEVICE_EXTRA_RAM_BYTES) * SAFE


@pytest.mark.parametrize("profile", REFUSED, ids=lambda profile: profile.device)
def test_nothing_of_any_size_fits_a_device_that_must_be_refused(profile: Profile) -> None:
    found = collapse(profile, Calibration(), RAM_BASE_BYTES)
    assert isinstance(found, Impossible)
    assert found.binding == expected(profile).refused_by


def test_the_fleets_caps_go_from_nine_to_six_tenths_of_the_time_and_to_a_fiftieth_of_the_bytes() -> None:
    envelopes = [collapse(profile, Calibration(), RAM_BASE_BYTES) for profile in SERVED]
    shares = [
        each.latency_s.value / DENSE_ON_DEVICE_S for each in envelopes if isinstance(each, Envelope) and each.latency_s
    ]
    pruned = sorted(share for share in shares if share < 1.0)
    assert pruned[0] == pytest.approx(0.6, abs=0.01)
    assert pruned[-1] == pytest.approx(0.9, abs=0.01)
    stored = sorted(profile.storage_bytes or 0 for profile in SERVED)
    assert DENSE_BYTES / stored[0] == pytest.approx(50, abs=1)
    assert DENSE_BYTES / stored[1] == pytest.approx(2, abs=0.05)


@given(now_s=st.floats(0.0225, 0.05))
def test_the_summer_is_too_warm_for_what_runs_and_not_for_what_the_fleet_already_asks_for(now_s: float) -> None:
    watch = PROFILES[WARMED_DEVICE]
    seen = observed(watch, {"latency_p95_ms": now_s * 1e3})
    warmed = collapse(watch, Calibration(ambient_celsius=too_warm(seen, 0.018)), RAM_BASE_BYTES)
    assert isinstance(warmed, Envelope)
    assert warmed.latency_s is not None
    assert 0.018 <= warmed.latency_s.value <= 0.9 * now_s


# --- what is shown ---------------------------------------------------------------------------------------------------


def test_the_outcome_says_what_it_took_and_each_device_beside_dense() -> None:
    told = outcome(scenes())
    assert (told["variants_ran"], told["prunes"], told["seconds"], told["not_shown"]) == (1, 1, 200.0, [])
    assert told["incident"]["seconds"] == 37.0
    tag = next(each for each in told["devices"] if each["id"] == "slim-tag")
    assert (tag["accuracy"], tag["drop_low"], tag["drop_high"]) == (0.899, -0.025, 0.003)
    assert tag["energy_source"] == "modelled"
    assert tag["energy_per_inference_joules"] < tag["dense_energy_per_inference_joules"]
    beacon = next(each for each in told["devices"] if each["id"] == "sealed-beacon")
    assert (beacon["energy_per_inference_joules"], beacon["accuracy"]) == (None, None)


def test_energy_is_that_of_the_windows_where_they_tell_it() -> None:
    profile = PROFILES["quick-band"]
    seen = observed(profile, {"energy_per_inference_joules": 0.02, "power_source": "emulated"})
    found = energy(seen, DENSE)
    assert found is not None
    assert (found.joules, found.source) == (pytest.approx(0.02), "emulated")


def test_modelled_energy_is_the_mean_draw_over_the_rate_for_both() -> None:
    found = energy(observed(PROFILES["quick-band"], {"latency_p50_ms": 10.0}), DENSE)  # 0.1 W idle, 0.9 W busy, 10 Hz
    assert found is not None
    assert (found.joules, found.dense_joules) == (pytest.approx(0.01 + 0.8 * 0.010), pytest.approx(0.01 + 0.8 * 0.040))


def test_where_dense_runs_its_energy_is_what_was_told() -> None:
    told = {"energy_per_inference_joules": 0.27, "power_source": "emulated"}
    found = energy(observed(PROFILES["roomy-gateway"], told, sha256=DENSE["sha256"]), DENSE)
    assert found is not None
    assert found.joules == found.dense_joules == pytest.approx(0.27)


def test_no_power_in_the_profile_is_no_energy() -> None:
    bare = parse_profile("device: a\nlabels: {expected: served}")
    assert energy(observed(bare), DENSE) is None


def test_a_tie_with_dense_is_told_as_one() -> None:
    assert against_dense(SMALL) == "+1.1 (-0.3 to +2.5), tied"
    assert against_dense({**SMALL, "drop_high": -0.002}) == "+1.1 (+0.2 to +2.5)"
    assert against_dense({**SMALL, "drop": 0.05, "drop_low": 0.03, "drop_high": 0.07}) == "-5.0 (-7.0 to -3.0)"
    assert against_dense(DENSE) == "-"
    assert against_dense({**SMALL, "drop": None}) == "-"


def test_the_report_shows_intervals_and_what_it_took() -> None:
    out = io.StringIO()
    print_report(scenes(), ["x is not so"], out)
    text = out.getvalue()
    assert "89.9 % (88.0 to 91.5)" in text
    assert "1/51" in text
    assert "long-patch's battery: 14.4 h projected on its variant, 8.89 h on the dense model, 9 h demanded." in text
    assert "1 variants ran, 1 prunes were made, in 200 s." in text
    assert "NOT SHOWN: x is not so" in text
    assert "is inside its measured budget" not in text


# --- what is said meanwhile ------------------------------------------------------------------------------------------


class Clock:
    """Seconds that pass by sleeping only."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def test_no_ten_seconds_pass_without_a_line_and_a_repeated_one_says_since_when() -> None:
    clock, out = Clock(), io.StringIO()
    teller = Teller(out, 5, clock, clock.sleep)
    teller.until(lambda: True if clock.now_s >= 60 else None, lambda: "pruning", 100, "the job ends")
    lines = out.getvalue().splitlines()
    seconds = [float(each[1:5]) for each in lines] + [60.0]
    assert max(later - earlier for earlier, later in pairwise(seconds)) < 10
    assert lines[0].endswith("pruning")
    assert lines[2].endswith("pruning (for 17 s)")


def test_what_does_not_come_ends_the_demo_with_what_it_was_doing() -> None:
    clock = Clock()
    with pytest.raises(DemoFailed, match="the job ends: not within 5 s; last: pruning"):
        Teller(io.StringIO(), 5, clock, clock.sleep).until(lambda: None, lambda: "pruning", 5, "the job ends")


def test_windows_to_come_are_named_with_their_devices() -> None:
    band, tag = observed(PROFILES["quick-band"]), observed(PROFILES["slim-tag"])
    some = replace(band, windows=band.windows[:2])
    refused = observed(PROFILES["sealed-beacon"])
    assert windows_line([some, tag, refused], 5, 2.0) == "windows to come: 3 of quick-band; about 6 s left"
    assert windows_line([band, tag, refused], 5, 2.0) == "every window is there"


class Fleet:
    """A story's lookout over a fleet whose windows come one look after another."""

    def __init__(self, looks: list[list[Observed]]) -> None:
        self.looks = looks

    def observed(self, profiles: object) -> list[Observed]:
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    def observed_anew(self, seen: object) -> bool:
        return True


def test_a_breach_at_the_end_is_left_to_the_controller_and_looked_at_again(tmp_path: Path) -> None:
    band = PROFILES["quick-band"]
    slow, repaired = observed(band, {"latency_p95_ms": 24.1}), observed(band)
    story = Story(Stage(tmp_path, 0, 0), Processes(tmp_path), Teller(io.StringIO(), 5, sleep=lambda _s: None), tmp_path)
    story._lookout = Fleet([[slow], [slow], [repaired]])  # type: ignore[assignment]
    assert "quick-band is not within its measured budget" in shortcomings(scenes(slow))
    assert story._settled() == [repaired]
