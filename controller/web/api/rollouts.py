"""Rollouts: start, follow, abort."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query

from controller.core.intents import AbortRollout, StartRollout
from controller.core.nouns.member import Standing
from controller.core.nouns.rollout import RolloutState
from controller.core.selector import parse_selector
from controller.loop import pages
from controller.web.answers import Json, Port, found
from controller.web.api.models import resolve
from controller.web.facts import facts_among
from controller.web.pages import Wanted, answer
from controller.web.port import ControllerPort
from controller.web.views import member_view, rollout_view

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
def list_rollouts(port: Port, asked: Wanted, state: Annotated[Sequence[RolloutState], Query()] = ()) -> Json:
    """Newest first."""
    page = port.look(lambda fleet: pages.rollouts(fleet, state, asked.after, asked.limit))
    with port.read() as tx:
        rollouts = tx.rollouts_among(page.names)
    return answer(page, {name: rollout_view(each) for name, each in rollouts.items()}, asked)


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


@router.get("/{rollout}/devices")
def list_members(port: Port, rollout: str, asked: Wanted, state: Annotated[Sequence[Standing], Query()] = ()) -> Json:
    """By id, as the loop wrote them down; in one of these standings, where any is given."""
    commit = port.look(lambda fleet: fleet.commit)
    with port.read() as tx:
        shown, counted = found(tx.get_rollout(rollout), "rollout", rollout), tx.count_members(rollout)
        members = tx.members_after(rollout, asked.after, asked.limit + 1, state)
        facts = facts_among(tx, [each.device for each in members[: asked.limit]], port.presence)
    total = sum(count for standing, count in counted.items() if not state or standing in state)
    page = pages.page([each.device for each in members], total, asked.limit, commit)
    return answer(page, {each.device: member_view(each, facts.get(each.device), shown) for each in members}, asked)


def _show(port: ControllerPort, rollout: str, status_code: int = 200) -> Json:
    """With how many of its devices stand where; which ones is asked for in pages."""
    with port.read() as tx:
        shown, counted = found(tx.get_rollout(rollout), "rollout", rollout), tx.count_members(rollout)
    detail = {"members": sum(counted.values()), "devices_by_standing": counted}
    return Json({**rollout_view(shown), **detail}, status_code=status_code)
