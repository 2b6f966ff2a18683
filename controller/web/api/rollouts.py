"""Rollouts: start, follow, abort."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter

from controller.core.intents import AbortRollout, StartRollout
from controller.core.selector import parse_selector
from controller.web.answers import Json, Port, found
from controller.web.api.models import resolve
from controller.web.facts import all_facts
from controller.web.port import ControllerPort
from controller.web.views import rollout_detail, rollout_view

router = APIRouter(prefix="/rollouts", tags=["rollouts"])


@dataclass
class Start:
    """`model` may be a bare name: its newest version. `waves` are cumulative shares up to 1.0.

    `allow_unverified` sends out a model whose spec names no data to check its accuracy on.
    """

    model: str
    selector: str = ""
    waves: list[float] | None = None
    allow_unverified: bool = False


@router.get("")
def list_rollouts(port: Port) -> Json:
    with port.read() as tx:
        rollouts = tx.rollouts()
    return Json([rollout_view(rollout) for rollout in rollouts])


@router.post("", status_code=201)
def start_rollout(port: Port, body: Start) -> Json:
    selector = str(parse_selector(body.selector))
    with port.read() as tx:
        ref = resolve(tx, body.model).ref
    waves = None if body.waves is None else tuple(body.waves)
    return _show(port, port.submit(StartRollout(ref, selector, waves, body.allow_unverified)), status_code=201)


@router.get("/{rollout}")
def show_rollout(port: Port, rollout: str) -> Json:
    return _show(port, rollout)


@router.post("/{rollout}/abort")
def abort_rollout(port: Port, rollout: str) -> Json:
    return _show(port, port.submit(AbortRollout(rollout)))


def _show(port: ControllerPort, rollout: str, status_code: int = 200) -> Json:
    with port.read() as tx:
        shown = found(tx.get_rollout(rollout), "rollout", rollout)
        members, facts = tx.members(rollout), all_facts(tx, port.presences())
    return Json(rollout_detail(shown, members, facts), status_code=status_code)
