"""A turn that cannot be written: what was derived in it is derived again, and of nobody else; nobody is overlooked."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import DataError, OperationalError

from agent.link import Connected, Disconnected
from controller.core.intents import IntentError
from controller.core.policy import Policy
from controller.loop.changes import Change
from controller.loop.ledger import Ledger
from controller.loop.look import Looker
from controller.loop.perform import Send
from controller.loop.settle import Settler
from tests.stories.test_story_any_order import check, deeds, do, peopled
from tests.stories.test_story_bulk import pending
from tests.stories.test_story_unwritable import said
from tests.stories.world import World

REFUSED, FULL = DataError("INSERT", {}, Exception("no")), OperationalError("COMMIT", {}, Exception("full"))


@contextmanager
def commits_fail(*errors: Exception | None) -> Iterator[None]:
    """The next ones, each with its error; where that is None it goes through."""
    commit, left = Ledger.commit, [*errors]

    def failing(ledger: Ledger, *, even_if_empty: bool = False) -> Change | None:
        error = left.pop(0) if left else None
        if error is not None:
            raise copy(error)  # one that was raised before grows by all that it passed
        return commit(ledger, even_if_empty=even_if_empty)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ledger, "commit", failing)
        yield


def test_one_message_that_cannot_be_kept_has_nobody_else_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, Policy())
    world.put(lambda tx: tx.put_devices([pending(f"d{at:02}", "north") for at in range(40)]))
    world.tick()
    looked, look = set[str](), Settler._look

    def counted(settler: Settler, ledger: Ledger, looker: Looker, device: str, now_unix_s: float) -> list[Send]:
        looked.add(device)
        return look(settler, ledger, looker, device, now_unix_s)

    monkeypatch.setattr(Settler, "_look", counted)
    with commits_fail(REFUSED, None, REFUSED):
        world.daemon.turn([said("d03", "hot")])
        world.tick()
    assert [each.reason for each in world.dead_letters()] == [f"the controller cannot keep it: {REFUSED}"]
    assert looked == {"d03"}


def test_what_came_later_waits_for_what_came_before(tmp_path: Path) -> None:
    """Else a link that broke and is there again would be taken for broken."""
    world = World(tmp_path, Policy())
    world.tick()
    with commits_fail(REFUSED, None, FULL):
        world.daemon.turn([Disconnected("cut"), said("d01", "hot"), Connected(), said("d02", "hot")])
    world.run(5)
    assert world.daemon.troubles == []


def check_derived(world: World) -> None:
    """Who sleeps would be woken by what its model's variants do."""
    daemon, looker = world.daemon, Looker(world.daemon._ledger(), {})
    for device in [each for each in daemon._fleet.devices if not daemon._watch.is_awake(each)]:
        view = looker.view(device)
        assert view is not None
        model = None if view.catalog is None else view.catalog.model.ref
        assert daemon._settler._derived._model_of.get(device) == model, device


errors = st.sampled_from([REFUSED, FULL, None])
troubles = st.lists(errors, min_size=1, max_size=4)


@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(deeds, troubles), min_size=3, max_size=10))
def test_whatever_is_done_while_turns_fail_nobody_is_forgotten(
    told: list[tuple[tuple[str, object, object], list[Exception | None]]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = peopled(Path(folder))
        try:
            for (what, of, by), failing in told:
                with commits_fail(*failing):
                    try:
                        do(world, what, of, by)
                    except IntentError as refused:
                        assert refused.status in (404, 409, 500, 503), refused.message  # noqa: PT017
                    world.run(3)
                check_derived(world)
            world.run(60)
            check_derived(world)
            check(world)
            assert world.daemon.troubles == []
        finally:
            world.store.close()
