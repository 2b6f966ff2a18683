"""When a device is to be looked at again though nothing happens: the rule says the same until then, and not after."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from agent.wire.errors import Failure
from agent.wire.messages import Result
from controller.core.decide import decide
from controller.core.due import due
from controller.core.nouns.calibration import Calibration, Learned
from controller.core.nouns.incident import IncidentState
from controller.core.nouns.rollout import RolloutState
from controller.core.policy import DAY_S, Policy
from controller.core.presence import Presence
from controller.core.standing import standing
from controller.core.view import DeviceView
from tests.core.builders import (
    NOW,
    desired,
    incident,
    placement,
    profile,
    reported,
    rollout,
    view,
    windows,
)

POLICY = Policy(resend_s=15, soak_s=61, retry_s=62, cooldown_s=600, repair_deadline_s=1800, refute_s=90_000)
HOT = {"latency_p50_ms": 50.0, "latency_p95_ms": 60.0}
LATE = profile(deadline_s=0.02)


def closed(opened_ago_s: float, closed_ago_s: float, number: int = 1) -> object:
    return incident(id=f"p{number}", state=IncidentState.REPAIRED, opened_unix_s=NOW - opened_ago_s,
                    closed_unix_s=NOW - closed_ago_s)  # fmt: skip


def learned(calibration: Calibration, **entry: object) -> Calibration:
    return replace(calibration, learned={"slowness": Learned(learned_unix_s=NOW - 100_000, **entry)})  # type: ignore[arg-type]


UNANSWERED = view(desired=desired(result=None, issued_unix_s=NOW - 10), reported=None, sent_unix_s=NOW - 10)
CASES = {
    "an assignment is sent again": (UNANSWERED, NOW + 5),
    "silence is a failure": (
        replace(UNANSWERED, rollout=rollout(deadline_s=400), sent_unix_s=NOW - 400, presence=Presence.OFFLINE),
        NOW + 390,
    ),
    "a soak ends": (view(desired=desired(finished_unix_s=NOW - 20)), NOW + 41),
    "a better variant is offered": (
        view(
            rollout=rollout(state=RolloutState.FINISHED),
            desired=desired("half", finished_unix_s=NOW - 20), placement=placement("half"), reported=reported("half"),
        ),
        NOW + 41,
    ),
    "a failure is tried again": (
        view(
            desired=desired(result=Result.FAILED_ROLLED_BACK, finished_unix_s=NOW - 20, attempts=1),
            reported=reported(None, Result.FAILED_ROLLED_BACK, failure=Failure.CRASHED),
        ),
        NOW + 42,
    ),
    "a repair takes too long": (
        view(incident=incident(state=IncidentState.ACTING, opened_unix_s=NOW - 100)), NOW + 1700,
    ),
    "a device was left alone": (
        view(profile=LATE, windows=windows(5, **HOT), past_incidents=[closed(700, 100)]), NOW + 500,
    ),
    "a device had its incidents of the day": (
        view(
            profile=LATE, windows=windows(5, **HOT),
            past_incidents=[closed(50_000 + at, 40_000, at) for at in range(6)],
        ),
        NOW + DAY_S - 50_005,
    ),
    "a figure is refuted": (
        view(
            calibration=learned(Calibration(slowness=3.0), doubted_unix_s=NOW - 1_000.0, most=1.0),
            profile=profile(deadline_s=1.0), windows=windows(5),
        ),
        NOW + 89_000,
    ),
}  # fmt: skip


def said(made: DeviceView, now_unix_s: float) -> object:
    return [type(each) for each in decide(made, POLICY, now_unix_s)], standing(made, POLICY, now_unix_s)


@pytest.mark.parametrize("name", CASES)
def test_the_rules_say_something_else_from_that_moment_on_and_not_before(name: str) -> None:
    made, moment = CASES[name]
    before, after = said(made, NOW), said(made, moment + 0.01)
    assert before[0] == []  # type: ignore[index]
    assert before != after
    assert said(made, moment - 0.01) == before
    now, looks = NOW, 0
    while now < moment:
        now, looks = due(made, POLICY, now), looks + 1
        assert looks < 20
    assert now <= moment + 0.001


def test_a_device_on_which_all_is_well_is_left_asleep() -> None:
    assert due(view(), POLICY, NOW) == math.inf
