"""What a refusal says would do, does: every answer is read back as an operator would type it."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from agent.wire.profile import Power, Profile, Thermal
from agent.wire.units import Unit, format_quantity, parse_quantity
from controller.core.bounds import within
from controller.core.caps import below, held, sure
from controller.core.envelope import Impossible, collapse
from controller.core.nouns.calibration import Calibration
from controller.core.nouns.caps import Caps
from controller.core.nouns.variant import Variant
from controller.core.relax import UNTRIED, relaxations, relaxations_of_caps
from controller.core.rounding import at_least, at_most, celsius_at_most, percent_at_most
from tests.core.builders import BARE, DENSE, MIB, QUARTER, always, calibrations, floats, profile, profiles, variants

BASE = DENSE.ram_base_bytes


def fits(made: Profile, calibration: Calibration, variant: Variant) -> bool:
    envelope = collapse(made, calibration, BASE)
    return not isinstance(envelope, Impossible) and within(made, calibration, envelope, variant)


@always
@given(made=profiles(), calibration=calibrations, closest=variants)
def test_all_answers_together_make_the_variant_fit(made: Profile, calibration: Calibration, closest: Variant) -> None:
    assume(not isinstance(collapse(made, calibration, BASE), Impossible))
    answers = relaxations(made, calibration, BASE, closest)
    assert bool(answers) is not fits(made, calibration, closest)
    for text in answers:
        made, calibration = _relaxed(made, calibration, text)
    assert fits(made, calibration, closest), answers


LEAST = Caps(ram_bytes=MIB, storage_bytes=40_000, latency_s=580e-6)


def test_where_only_the_dense_model_was_made_what_the_smallest_structure_takes_would_do() -> None:
    caps = Caps(latency_s=400e-6, storage_bytes=50_000)
    assert relaxations_of_caps(caps, [DENSE], LEAST) == (f"a latency of 607 us ({UNTRIED})",)
    assert relaxations_of_caps(caps, [DENSE]) == ("344 KiB more storage and a latency of 10.1 ms",)
    assert relaxations_of_caps(caps, [DENSE, QUARTER], LEAST) == ("49 KiB more storage and a latency of 2.51 ms",)


@always
@given(ram=st.integers(1000, 2**30), size=st.integers(100, 2**30), latency_s=floats(1e-6, 10.0))
def test_what_would_do_by_cost_is_not_refused_and_nine_tenths_of_it_is(ram: int, size: int, latency_s: float) -> None:
    least = Caps(ram_bytes=ram, storage_bytes=size, latency_s=latency_s)
    named = sure(least)
    assert below(named, least) is None
    inside = held(named)
    assert (inside.ram_bytes or 0) >= ram
    assert (inside.latency_s or 0) >= latency_s * (1 - 1e-12)
    for figure in ("ram_bytes", "storage_bytes", "latency_s"):
        value = getattr(named, figure) * 0.9
        tighter = replace(named, **{figure: value if figure == "latency_s" else int(value)})
        assert below(tighter, least) is not None


def test_a_rate_alone_answers_every_cap_that_comes_from_it() -> None:
    thermal = Thermal(limit_celsius=80, ambient_celsius=45, resistance_celsius_per_watt=55 / 6)
    made = profile(rate_hz=500.0, thermal=thermal, power=Power(idle_watts=2.7, busy_watts=6))
    first, *rest = relaxations(made, BARE, BASE, QUARTER)
    assert first.endswith("Hz instead of 500 Hz")
    assert any("surroundings" in each for each in rest)
    assert fits(_relaxed(made, BARE, first)[0], BARE, QUARTER)


def test_both_ram_caps_are_named_where_both_are_exceeded() -> None:
    made = profile(ram_total_bytes=41 * MIB, ram_model_bytes=MIB)
    answers = relaxations(made, BARE, BASE, QUARTER)
    assert [each.split(" more ")[1] for each in answers] == ["memory.model", "memory.total"]


@always
@given(value=floats(2e-6, 1e12))
def test_what_is_written_errs_on_the_safe_side_and_by_little(value: float) -> None:
    for unit in (Unit.BYTES, Unit.SECONDS, Unit.HERTZ, Unit.WATTS, Unit.WATT_HOURS):
        if unit is Unit.BYTES and value < 1:
            continue
        assert value <= parse_quantity(at_least(value, unit), unit) <= value * 1.0102, format_quantity(value, unit)
        assert value >= parse_quantity(at_most(value, unit), unit) >= value / 1.0102, format_quantity(value, unit)


@always
@given(value=floats(-100, 200))
def test_a_temperature_is_never_rounded_up(value: float) -> None:
    assert value - 0.1 - 1e-9 <= parse_quantity(celsius_at_most(value), Unit.CELSIUS) <= value + 1e-9


@always
@given(value=floats(0.001, 1.0) | st.integers(1, 1000).map(lambda right: right / 1000))
def test_a_share_that_is_typed_back_is_met_by_the_share_that_it_was_written_for(value: float) -> None:
    assert value - 0.0011 <= parse_quantity(percent_at_most(value), Unit.SHARE) <= value


def _relaxed(made: Profile, calibration: Calibration, text: str) -> tuple[Profile, Calibration]:
    """The device after its owner did exactly what `text` says."""
    if match := re.fullmatch(r"(.+) more (memory\.total|memory\.model|storage)", text):
        more = parse_quantity(match[1], Unit.BYTES)
        field = {"memory.total": "ram_total_bytes", "memory.model": "ram_model_bytes"}.get(match[2], "storage_bytes")
        return replace(made, **{field: getattr(made, field) + more}), calibration
    if match := re.fullmatch(r"a deadline of (.+)", text):
        return replace(made, deadline_s=parse_quantity(match[1], Unit.SECONDS)), calibration
    if match := re.fullmatch(r"(.+ Hz) instead of .+", text):
        return replace(made, rate_hz=parse_quantity(match[1], Unit.HERTZ)), calibration
    if match := re.fullmatch(r"(.+ C) surroundings", text):
        return made, replace(calibration, ambient_celsius=parse_quantity(match[1], Unit.CELSIUS))
    match = re.fullmatch(r"a lifetime of (.+)", text)
    assert match is not None, text
    assert made.battery is not None
    battery = replace(made.battery, lifetime_s=parse_quantity(match[1], Unit.SECONDS))
    return replace(made, battery=battery), calibration
