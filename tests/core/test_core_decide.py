"""The decision, rule by rule: facts in, instructions out. What follows is what the performer would be told to do."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.errors import Failure
from agent.wire.messages import Phase, Reported, Result
from controller.core.actions import (
    Action,
    Assign,
    Calibrate,
    FinishDesired,
    Place,
    QueuePrune,
    SendDesired,
)
from controller.core.decide import decide
from controller.core.due import due
from controller.core.membership import stand
from controller.core.nouns.calibration import Calibration, Learned
from controller.core.nouns.constraint import Constraint
from controller.core.nouns.device import Device, DeviceState
from controller.core.nouns.incident import Incident, IncidentState
from controller.core.nouns.job import Job, JobState
from controller.core.nouns.member import Standing
from controller.core.nouns.rollout import RolloutState
from controller.core.policy import Policy
from controller.core.presence import Presence
from controller.core.standing import standing
from controller.core.view import DeviceView
from tests.core.builders import (
    DENSE,
    HALF,
    LADDER,
    MIB,
    MODEL,
    NOW,
    always,
    catalog,
    desired,
    device,
    envelope,
    incident,
    placement,
    profile,
    reported,
    rollout,
    trial,
    view,
    windows,
)

POLICY = Policy(attempts=3, retry_s=60, resend_s=15, soak_s=60, parallel_jobs=1)
SLOW = profile(deadline_s=0.006)  # half fits well, dense does not


def told(made: DeviceView, now_unix_s: float = NOW) -> list[Action]:
    return decide(made, POLICY, now_unix_s)


def only(actions: list[Action]) -> Action:
    assert len(actions) == 1, actions
    return actions[0]


def ended(actions: list[Action]) -> tuple[str, str]:
    first = actions[0]
    assert isinstance(first, FinishDesired)
    assert (first.device, first.epoch, first.seq) == ("cam", 1, 7)
    return first.result, first.reason


def stands(made: DeviceView, now_unix_s: float = NOW) -> Standing:
    return standing(made, POLICY, now_unix_s)


def test_when_desired_and_observed_agree_there_is_nothing_to_do() -> None:
    assert told(view()) == []


def test_what_runs_is_left_alone_where_the_floor_would_no_longer_let_it_out() -> None:
    below = catalog(variants=(replace(DENSE, accuracy=0.5),))
    assert told(view(catalog=below)) == []
    newcomer = only(told(view(catalog=below, placement=None, desired=None, reported=None)))
    assert isinstance(newcomer, Place)
    assert (newcomer.placement.feasible, newcomer.placement.binding) == (False, Constraint.ACCURACY)


@pytest.mark.parametrize("state", [DeviceState.PENDING, DeviceState.REVOKED])
def test_a_device_that_is_not_accepted_is_left_alone(state: DeviceState) -> None:
    assert told(view(device=device(state=state), placement=None, desired=None, reported=None)) == []


# --- settle -----------------------------------------------------------------------------------------------------------


def test_a_success_is_written_down_with_what_its_trial_taught() -> None:
    done = reported(trial=trial(latency_p95_ms=12.0, ram_base_bytes=30 * MIB, ram_peak_bytes=38 * MIB))
    actions = told(view(desired=desired(result=None), reported=done))
    assert ended(actions) == (Result.SUCCEEDED, "")
    assert isinstance(actions[1], Calibrate)
    assert actions[1].calibration.ram_base_bytes == 30 * MIB
    assert actions[1].calibration.slowness == pytest.approx(1.2, rel=0.01)


def test_a_refusal_is_written_down_with_its_failure() -> None:
    failed = reported(None, Result.REJECTED, failure=Failure.GOLDEN, reason="outputs differ")
    assert ended(told(view(desired=desired(result=None), reported=failed))) == ("rejected", "golden: outputs differ")


@pytest.mark.parametrize(
    "heard",
    [None, reported(None, None, phase=Phase.DOWNLOADING), reported(seq=6), reported(epoch=0)],
)
def test_what_is_not_an_end_of_the_newest_assignment_settles_nothing(heard: Reported | None) -> None:
    waiting = view(desired=desired(result=None), reported=heard, sent_unix_s=NOW)
    assert told(waiting) == []


def test_a_success_that_runs_something_else_is_a_fall_back() -> None:
    actions = told(view(reported=reported("f" * 64)))
    assert ended(actions) == (Result.FAILED_ROLLED_BACK, f"the device runs {'f' * 12}")
    assert len(actions) == 1


def test_a_later_fall_back_and_a_later_recovery_are_news_too() -> None:
    fell = reported("half", Result.FAILED_ROLLED_BACK, failure=Failure.CRASHED, reason="died thrice")
    assert ended(told(view(reported=fell))) == (Result.FAILED_ROLLED_BACK, "crashed: died thrice")
    stuck = view(desired=desired(result=Result.FAILED_STUCK), reported=reported(reason="it recovered"))
    assert ended(told(stuck)) == (Result.SUCCEEDED, "it recovered")


def test_what_a_trial_taught_once_is_not_learned_twice() -> None:
    again = reported(result=Result.FAILED_STUCK, sha256=None, trial=trial(latency_p95_ms=30.0))
    assert len(told(view(reported=again))) == 1


@pytest.mark.parametrize("sha256", ["half", "unknown"])
def test_a_trial_of_something_else_teaches_nothing(sha256: str) -> None:
    done = reported(trial=trial(sha256, latency_p95_ms=12.0))
    assert len(told(view(desired=desired(result=None), reported=done))) == 1


def test_a_failed_trial_leads_to_another_variant() -> None:
    """The loop by hand: settle and learn, place anew, assign the next attempt."""
    known = Calibration(slowness=1.0, slowness_samples=20)
    over = trial(failure=Failure.LATENCY, latency_p95_ms=14.0)
    failed = reported(None, Result.REJECTED, failure=Failure.LATENCY, trial=over)
    start = view(profile=profile(deadline_s=0.012), calibration=known, desired=desired(result=None), reported=failed)
    learned = told(start)[1]
    assert isinstance(learned, Calibrate)

    settled = replace(
        start,
        device=replace(start.device, calibration=learned.calibration),
        desired=desired(result=Result.REJECTED, finished_unix_s=NOW),
    )
    queued, placed = told(settled)
    assert isinstance(queued, QueuePrune)
    assert isinstance(placed, Place)
    assert placed.placement.waiting_for == queued.prune.key

    pruned = replace(HALF, sha256="made")
    job = Job(id="j", model=MODEL.ref, work=queued.prune, state=JobState.DONE, sha256="made")
    answered = replace(settled, catalog=catalog(job, variants=(DENSE, pruned)), placement=placed.placement)
    placed = only(told(answered))
    assert isinstance(placed, Place)
    assigned = only(told(replace(answered, placement=placed.placement)))
    assert isinstance(assigned, Assign)
    assert (assigned.sha256, assigned.attempts) == ("made", 2)


# --- heal -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "heard"),
    [
        (None, None),
        (None, reported(seq=6)),
        (None, reported(None, None, phase=Phase.TRIAL)),
        (Result.SUCCEEDED, reported(None, None, seq=0, phase=Phase.IDLE)),
    ],
)
def test_an_assignment_that_was_lost_or_whose_end_nobody_has_heard_of_is_sent_again(
    result: Result | None, heard: Reported | None
) -> None:
    lost = view(desired=desired(result=result), reported=heard, sent_unix_s=NOW - 15)
    assert told(lost) == [SendDesired("cam")]
    assert told(replace(lost, sent_unix_s=None)) == [SendDesired("cam")]
    assert told(replace(lost, sent_unix_s=NOW - 14)) == []


@pytest.mark.parametrize("presence", [each for each in Presence if each is not Presence.ONLINE])
def test_who_is_not_there_is_sent_it_once_as_the_broker_keeps_it(presence: Presence) -> None:
    away = view(desired=desired(result=None), reported=None, presence=presence)
    assert told(replace(away, sent_unix_s=None)) == [SendDesired("cam")]
    assert told(replace(away, sent_unix_s=NOW - 100_000)) == []


def test_a_failed_assignment_is_not_sent_again() -> None:
    failed = desired(result=Result.REJECTED, attempts=POLICY.attempts)
    assert told(view(desired=failed, reported=reported(seq=0))) == []


# --- place ------------------------------------------------------------------------------------------------------------


def test_a_new_device_is_placed_and_then_assigned() -> None:
    new = view(placement=None, desired=None, reported=None)
    placed = only(told(new))
    assert isinstance(placed, Place)
    assert (placed.placement.sha256, placed.placement.binding) == ("dense", Constraint.NONE)
    assigned = only(told(replace(new, placement=placed.placement)))
    assert isinstance(assigned, Assign)
    assert (assigned.sha256, assigned.rollout, assigned.incident, assigned.attempts) == ("dense", "r1", None, 1)


def test_a_gap_queues_one_prune_and_waits_without_saying_so_again() -> None:
    tight = view(profile=profile(deadline_s=0.004), placement=None, desired=None, reported=None)
    queued, placed = told(tight)
    assert isinstance(queued, QueuePrune)
    assert isinstance(placed, Place)
    waiting = Job(id="j", model=MODEL.ref, work=queued.prune)
    assert told(replace(tight, catalog=catalog(waiting), placement=placed.placement)) == []


def test_what_fits_goes_out_at_once_while_a_better_one_is_made() -> None:
    roomy_for_half = view(profile=profile(deadline_s=0.0079), placement=None, desired=None, reported=None)
    queued, placed = told(roomy_for_half)
    assert isinstance(queued, QueuePrune)
    assert isinstance(placed, Place)
    assert (placed.placement.sha256, placed.placement.waiting_for) == ("half", queued.prune.key)
    waiting = Job(id="j", model=MODEL.ref, work=queued.prune)
    assigned = only(told(replace(roomy_for_half, catalog=catalog(waiting), placement=placed.placement)))
    assert isinstance(assigned, Assign)
    assert assigned.sha256 == "half"


def test_a_wish_that_waits_is_told_when_it_would_win_less() -> None:
    judged = tuple(replace(each, gate_samples=500) for each in LADDER)
    new = view(profile=profile(deadline_s=0.0079), placement=None, desired=None, reported=None)
    new = replace(new, catalog=catalog(variants=judged))
    queued, placed = told(new)
    assert isinstance(queued, QueuePrune)
    assert isinstance(placed, Place)
    told_of = queued.prune.prediction
    assert told_of is not None
    for win, again in ((told_of.win + 0.01, [queued]), (told_of.win, [])):
        before = replace(told_of, win=win)
        job = Job(id="j", model=MODEL.ref, work=msgspec.structs.replace(queued.prune, prediction=before))
        waiting = replace(new, catalog=catalog(job, variants=judged), placement=placed.placement)
        assert [each for each in told(waiting) if isinstance(each, QueuePrune)] == again


def test_a_refusal_is_placed_once_and_nothing_is_assigned() -> None:
    hopeless = view(profile=profile(ram_total_bytes=30 * MIB), placement=None, desired=None, reported=None)
    placed = only(told(hopeless))
    assert isinstance(placed, Place)
    assert not placed.placement.feasible
    assert placed.placement.relaxations
    assert told(replace(hopeless, placement=placed.placement), NOW + 1e6) == []


def test_a_prune_that_failed_for_good_makes_the_device_infeasible() -> None:
    tight = view(profile=profile(deadline_s=0.001), placement=None, desired=None, reported=None)
    queued = told(tight)[0]
    assert isinstance(queued, QueuePrune)
    for attempts, expected in ((2, Standing.WAITING), (3, Standing.INFEASIBLE)):
        job = Job(id="j", model=MODEL.ref, work=queued.prune, state=JobState.FAILED, attempts=attempts)
        failed = replace(tight, catalog=catalog(job))
        placed = only(told(failed))
        assert isinstance(placed, Place)
        assert placed.placement.waiting_for == (queued.prune.key if attempts == 2 else None)
        assert stands(replace(failed, placement=placed.placement)) is expected


def test_a_proven_variant_is_not_replaced_for_a_margin_but_an_unproven_one_is() -> None:
    """Dense is predicted at 10.8 ms: 6% above this deadline."""
    near = profile(deadline_s=0.0102)
    assert told(view(profile=near)) == []
    unproven = view(profile=near, desired=desired("half"), reported=reported("half"))
    assert any(isinstance(each, Place) for each in told(unproven))


def test_what_passed_its_own_trial_stays_whatever_another_variants_taught() -> None:
    """Another's trial in a slow minute taught twice the slowness: dense is predicted at 21 ms, and took 11."""
    passed = trial(latency_p95_ms=11.0, ram_base_bytes=30 * MIB, ram_peak_bytes=38 * MIB)
    taught = Calibration(slowness=2.0, slowness_samples=2, learned={"slowness": Learned(by="trial")})
    made = view(profile=profile(deadline_s=0.012), calibration=taught, reported=reported(trial=passed))
    assert told(made) == []
    told_otherwise = (
        replace(made, device=replace(made.device, profile=profile(deadline_s=0.0105))),
        replace(made, device=replace(made.device, reported=reported())),
        replace(
            made, device=replace(made.device, reported=reported(trial=msgspec.structs.replace(passed, sha256="half")))
        ),
        replace(
            made, device=replace(made.device, calibration=replace(taught, learned={"slowness": Learned(by="windows")}))
        ),
        replace(made, incident=incident(state=IncidentState.ACTING)),
    )
    for other in told_otherwise:
        assert any(isinstance(each, Place) for each in told(other))


def test_a_repair_that_is_not_assigned_yet_has_no_tolerance() -> None:
    acting = incident(state=IncidentState.ACTING)
    near = view(profile=profile(deadline_s=0.0102), incident=acting)
    assert any(isinstance(each, Place) for each in told(near))
    repaired = replace(near, desired=desired(incident="i1"))
    assert told(repaired) == []


def test_a_grown_envelope_is_fitted_again() -> None:
    old = placement("half", envelope=envelope(latency_s=0.006))
    richer = view(profile=profile(deadline_s=0.05), placement=old, desired=desired("half"), reported=reported("half"))
    placed = only(told(richer))
    assert isinstance(placed, Place)
    assert placed.placement.sha256 == "dense"
    little = view(profile=profile(deadline_s=0.0065), placement=old, desired=desired("half"), reported=reported("half"))
    assert told(little) == []


def test_another_rollouts_model_is_fitted_anew() -> None:
    other = replace(MODEL, version="2")
    known = replace(catalog(variants=(replace(DENSE, sha256="dense2", model=other.ref),)), model=other)
    newer = view(rollout=rollout(id="r2", model=other.ref), catalog=known)
    placed = only(told(newer))
    assert isinstance(placed, Place)
    assert (placed.placement.model, placed.placement.sha256) == ("net@2", "dense2")


# --- assign -----------------------------------------------------------------------------------------------------------


def test_only_the_wave_lets_a_device_go() -> None:
    assert told(view(desired=None, reported=None, admitted=False)) == []


def test_an_assignment_for_an_incident_names_it() -> None:
    repair = view(profile=SLOW, placement=placement("half"), incident=incident(state=IncidentState.ACTING), windows=[])
    placed = only(told(repair))
    assert isinstance(placed, Place)
    assigned = only(told(replace(repair, placement=placed.placement)))
    assert isinstance(assigned, Assign)
    assert (assigned.sha256, assigned.incident) == ("half", "i1")


FAILED = view(
    desired=desired(result=Result.FAILED_NO_CHANGE, finished_unix_s=NOW - 60),
    reported=reported(None, Result.FAILED_NO_CHANGE, failure=Failure.NO_SPACE),
)


def test_a_failure_that_may_pass_is_tried_again_after_a_pause() -> None:
    assert told(FAILED, NOW - 1) == []
    again = only(told(FAILED))
    assert isinstance(again, Assign)
    assert again.attempts == 2


@pytest.mark.parametrize("failure", [Failure.GOLDEN, Failure.NO_SPACE])
def test_a_failure_that_cannot_pass_is_not_tried_again(failure: Failure) -> None:
    """Room may come back on a full medium, but not in what the owner declared: the device says which by the result."""
    lasting = view(
        desired=desired(result=Result.REJECTED),
        reported=reported(None, Result.REJECTED, failure=failure),
    )
    assert told(lasting, NOW + 1e6) == []
    assert stands(lasting) is Standing.FAILED


def test_attempts_end_also_where_another_variant_would_come() -> None:
    last = desired("half", Result.REJECTED, attempts=POLICY.attempts)
    spent = view(desired=last, reported=reported(None, Result.REJECTED, failure=Failure.LATENCY))
    assert told(spent, NOW + 1e6) == []
    assert stands(spent) is Standing.FAILED


def test_what_failed_in_one_rollout_may_be_tried_in_the_next() -> None:
    spent = desired(result=Result.REJECTED, attempts=POLICY.attempts)
    heard = reported(None, Result.REJECTED, failure=Failure.GOLDEN)
    newer = view(rollout=rollout(id="r2"), placement=placement(rollout="r2"), desired=spent, reported=heard)
    assert stands(newer) is Standing.READY
    assigned = only(told(newer))
    assert isinstance(assigned, Assign)
    assert (assigned.rollout, assigned.attempts) == ("r2", 1)


def test_a_variant_that_runs_already_is_not_assigned_again_for_another_rollout() -> None:
    newer = view(rollout=rollout(id="r2"))
    placed = only(told(newer))
    assert isinstance(placed, Place)
    assert (placed.placement.sha256, placed.placement.rollout) == ("dense", "r2")
    assert told(replace(newer, placement=placed.placement)) == []


# --- where a device stands --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (view(placement=None), Standing.UNPLACED),
        (view(placement=placement(model="net@0")), Standing.UNPLACED),
        (view(placement=placement(None, feasible=False)), Standing.INFEASIBLE),
        (view(placement=placement(None, waiting_for="caps")), Standing.WAITING),
        (view(desired=None), Standing.READY),
        (view(desired=desired("half", rollout="r0")), Standing.READY),
        (view(desired=desired("half", rollout="r1")), Standing.RUNNING),
        (view(desired=desired(result=None)), Standing.RUNNING),
        (view(desired=desired(result=None, issued_unix_s=NOW - 601)), Standing.FAILED),
        (FAILED, Standing.RUNNING),
        (view(desired=desired(finished_unix_s=NOW - 59)), Standing.SOAKING),
        (view(desired=desired(finished_unix_s=NOW - 60)), Standing.SUCCEEDED),
        (view(incident=incident()), Standing.SOAKING),
    ],
)
def test_standing(made: DeviceView, expected: Standing) -> None:
    assert stands(made) is expected


def test_an_incident_during_the_soak_fails_it_unless_it_was_repaired_since() -> None:
    def closed(state: IncidentState, ago_s: float) -> DeviceView:
        return view(past_incidents=[incident(state=state, closed_unix_s=NOW - ago_s)])

    assert stands(closed(IncidentState.UNREPAIRED, 100)) is Standing.FAILED
    assert stands(closed(IncidentState.REPAIRED, 100)) is Standing.SUCCEEDED
    assert stands(closed(IncidentState.UNREPAIRED, 1000)) is Standing.SUCCEEDED  # before it was assigned


def test_an_old_incident_does_not_fail_a_new_rollout() -> None:
    old = incident(state=IncidentState.UNREPAIRED, closed_unix_s=NOW - 100)
    assert stands(view(rollout=rollout(id="r2", started_unix_s=NOW - 50), past_incidents=[old])) is Standing.SUCCEEDED


# --- the loop settles -------------------------------------------------------------------------------------------------


def performed(made: DeviceView, action: Action) -> DeviceView:
    """What the performer makes of one action, on this view alone."""
    match action:
        case FinishDesired(_, _, _, result, reason):
            assert made.desired is not None
            return replace(made, desired=replace(made.desired, result=result, reason=reason, finished_unix_s=NOW))
        case Calibrate(_, calibration, _, refit):
            known = None if refit else made.placement
            return replace(made, device=replace(made.device, calibration=calibration), placement=known)
        case Place(placed):
            return replace(made, placement=placed)
        case QueuePrune(model, prune):
            assert made.catalog is not None
            queued = Job(id=prune.key, model=model, work=prune)
            return replace(made, catalog=replace(made.catalog, jobs={**made.catalog.jobs, prune.key: queued}))
        case Assign(_, placed, sha256, rollout_id, incident_id, attempts):
            seq = made.desired.seq + 1 if made.desired else 1
            new = desired(sha256, None, seq=seq, rollout=rollout_id, incident=incident_id, attempts=attempts)
            return replace(made, desired=replace(new, model=placed.model, issued_unix_s=NOW), sent_unix_s=NOW)
        case SendDesired():
            return replace(made, sent_unix_s=NOW)
        case _:
            return _incident_performed(made, action)


def _incident_performed(made: DeviceView, action: Action) -> DeviceView:
    new = getattr(action, "incident", None)
    if new is None or new.closed_unix_s is None:
        return replace(made, incident=new)
    return replace(made, incident=None, past_incidents=[*made.past_incidents, new])


anything = st.builds(
    view,
    rollout=st.sampled_from([rollout(), rollout(state=RolloutState.FINISHED), None]),
    profile=st.sampled_from([profile(), SLOW, profile(deadline_s=0.001), profile(ram_total_bytes=MIB)]),
    calibration=st.builds(Calibration, slowness=st.none() | st.floats(0.3, 4), ram_base_bytes=st.none() | st.just(MIB)),
    placement=st.none() | st.builds(placement, st.sampled_from([None, "dense", "half", "gone"])),
    desired=st.none()
    | st.builds(
        desired,
        st.sampled_from(["dense", "half", "gone"]),
        st.none() | st.sampled_from(Result),
        attempts=st.integers(1, 4),
        rollout=st.sampled_from(["r0", "r1"]),
        incident=st.sampled_from([None, "i1"]),
    ),
    reported=st.none()
    | st.builds(
        reported,
        st.sampled_from([None, "dense", "half", "stranger"]),
        st.none() | st.sampled_from(Result),
        seq=st.sampled_from([0, 7, 9]),
        failure=st.none() | st.sampled_from(Failure),
        trial=st.none()
        | st.builds(
            trial,
            st.sampled_from(["dense", "half"]),
            failure=st.sampled_from([None, Failure.LATENCY, Failure.MEMORY]),
            latency_p95_ms=st.none() | st.floats(0, 100),
            ram_base_bytes=st.none() | st.just(MIB),
            ram_peak_bytes=st.none() | st.integers(MIB, 20 * MIB),
        ),
    ),
    admitted=st.booleans(),
    incident=st.none() | st.builds(incident, state=st.sampled_from([IncidentState.OPEN, IncidentState.ACTING])),
    windows=st.builds(windows, st.integers(0, 6), latency_p50_ms=st.floats(1, 30), latency_p95_ms=st.floats(1, 60)),
    sent_unix_s=st.none() | st.just(NOW),
)


@always
@given(anything)
def test_whatever_the_facts_the_loop_comes_to_rest(made: DeviceView) -> None:
    """Performing what was decided leads, in a few rounds at one moment, to where nothing is left to do."""
    for _ in range(15):
        actions = told(made)
        if not actions:
            return
        for action in actions:
            made = performed(made, action)
    pytest.fail(f"still to do: {told(made)}")


refuted = st.none() | st.dictionaries(
    st.sampled_from(["slowness", "ram_base_bytes"]),
    st.builds(
        Learned,
        learned_unix_s=st.just(NOW - 1e6),
        doubted_unix_s=st.none() | st.floats(NOW - 200_000, NOW),
        again=st.integers(0, 2),
    ),
)
passed = st.builds(
    incident,
    state=st.sampled_from([IncidentState.REPAIRED, IncidentState.UNREPAIRED]),
    opened_unix_s=st.floats(NOW - 100_000, NOW - 700),
    closed_unix_s=st.floats(NOW - 700, NOW),
)


@always
@given(anything, refuted, st.lists(passed, max_size=3), st.floats(0.0, 2_000.0), st.data())
def test_time_alone_changes_nothing_before_the_moment_that_is_told(
    made: DeviceView, learned: dict[str, Learned] | None, past: list[Incident], ago_s: float, data: st.DataObject
) -> None:
    if learned is not None:
        calibration = replace(made.device.calibration, learned=learned)
        made = replace(made, device=replace(made.device, calibration=calibration))
    if made.desired is not None:
        finished = None if made.desired.result is None else NOW - ago_s
        made = replace(made, desired=replace(made.desired, issued_unix_s=NOW - ago_s, finished_unix_s=finished))
    made = replace(made, past_incidents=past)
    for _ in range(15):
        if not (actions := told(made)):
            break
        for action in actions:
            made = performed(made, action)
    until = min(due(made, POLICY, NOW), NOW + 1e6)
    between = data.draw(st.floats(NOW, until, exclude_max=True))
    assert told(made, between) == []
    assert stands(made, between) is stands(made)
    owned = replace(made, owner=made.rollout or rollout(state=RolloutState.ABORTED))
    owned = replace(owned, member=stand(owned, POLICY, NOW))
    assert stand(owned, POLICY, between) is None


@always
@given(anything)
def test_nothing_but_what_fits_is_ever_assigned(made: DeviceView) -> None:
    for action in told(made):
        if isinstance(action, Assign):
            assert made.placement is not None
            assert action.sha256 == made.placement.sha256
            assert made.admitted
            assert action.attempts <= POLICY.attempts


def test_a_device_is_named_in_its_assignment() -> None:
    assigned = only(told(view(desired=None, reported=None)))
    assert isinstance(assigned, Assign)
    assert isinstance(assigned.device, Device)
    assert assigned.device.id == "cam"
