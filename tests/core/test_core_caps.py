"""Bare caps: which variant comes closest, and what would do instead."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from agent.wire.profile import Runtime
from agent.wire.units import Unit, parse_quantity
from controller.core.caps import closest, held, shippable, use, uses
from controller.core.nouns.caps import Caps
from controller.core.nouns.constraint import Constraint
from controller.core.nouns.variant import Variant
from controller.core.relax import relaxations_of_caps
from tests.core.builders import DENSE, HALF, LADDER, MIB, QUARTER, always, floats, variant


def test_only_caps_that_are_set_are_used_and_a_cap_of_nothing_is_exceeded_by_anything() -> None:
    assert uses(Caps(), DENSE) == ()
    assert use(Caps(), DENSE) == 0.0
    (ram,) = uses(Caps(ram_bytes=16 * MIB), DENSE)
    assert (ram.binding, ram.share) == (Constraint.RAM_MODEL, 0.5)
    assert use(Caps(ram_bytes=0), QUARTER) > 1e300


def test_the_closest_is_the_one_least_over_its_tightest_cap_among_those_that_may_ship() -> None:
    tight = Caps(latency_s=0.001)
    assert closest(tight, LADDER) == QUARTER
    assert closest(tight, shippable(LADDER, 0.9)) == HALF
    assert closest(tight, ()) is None
    assert shippable([replace(QUARTER, accuracy=None)], 0.9), "what is unverified is not below the floor"


def test_each_answer_names_the_caps_that_one_variant_exceeds() -> None:
    lean = variant("lean", 0.5, ram_bytes=MIB, latency_p95_s=0.0052)
    quick = variant("quick", 0.5, ram_bytes=5 * MIB, latency_p95_s=0.003)
    caps = Caps(ram_bytes=4 * MIB, latency_s=0.004)
    assert relaxations_of_caps(caps, (lean, quick)) == ("1.01 MiB more RAM", "a latency of 5.23 ms")
    both = replace(caps, ram_bytes=MIB // 2, storage_bytes=80_000)
    assert relaxations_of_caps(both, (lean,)) == ("515 KiB more RAM and 118 KiB more storage and a latency of 5.23 ms",)


def test_where_something_fits_or_nothing_is_known_nothing_has_to_give() -> None:
    assert relaxations_of_caps(Caps(ram_bytes=64 * MIB), (DENSE,)) == ()
    assert relaxations_of_caps(Caps(ram_bytes=1), ()) == ()


variants = st.lists(
    st.builds(
        variant, st.uuids().map(str), floats(0.02, 0.99), ram_bytes=st.integers(1, 2**30),
        size_bytes=st.integers(1, 2**30), latency_p95_s=floats(1e-5, 10),
    ), min_size=1, max_size=5,
)  # fmt: skip
caps_of = st.builds(
    Caps,
    ram_bytes=st.none() | st.integers(1, 2**30),
    storage_bytes=st.none() | st.integers(1, 2**30),
    latency_s=st.none() | floats(1e-5, 10),
)


@always
@given(caps=caps_of, known=variants)
def test_each_answer_alone_makes_some_variant_fit(caps: Caps, known: list[Variant]) -> None:
    answers = relaxations_of_caps(caps, known)
    if all(use(caps, each) > 1 for each in known):
        assert answers
    for text in answers:
        relaxed = caps
        for part in text.split(" and "):
            relaxed = _relaxed(relaxed, part)
        assert any(use(relaxed, each) <= 1 for each in known), text


def _relaxed(caps: Caps, text: str) -> Caps:
    if match := re.fullmatch(r"a latency of (.+)", text):
        return replace(caps, latency_s=parse_quantity(match[1], Unit.SECONDS))
    match = re.fullmatch(r"(.+) more (RAM|storage)", text)
    assert match is not None, text
    more = parse_quantity(match[1], Unit.BYTES)
    if match[2] == "RAM":
        return replace(caps, ram_bytes=int((caps.ram_bytes or 0) + more))
    return replace(caps, storage_bytes=int((caps.storage_bytes or 0) + more))


def test_a_measurement_is_held_a_little_below_the_caps_on_what_differs_from_one_to_the_next() -> None:
    assert held(Caps(storage_bytes=5)) == Caps(storage_bytes=5)
    assert held(Caps(ram_bytes=1000, storage_bytes=5, runtime=Runtime.NCNN)) == Caps(980, 5, None, Runtime.NCNN)
    assert held(Caps(latency_s=0.1)) == Caps(latency_s=0.096)
