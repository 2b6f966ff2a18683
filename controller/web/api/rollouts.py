"""Rollouts: start, follow, abort."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query

from controller.core.intents import AbortRollout, StartRollout
from controller.core.nouns.rollout import Rollout, RolloutState
from controller.core.selector import Selector, parse_selector
from controller.loop import pages
from controller.web.answers import Json, Port, found
from controller.web.api.models import resolve
from controller.web.pages import MOST, Selected, Wanted, answer
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
def list_members(port: Port, rollout: str, asked: Wanted, selector: Selected) -> Json:
    """By id: the accepted devices that the rollout's selector matches now, late joiners with them."""
    with port.read() as tx:
        shown = found(tx.get_rollout(rollout), "rollout", rollout)
    page, facts = port.look(lambda fleet: pages.members(fleet, rollout, selector, asked.after, asked.limit))
    return answer(page, {each.device.id: member_view(shown, each) for each in facts}, asked)


def _show(port: ControllerPort, rollout: str, status_code: int = 200) -> Json:
    """With how many of its devices stand where; which ones is asked for in pages."""
    with port.read() as tx:
        shown = found(tx.get_rollout(rollout), "rollout", rollout)
    standings = _standings(port, shown)
    detail = {"members": standings.total(), "devices_by_standing": dict(standings)}
    return Json({**rollout_view(shown), **detail}, status_code=status_code)


def _standings(port: ControllerPort, rollout: Rollout) -> Counter[str]:
    """Counted by the page: no turn of the loop waits for all of them."""
    counted, after, more = Counter[str](), "", True
    while more:
        page, facts = port.look(lambda fleet, after=after: pages.members(fleet, rollout.id, Selector(), after, MOST))  # type: ignore[misc]
        counted.update(member_view(rollout, each)["standing"] for each in facts)
        after, more = page.names[-1] if page.names else "", page.more
    return counted
