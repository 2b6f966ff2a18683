"""What later windows refute is learned anew: at once or after a day, later each time, never below the declared."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from agent.wire.messages import Result
from agent.wire.profile import Power, Thermal
from controller.core.actions import Calibrate
from controller.core.learned import FIGURES, stamped
from controller.core.nouns.calibration import Calibration, Learned
from controller.core.nouns.window import StoredWindow
from controller.core.policy import Policy
from controller.core.refute import refute
from controller.core.view import DeviceView
from tests.core.builders import BARE, DENSE, HALF, MIB, NOW, always, desired, floats, profile, view, windows

DAY_S = 86_400.0
POLICY = Policy()
CAMERA = profile(
    power=Power(idle_watts=2.7, busy_watts=6.0),
    thermal=Thermal(limit_celsius=80, ambient_celsius=25, resistance_celsius_per_watt=8),
)
BASE = 40 * MIB
QUIET: dict[str, Any] = {
    "temperature_celsius": 45.0, "power_watts": 2.7, "busy_share": 0.1, "ram_peak_bytes": BASE + 8 * MIB,
}  # fmt: skip
HELD = Calibration(ram_base_bytes=BASE)
"""The base is as it was measured: what the variant takes in addition is told from it."""

WRONG = {
    "slowness": 3.0,
    "ram_base_bytes": 90 * MIB,
    "ram_extra_bytes": 20 * MIB,
    "ambient_celsius": 63.4,
    "busy_watts": 5e13,
}
DOWN_TO: dict[str, float | None] = {
    "slowness": None,
    "ram_base_bytes": BASE + 8 * MIB,
    "ram_extra_bytes": 0,
    "ambient_celsius": None,
    "busy_watts": None,
}
each_figure = pytest.mark.parametrize("figure", FIGURES)


def taught(figure: str, *, by: str = "incident i1", ago_s: float = 120.0, before: Calibration = HELD) -> Calibration:
    """The dense variant taught a figure that later windows will not explain."""
    wrong = replace(before, **{figure: WRONG[figure]})
    return stamped(before, wrong, by=by, variant=DENSE, now_unix_s=NOW - ago_s)


def judged(
    calibration: Calibration, now_unix_s: float = NOW, shown: list[StoredWindow] | None = None, **fields: Any
) -> Calibration:
    made = seen(calibration, now_unix_s, windows(5, **QUIET) if shown is None else shown, **fields)
    told = refute(made, POLICY, now_unix_s)
    if not told:
        return calibration
    (action,) = told
    assert isinstance(action, Calibrate)
    lowered = any(getattr(action.calibration, each) != getattr(calibration, each) for each in FIGURES)
    assert action.refit is lowered
    return action.calibration


def seen(calibration: Calibration, now_unix_s: float, shown: list[StoredWindow], **fields: Any) -> DeviceView:
    moved = [structs.replace(each, received_unix_s=each.received_unix_s + now_unix_s - NOW) for each in shown]
    return view(profile=CAMERA, calibration=calibration, windows=moved, **fields)


@each_figure
def test_what_an_incident_taught_and_no_window_of_the_variant_agreed_with_is_gone_at_once(figure: str) -> None:
    after = judged(taught(figure))
    assert getattr(after, figure) == DOWN_TO[figure]
    entry = after.learned[figure]
    assert (entry.by, entry.learned_unix_s, entry.refuted, entry.again) == ("windows", NOW, WRONG[figure], 0)


@each_figure
def test_what_a_trial_taught_takes_a_day(figure: str) -> None:
    doubted = judged(taught(figure, by="trial"))
    assert getattr(doubted, figure) == WRONG[figure]
    assert doubted.learned[figure].doubted_unix_s == NOW
    assert judged(doubted, NOW + DAY_S - 1) == doubted
    assert getattr(judged(doubted, NOW + DAY_S), figure) == DOWN_TO[figure]


def test_a_smaller_variant_takes_a_day_too_and_the_most_that_it_explained_counts() -> None:
    small: dict[str, Any] = {"desired": desired("half"), "shown": windows(5, **{**QUIET, "latency_p95_ms": 6.0})}
    doubted = judged(taught("slowness"), **small)
    assert doubted.slowness == 3.0
    small["shown"] = windows(5, **{**QUIET, "latency_p95_ms": 7.5})
    noon = judged(doubted, NOW + 20_000, **small)
    assert noon.learned["slowness"].most == pytest.approx(1.5)
    small["shown"] = windows(5, **{**QUIET, "latency_p95_ms": 5.0})
    assert judged(noon, NOW + 60_000, **small) == noon
    after = judged(noon, NOW + DAY_S, **small)
    assert (after.slowness, after.slowness_samples) == (pytest.approx(1.5), 1)
    assert judged(after, NOW + DAY_S + 3600, **small).slowness == after.slowness, "a day has explained it, an hour not"


def test_a_window_that_agrees_ends_the_doubt_and_the_night_after_refutes_nothing_at_once() -> None:
    noon = windows(5, **{**QUIET, "temperature_celsius": 84.0})
    held = judged(taught("ambient_celsius"), shown=noon)
    assert (held.ambient_celsius, held.learned["ambient_celsius"].suspect) == (63.4, False)
    night = judged(held, NOW + 40_000)
    assert night.ambient_celsius == 63.4
    next_noon = judged(night, NOW + DAY_S, shown=noon)
    assert next_noon.learned["ambient_celsius"].doubted_unix_s is None
    assert judged(next_noon, NOW + DAY_S + 40_000).ambient_celsius == 63.4


def test_what_is_learned_again_after_it_was_refuted_stays_twice_as_long_each_time() -> None:
    known, now = judged(taught("slowness")), NOW
    for again in (1, 2, 3):
        known = stamped(known, replace(known, slowness=2.9), by="incident i2", variant=DENSE, now_unix_s=now)
        assert known.learned["slowness"].again == again
        doubted = judged(known, now := now + 120)
        assert judged(doubted, now + 2**again * DAY_S - 1).slowness == 2.9
        known = judged(doubted, now := now + 2**again * DAY_S)
        assert known.slowness is None


def test_a_little_more_than_before_is_no_return_of_what_was_refuted() -> None:
    known = judged(taught("slowness"))
    jitter = stamped(known, replace(known, slowness=1.05), by="trial", variant=DENSE, now_unix_s=NOW)
    assert (jitter.learned["slowness"].again, jitter.learned["slowness"].refuted) == (0, 3.0)


def test_a_figure_from_before_there_were_sources_is_doubted_from_now_on() -> None:
    old = Calibration(ambient_celsius=63.4)
    doubted = judged(old)
    assert doubted.ambient_celsius == 63.4
    assert judged(doubted, NOW + DAY_S).ambient_celsius is None


@pytest.mark.parametrize(
    "shown",
    [
        windows(4, **QUIET),
        windows(5, **{**QUIET, "count": 1}),
        windows(5, **{**QUIET, "temperature_celsius": None}),
        windows(5, **{**QUIET, "power_watts": None}),
    ],
    ids=["too few", "too few inferences", "no temperature", "no power"],
)
def test_what_tells_nothing_refutes_nothing(shown: list[StoredWindow]) -> None:
    known = taught("ambient_celsius", before=BARE)
    assert judged(known, shown=shown) == known


def test_the_windows_that_taught_it_are_not_heard_again() -> None:
    known = taught("ambient_celsius", ago_s=25.0)
    assert judged(known) == known


def test_a_device_that_warms_up_does_not_tell_of_cooler_surroundings() -> None:
    cold = windows(5, **QUIET)
    warming = [
        structs.replace(each, window=type(each.window)(**{**_fields(each), "temperature_celsius": 40.0 + 2 * at}))
        for at, each in enumerate(cold)
    ]
    known = taught("ambient_celsius")
    assert judged(known, shown=warming) == known


def _fields(stored: StoredWindow) -> dict[str, Any]:
    return {name: getattr(stored.window, name) for name in stored.window.__struct_fields__}


def test_an_assignment_that_has_not_succeeded_is_not_judged() -> None:
    known = taught("ambient_celsius")
    for result in (None, Result.REJECTED):
        assert judged(known, desired=desired(result=result)) == known
    assert judged(known, desired=None) == known


@always
@given(
    values=st.fixed_dictionaries({}, optional={figure: floats(0.1, 1e9) for figure in FIGURES}),
    suspect=st.booleans(),
    by=st.sampled_from(["trial", "incident i1", "windows", ""]),
    again=st.integers(0, 3),
    celsius=floats(-20, 100),
    p95_ms=floats(0.1, 100),
    waited_s=floats(0, 1e6),
    small=st.booleans(),
)
def test_nothing_ever_rises_nothing_falls_below_the_declared_and_it_settles(
    values: dict[str, float],
    suspect: bool,
    by: str,
    again: int,
    celsius: float,
    p95_ms: float,
    waited_s: float,
    small: bool,
) -> None:
    entry = Learned(by=by, learned_unix_s=NOW - 1000, sha256="dense", suspect=suspect, again=again)
    entry = replace(entry, doubted_unix_s=NOW - waited_s)
    before = Calibration(**values, learned=dict.fromkeys(values, entry))  # type: ignore[arg-type]
    fields: dict[str, Any] = {"desired": desired(HALF.sha256)} if small else {}
    shown = windows(5, **{**QUIET, "temperature_celsius": celsius, "latency_p95_ms": p95_ms})
    after = judged(before, shown=shown, **fields)
    declared = {"slowness": 1.0, "ambient_celsius": 25.0, "busy_watts": 6.0}
    for figure in FIGURES:
        old, new = getattr(before, figure), getattr(after, figure)
        assert new is None or (old is not None and new <= old)
        if new != old and new is not None:
            assert new > declared.get(figure, -1.0)
    assert judged(after, shown=shown, **fields) == after
