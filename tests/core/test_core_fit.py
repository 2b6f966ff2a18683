"""The fit: the most accurate variant that fits, a prune where there is a gap, or a refusal that explains itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.profile import Power, Profile, Runtime, Thermal
from controller.core.bounds import binding_constraint, caps_for, costs, use_of, within
from controller.core.caps import shippable
from controller.core.catalog import Catalog
from controller.core.compare import ERROR, shown_worse
from controller.core.envelope import Impossible, collapse
from controller.core.fit import WELL_USED, Fitted, Infeasible, NeedsPrune, Proposal, fit
from controller.core.nouns.calibration import Calibration
from controller.core.nouns.caps import Caps
from controller.core.nouns.constraint import Constraint
from controller.core.nouns.envelope import Envelope
from controller.core.nouns.job import Job, JobState
from controller.core.nouns.variant import Precision, Variant
from controller.core.nouns.work import Dense, Prune
from controller.core.relax import UNTRIED
from tests.core.builders import (
    BARE,
    DENSE,
    HALF,
    LADDER,
    MIB,
    MODEL,
    QUARTER,
    always,
    calibrations,
    catalog,
    floats,
    profile,
    profiles,
    variant,
)

TIGHT = profile(deadline_s=0.0079)  # half fits, with 8% margin, and uses 68% of it


def asked(made: Profile, known: Catalog, calibration: Calibration = BARE) -> Caps:
    found = fit(made, calibration, known)
    if isinstance(found, Fitted) and found.prune is not None:
        return found.prune.caps
    assert isinstance(found, NeedsPrune)
    return found.caps


def answered(
    made: Profile,
    state: JobState,
    sha256: str | None = None,
    binding: Constraint | None = None,
    least: Caps | None = None,
) -> Job:
    """The job that this device's fit asks for, as it ended."""
    work = Prune(asked(made, catalog()), binding=binding, least=least)
    detail = "the head is the limit"
    return Job(id="j", model=MODEL.ref, work=work, state=state, sha256=sha256, detail=detail, attempts=1)


def envelope_of(made: Profile, calibration: Calibration = BARE) -> Envelope:
    found = collapse(made, calibration, DENSE.ram_base_bytes)
    assert isinstance(found, Envelope)
    return found


def test_a_roomy_device_gets_the_dense_model_and_nothing_binds() -> None:
    assert fit(profile(deadline_s=1.0), BARE, catalog()) == Fitted(
        DENSE, Constraint.NONE, envelope_of(profile(deadline_s=1.0))
    )


def test_a_device_of_another_runtime_gets_what_is_made_for_that() -> None:
    made = replace(profile(deadline_s=1.0), runtime=Runtime.NCNN)
    first = fit(made, BARE, catalog())
    assert isinstance(first, NeedsPrune)
    assert first.caps == Caps(runtime=Runtime.NCNN)
    dense = replace(DENSE, sha256="d" * 64, runtime=Runtime.NCNN)
    known = replace(catalog(), variants=[*catalog().variants, dense])
    assert fit(made, BARE, known) == Fitted(dense, Constraint.NONE, envelope_of(made))
    tight = fit(replace(TIGHT, runtime=Runtime.NCNN), BARE, known)
    assert isinstance(tight, NeedsPrune), "half would fit, and runs elsewhere"
    assert tight.caps == replace(asked(TIGHT, catalog()), runtime=Runtime.NCNN)
    assert tight.caps.key != asked(TIGHT, catalog()).key


def test_each_runtime_leaves_the_model_what_it_does_not_take_itself() -> None:
    made = profile(ram_total_bytes=45 * MIB)
    lighter = replace(DENSE, sha256="d" * 64, runtime=Runtime.NCNN, ram_base_bytes=12 * MIB)
    known = catalog(variants=(*LADDER, lighter))
    assert fit(replace(made, runtime=Runtime.NCNN), BARE, known).envelope.ram_bytes.value == 33 * MIB
    assert fit(made, BARE, known).envelope.ram_bytes.value == 5 * MIB


def test_a_model_that_cannot_be_made_for_the_runtime_is_refused_with_the_reason() -> None:
    made = replace(profile(deadline_s=1.0), runtime=Runtime.NCNN)
    caps = Caps(runtime=Runtime.NCNN)
    job = Job(id="j", model=MODEL.ref, work=Prune(caps), state=JobState.FAILED, detail="no operator", retry=False)
    found = fit(made, BARE, replace(catalog(), jobs={caps.key: job}))
    assert isinstance(found, Infeasible)
    assert (found.waiting_for, "for ncnn: no operator" in found.reason) == (None, True)


def test_a_variant_that_uses_its_envelope_well_is_taken_without_a_prune() -> None:
    made = profile(deadline_s=HALF.latency_p95_s * 1.08 / 0.9)
    found = fit(made, BARE, catalog())
    assert isinstance(found, Fitted)
    assert (found.variant, found.binding) == (HALF, Constraint.DEADLINE)


def test_a_gap_asks_for_a_variant_under_caps_in_the_reference_hosts_terms() -> None:
    caps = asked(TIGHT, catalog())
    assert caps.ram_bytes is None
    assert caps.storage_bytes is None
    assert caps.latency_s == pytest.approx(0.0079 / 1.08, rel=0.02)
    assert caps.latency_s is not None
    assert caps.latency_s <= 0.0079 / 1.08


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING])
def test_a_request_under_way_is_waited_for(state: JobState) -> None:
    found = fit(HOPELESS, BARE, catalog(answered(HOPELESS, state)))
    assert isinstance(found, NeedsPrune)
    found = fit(TIGHT, BARE, catalog(answered(TIGHT, state)))
    assert isinstance(found, Fitted)
    assert (found.variant, found.prune) == (HALF, Proposal(asked(TIGHT, catalog()))), "what fits goes out meanwhile"


@pytest.mark.parametrize("state", [JobState.DONE, JobState.INFEASIBLE, JobState.FAILED])
def test_an_answered_request_is_not_asked_again_and_the_best_that_fits_does(state: JobState) -> None:
    found = fit(TIGHT, BARE, catalog(answered(TIGHT, state)))
    assert isinstance(found, Fitted)
    assert (found.variant, found.prune) == (HALF, None)


def test_the_variant_that_was_made_for_a_device_is_taken() -> None:
    made_for = variant("made", 0.71)
    job = answered(TIGHT, JobState.DONE, sha256="made")
    found = fit(TIGHT, BARE, catalog(job, variants=(*LADDER, made_for)))
    assert isinstance(found, Fitted)
    assert found.variant == made_for


HOPELESS = profile(deadline_s=0.001)


def test_below_every_variant_the_refusal_names_the_closest_and_what_would_do() -> None:
    job = answered(HOPELESS, JobState.INFEASIBLE, sha256="quarter", binding=Constraint.DEADLINE)
    found = fit(HOPELESS, BARE, catalog(job))
    assert isinstance(found, Infeasible)
    assert (found.binding, found.closest, found.waiting_for) == (Constraint.DEADLINE, HALF, None)
    assert found.reason == "no variant of net@1 at or above 90 % accuracy fits: the head is the limit"
    assert found.relaxations == ("a deadline of 5.43 ms",)


LEAST = Caps(ram_bytes=MIB, storage_bytes=40_000, latency_s=0.0012)


def test_where_a_prune_measured_the_smallest_structure_nothing_below_it_is_asked_for() -> None:
    job = answered(HOPELESS, JobState.INFEASIBLE, least=LEAST)
    small = profile(storage_bytes=30_000)
    found = fit(small, BARE, catalog(job))
    assert isinstance(found, Infeasible)
    assert (found.binding, found.waiting_for) == (Constraint.STORAGE, None)
    assert found.reason == "no structure of net@1 is so small: storage 39 KiB at the least, of 29 KiB"
    assert found.relaxations == ("167 KiB more storage",), "that of the smallest that was made and may ship"


def test_where_nothing_but_the_dense_model_may_ship_the_smallest_structure_says_what_would_do() -> None:
    job = answered(HOPELESS, JobState.INFEASIBLE, least=LEAST)
    found = fit(profile(storage_bytes=30_000), BARE, catalog(job, variants=(DENSE,)))
    assert isinstance(found, Infeasible)
    assert found.closest == DENSE
    assert found.reason.endswith(f"what would do is told {UNTRIED}")
    assert found.relaxations == ("9.81 KiB more storage",)


def test_a_variant_that_measured_smaller_takes_the_word_of_the_smallest_structure_back() -> None:
    job = answered(HOPELESS, JobState.INFEASIBLE, least=replace(LEAST, latency_s=0.003))
    tight = profile(deadline_s=0.0026)  # quarter may not ship, but it was measured
    assert isinstance(fit(tight, BARE, catalog(job)), Infeasible)
    small = variant("tiny", 0.2)
    assert isinstance(fit(tight, BARE, catalog(job, variants=(*LADDER, small))), NeedsPrune)


def test_what_measures_within_its_noise_of_the_smallest_structure_is_asked_for() -> None:
    job = answered(HOPELESS, JobState.INFEASIBLE, least=LEAST)
    near = profile(deadline_s=0.00119 * 1.08)
    assert isinstance(fit(near, BARE, catalog(job)), NeedsPrune)


def test_the_least_of_another_runtime_says_nothing() -> None:
    job = answered(HOPELESS, JobState.INFEASIBLE, least=replace(LEAST, runtime=Runtime.NCNN))
    assert isinstance(fit(profile(storage_bytes=30_000), BARE, catalog(job)), NeedsPrune)


def test_a_variant_below_the_floor_is_not_chosen_where_it_alone_fits() -> None:
    made = profile(deadline_s=0.0035)
    assert within(made, BARE, envelope_of(made), QUARTER)
    found = fit(made, BARE, catalog(answered(made, JobState.INFEASIBLE)))
    assert isinstance(found, Infeasible)
    assert (found.binding, found.closest) == (Constraint.DEADLINE, HALF)


POOR = replace(DENSE, accuracy=0.882)


@pytest.mark.parametrize("made", [profile(deadline_s=1.0), TIGHT], ids=["roomy", "tight"])
def test_a_dense_model_below_its_floor_ships_nowhere_and_asks_for_no_prune(made: Profile) -> None:
    known = catalog(variants=(POOR,))
    found = fit(made, BARE, known)
    assert isinstance(found, Infeasible)
    assert (found.binding, found.closest, found.waiting_for) == (Constraint.ACCURACY, POOR, None)
    assert found.reason.endswith("the dense model itself has 88.2 % accuracy, the floor is 90 %")
    first, *rest = found.relaxations
    assert first == "a floor of 88.1 %, under a new version of the model"
    assert bool(rest) is not within(made, BARE, found.envelope, POOR)
    lower = replace(known, model=replace(MODEL, accuracy_floor=0.881))
    assert isinstance(fit(profile(deadline_s=1.0), BARE, lower), Fitted)


def test_what_is_at_the_floor_ships_where_the_dense_model_is_below_it() -> None:
    assert chosen(profile(deadline_s=0.006), POOR, HALF) == "half"
    found = fit(HOPELESS, BARE, catalog(variants=(POOR, HALF)))
    assert isinstance(found, Infeasible)
    assert (found.binding, found.closest) == (Constraint.ACCURACY, HALF)
    assert found.relaxations == ("a deadline of 5.43 ms",)


def test_a_variant_that_came_out_above_its_caps_is_a_refusal_and_not_a_wait() -> None:
    job = answered(HOPELESS, JobState.DONE, sha256="quarter")
    found = fit(HOPELESS, BARE, catalog(job))
    assert isinstance(found, Infeasible)
    assert found.waiting_for is None
    assert found.relaxations
    assert "measured above" in found.reason


@pytest.mark.parametrize(("attempts", "waits"), [(None, True), (2, True), (1, False)])
def test_a_failed_prune_is_waited_for_while_attempts_are_left(attempts: int | None, waits: bool) -> None:
    job = answered(HOPELESS, JobState.FAILED)
    found = fit(HOPELESS, BARE, catalog(job), attempts)
    assert isinstance(found, Infeasible)
    assert found.waiting_for == (job.caps.key if waits else None)
    assert found.reason == "pruning failed: the head is the limit"


def test_a_model_that_is_not_measured_yet_is_waited_for() -> None:
    found = fit(profile(), BARE, catalog(variants=()))
    assert isinstance(found, Infeasible)
    assert found.waiting_for == Caps().key


def test_idle_draw_above_the_budget_is_refused_before_any_variant_is_looked_at() -> None:
    thermal = Thermal(limit_celsius=50, ambient_celsius=45, resistance_celsius_per_watt=10)
    made = profile(thermal=thermal, power=Power(idle_watts=1, busy_watts=3))
    found = fit(made, BARE, catalog(variants=()))
    assert isinstance(found, Infeasible)
    assert (found.binding, found.waiting_for) == (Constraint.THERMAL, None)


def test_the_binding_constraint_is_the_cap_that_the_dense_model_exceeds_most() -> None:
    made = profile(deadline_s=0.009, storage_bytes=100_000, ram_model_bytes=4 * MIB)
    assert binding_constraint(made, BARE, envelope_of(made), DENSE) is Constraint.STORAGE
    roomy = profile(deadline_s=1.0)
    assert binding_constraint(roomy, BARE, envelope_of(roomy), DENSE) is Constraint.NONE


def test_without_accuracy_the_variant_that_kept_most_is_chosen() -> None:
    unverified = tuple(replace(each, accuracy=None) for each in LADDER)
    made = profile(deadline_s=0.006)
    found = fit(made, BARE, catalog(variants=unverified))
    assert isinstance(found, Fitted)
    assert found.variant.sha256 == "half"


@pytest.mark.parametrize(("high", "name"), [(0.935, "narrow"), (0.925, "right")])
def test_of_variants_that_intervals_do_not_tell_apart_the_cheapest_is_chosen(high: float, name: str) -> None:
    right = variant("right", 0.5, accuracy=0.935, accuracy_low=0.93, accuracy_high=0.94)
    narrow = variant("narrow", 0.4, accuracy=0.92, accuracy_low=0.915, accuracy_high=high)
    found = fit(profile(deadline_s=0.006), BARE, catalog(variants=(DENSE, right, narrow)))
    assert isinstance(found, Fitted)
    assert found.variant.sha256 == name


def test_what_a_prune_would_win_is_told_against_the_most_right_that_fits_and_not_the_cheaper_that_goes_out() -> None:
    judged = {"gate_samples": 10_000}
    right = variant("right", 0.5, accuracy=0.931, accuracy_low=0.925, accuracy_high=0.937, **judged)
    cheap = variant("cheap", 0.4, accuracy=0.929, accuracy_low=0.923, accuracy_high=0.935, **judged)
    found = fit(TIGHT, BARE, catalog(variants=(replace(DENSE, **judged), right, cheap)))
    assert isinstance(found, Fitted)
    assert found.variant == cheap
    assert found.prune is not None
    assert found.prune.prediction is not None
    assert found.prune.prediction.against == "right"


def test_an_interval_that_rounding_ends_below_its_own_figure_leaves_the_variant_in() -> None:
    perfect = variant("perfect", 0.5, accuracy=1.0, accuracy_high=1.0 - 2**-53)
    found = fit(profile(deadline_s=0.006), BARE, catalog(variants=(DENSE, perfect)))
    assert isinstance(found, Fitted)
    assert found.variant.sha256 == "perfect"


def test_a_cap_of_nothing_is_not_a_cap_that_is_missing() -> None:
    assert Caps(ram_bytes=0).key != Caps().key
    assert Caps(storage_bytes=0).key != Caps().key


def test_ram_that_is_used_up_by_what_the_device_adds_asks_for_zero_bytes_and_not_for_anything() -> None:
    made, greedy = profile(ram_model_bytes=MIB), Calibration(ram_extra_bytes=2 * MIB)
    dense = Job(id="d", model=MODEL.ref, work=Dense(), state=JobState.DONE)
    assert asked(made, catalog(dense), greedy).ram_bytes == 0


ladders = st.lists(
    st.builds(variant, st.uuids().map(str), floats(0.02, 0.99), accuracy=st.none() | floats(0.5, 1)), max_size=6
).map(lambda pruned: (DENSE, *pruned))


@always
@given(made=profiles(), calibration=calibrations, ladder=ladders, state=st.sampled_from(JobState))
def test_a_fit_is_inside_every_cap_and_above_the_floor_and_nothing_inside_is_shown_to_be_more_right(
    made: Profile, calibration: Calibration, ladder: tuple[Variant, ...], state: JobState
) -> None:
    found = fit(made, calibration, catalog(variants=ladder))
    if isinstance(found, NeedsPrune):
        job = Job(id="j", model=MODEL.ref, work=Prune(found.caps), state=state)
        found = fit(made, calibration, catalog(job, variants=ladder))
    may_ship = shippable(ladder, MODEL.accuracy_floor)
    inside = [each for each in may_ship if within(made, calibration, found.envelope, each)]
    if not isinstance(found, Fitted):
        waits = isinstance(found, NeedsPrune)
        assert waits or not inside or isinstance(collapse(made, calibration, DENSE.ram_base_bytes), Impossible)
        return
    assert all(cost <= cap for cost, cap, _ in costs(made, calibration, found.envelope, found.variant))
    assert found.variant in inside
    assert not any(shown_worse(found.variant, each, ERROR / max(len(inside) - 1, 1)) for each in inside)


@always
@given(made=profiles(), calibration=calibrations)
def test_what_is_made_under_the_caps_fits_the_device_and_uses_it_well(made: Profile, calibration: Calibration) -> None:
    """The caps translate there and back: no variant at them is refused, and one at all of them leaves little unused."""
    envelope = collapse(made, calibration, DENSE.ram_base_bytes)
    if isinstance(envelope, Impossible):
        return
    caps = caps_for(made, calibration, envelope)
    if caps.ram_bytes == 0:
        return
    at_caps = variant(
        "made", 0.5, ram_bytes=caps.ram_bytes or 1, size_bytes=caps.storage_bytes or 1,
        latency_p95_s=(caps.latency_s or 1e-9) * (1 - 1e-9),
    )  # fmt: skip
    assert within(made, calibration, envelope, at_caps)
    assert use_of(made, calibration, envelope, at_caps) >= WELL_USED


@always
@given(made=profiles(), calibration=calibrations)
def test_equal_envelopes_have_equal_caps(made: Profile, calibration: Calibration) -> None:
    """Whatever else two devices declare: a label, a device id, a speed that their calibration overrules."""
    envelope = collapse(made, calibration, DENSE.ram_base_bytes)
    if isinstance(envelope, Impossible):
        return
    other = replace(
        made, device="other", labels={"site": "b"}, speed=made.speed * 2 if calibration.slowness else made.speed
    )
    assert caps_for(made, calibration, envelope).key == caps_for(other, calibration, envelope).key


@always
@given(deadline_s=floats(0.002, 0.5))
def test_caps_lie_on_a_grid_and_never_above_the_envelope(deadline_s: float) -> None:
    made = profile(deadline_s=deadline_s)
    caps = caps_for(made, BARE, envelope_of(made))
    assert caps.latency_s is not None
    assert caps.latency_s <= deadline_s / 1.08 * (1 + 1e-9) <= caps.latency_s * 1.0203
    again = profile(deadline_s=caps.latency_s * 1.08)
    assert caps_for(again, BARE, envelope_of(again)).key == caps.key


def test_a_jobs_binding_cap_is_told_as_what_it_comes_from_on_the_device() -> None:
    """A prune job only knows a latency cap; on this device it is the heat."""
    thermal = Thermal(limit_celsius=80, ambient_celsius=45, resistance_celsius_per_watt=55 / 6)
    made = profile(rate_hz=200.0, thermal=thermal, power=Power(idle_watts=2.7, busy_watts=6))
    job = answered(made, JobState.INFEASIBLE, sha256="quarter", binding=Constraint.DEADLINE)
    found = fit(made, BARE, catalog(job))
    assert isinstance(found, Infeasible)
    assert found.binding is Constraint.THERMAL
    assert any("surroundings" in each for each in found.relaxations)


# --- two precisions, and what the paired comparison with dense says ---------------------------------------------------

ROOMY = profile(deadline_s=1.0)
INT8 = {"precision": Precision.INT8, "size_bytes": 100_000, "latency_p95_s": 0.006, "parameters": DENSE.parameters}


def chosen(made: Profile, *variants: Variant, margin: float | None = 0.01) -> str | None:
    known = replace(catalog(variants=variants), model=replace(MODEL, accuracy_margin=margin))
    found = fit(made, BARE, known)
    return found.variant.sha256 if isinstance(found, Fitted) else None


@pytest.mark.parametrize(("drop_low", "name"), [(0.001, "dense"), (-0.001, "int8"), (None, "int8")])
def test_dense_goes_out_where_it_is_shown_to_be_more_right_and_not_for_being_dense(
    drop_low: float | None, name: str
) -> None:
    int8 = variant("int8", 0.9, **INT8, accuracy=0.94, accuracy_high=0.96, drop=0.01, drop_low=drop_low, drop_high=0.02)
    assert chosen(ROOMY, DENSE, int8) == name
    slow = replace(int8, latency_p50_s=DENSE.latency_p50_s * 1.1)
    assert chosen(ROOMY, DENSE, slow) == "dense", "tied or not, it costs more"


def test_a_pruned_variant_that_is_shown_to_be_more_right_goes_out_instead_of_dense() -> None:
    """However much larger or slower it is than others that are as right as dense."""
    better = variant("better", 0.5, accuracy=0.976, drop=-0.026, drop_low=-0.041, drop_high=-0.012)
    assert chosen(ROOMY, DENSE, better) == "better"
    assert chosen(ROOMY, DENSE, replace(better, latency_p50_s=1.0)) == "better"


def test_of_one_structure_in_two_precisions_that_are_tied_the_one_with_less_energy_is_chosen() -> None:
    fp32 = variant("fp32", 0.5, accuracy=0.92, accuracy_low=0.9, accuracy_high=0.94)
    int8 = replace(fp32, sha256="int8", precision=Precision.INT8, accuracy=0.91, accuracy_low=0.89, accuracy_high=0.93)
    made = profile(deadline_s=0.0056)
    assert chosen(made, DENSE, fp32, replace(int8, latency_p50_s=fp32.latency_p50_s * 0.9)) == "int8"
    assert chosen(made, DENSE, fp32, replace(int8, latency_p50_s=fp32.latency_p50_s * 1.1)) == "fp32"
    slower = replace(int8, latency_p50_s=fp32.latency_p50_s * 1.02)
    assert chosen(made, DENSE, fp32, replace(slower, ram_bytes=fp32.ram_bytes // 2)) == "int8", "times are tied"
    assert chosen(made, DENSE, fp32, replace(slower, size_bytes=fp32.size_bytes - 1)) == "int8", "bytes are exact"


@pytest.mark.parametrize(("low", "name"), [(0.009, "narrow"), (0.021, "wide")])
def test_intervals_beside_dense_decide_where_there_is_no_evidence_sample_by_sample(low: float, name: str) -> None:
    """The accuracies' own intervals are wide enough to tie anything."""
    wide = variant("wide", 0.5, accuracy=0.91, accuracy_high=0.99, drop=0.01, drop_low=0.0, drop_high=0.02)
    narrow = variant("narrow", 0.4, accuracy=0.9, accuracy_high=0.99, drop=0.03, drop_low=low, drop_high=0.04)
    assert chosen(profile(deadline_s=0.006), DENSE, wide, narrow) == name


def test_what_looser_caps_made_and_these_hold_answers_these_too() -> None:
    """Another prune would find it again."""
    small = variant("small", 0.3, accuracy=0.93)
    work = Prune(Caps(latency_s=0.0095))
    made = Job(id="m", model=MODEL.ref, work=work, state=JobState.DONE, sha256="small")
    known = catalog(made, variants=(DENSE, small))
    assert known.is_made(Caps(latency_s=0.008))
    assert not known.is_made(Caps(latency_s=0.0029)), "it is not inside"
    assert not known.is_made(Caps(ram_bytes=8 * MIB)), "those caps were not looser"
