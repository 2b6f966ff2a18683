"""A controller of this release on a state that release 0.1 left: nothing moves by itself, and policy can be changed.

`state_0_1.sql` is the database of a finished rollout under 0.1: one device on the dense model, one on a pruned variant,
one refused.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import cast

import pytest
from alembic import command
from sqlalchemy import Engine, MetaData, create_engine, insert, select

from controller.core.intents import AddModel, IntentError, SetModel
from controller.core.nouns.model import Model, Prefer, Recovery
from controller.core.policy import Policy
from controller.store import schema
from controller.store.engine import make_engine
from tests.databases import Databases
from tests.stories.world import World

STATE_0_1 = Path(__file__).parent / "state_0_1.sql"
DEVICES = ("cam-1", "cam-2", "cam-3")


@pytest.fixture
def upgraded(databases: Databases, tmp_path: Path) -> World:
    leave_0_1(make_engine(databases.url(tmp_path, empty=True)))
    world = World(tmp_path, Policy(soak_s=5, retry_s=5, resend_s=5, cooldown_s=5))
    with world.store.read() as tx:
        for job in tx.jobs():
            world.jobs.result(job)  # its artifact, byte by byte the one that was made under 0.1
    return world


def leave_0_1(engine: Engine) -> None:
    """The tables are those of 0.1's revision; their rows are read as SQLite has them, and written as `engine` does."""
    dump, old, new = create_engine("sqlite://"), MetaData(), MetaData()
    with engine.begin() as connection, dump.connect() as dumped:
        command.upgrade(schema._config(connection), "0005")
        cast(sqlite3.Connection, dumped.connection.driver_connection).executescript(STATE_0_1.read_text())
        old.reflect(dumped)
        new.reflect(connection)
        for table in new.sorted_tables:
            counted = table.name in ("windows", "events", "dead_letters")  # their ids go on from where they are
            rows = [dict(row) for row in dumped.execute(select(old.tables[table.name])).mappings()]
            kept = [{name: value for name, value in row.items() if not (counted and name == "id")} for row in rows]
            if kept and table.name != "alembic_version":
                connection.execute(insert(table), kept)
    dump.dispose()
    engine.dispose()


def model(world: World) -> Model:
    with world.store.read() as tx:
        found = tx.get_model("watch@1")
    assert found is not None
    return found


def spec(world: World, extra: str = "", weights: bytes = b"weights") -> str:
    """The spec that 0.1 was given, byte by byte, but for what is `extra`."""
    folder = world.tmp_path
    (folder / "weights.safetensors").write_bytes(weights)
    (folder / "net.py").write_text("def build(): ...\n")
    (folder / "model.yaml").write_text(
        "name: watch\nversion: '1'\nfactory: net.py:build\nweights: weights.safetensors\n"
        f"input: {{shape: [1, 6, 128]}}\naccuracy: {{floor: 85 %}}\n{extra}"
    )
    return str(folder / "model.yaml")


def test_what_runs_stays_and_nothing_is_pruned_or_assigned_anew(upgraded: World) -> None:
    before = {device: (upgraded.placement(device), upgraded.assignments(device)) for device in DEVICES}
    assert [placed.sha256 is not None for placed, _ in before.values() if placed] == [True, True, False]
    upgraded.run(60)
    for device, (placed, assigned) in before.items():
        now = upgraded.placement(device)
        assert placed is not None
        assert now is not None
        assert (now.sha256, now.feasible, now.waiting_for) == (placed.sha256, placed.feasible, placed.waiting_for)
        assert upgraded.assignments(device) == assigned
    assert upgraded.standings("r1") == {"cam-1": "succeeded", "cam-2": "succeeded", "cam-3": "infeasible"}
    assert upgraded.jobs.started == []
    assert (model(upgraded).prefer, model(upgraded).ladder, model(upgraded).refine_s) == (Prefer.ACCURACY, 0, 0.0)


def test_the_same_spec_is_the_same_model_and_other_weights_are_not(upgraded: World) -> None:
    before = model(upgraded).digest
    assert upgraded.ask(AddModel(spec(upgraded))) == "watch@1"
    assert model(upgraded).digest != before, "told apart by what the model is from now on"
    policy = "# a comment\nrecover: {epochs: 3}\nprune: {budget: 10 min}\n"
    assert upgraded.ask(AddModel(spec(upgraded, policy))) == "watch@1"
    assert (model(upgraded).recovery, model(upgraded).refine_s) == (Recovery(epochs=3), 600.0)
    with pytest.raises(IntentError, match="give it a new version"):
        upgraded.ask(AddModel(spec(upgraded, weights=b"other weights")))
    upgraded.run(10)
    assert upgraded.jobs.started == []


def test_policy_is_changed_without_a_new_version_and_what_was_refused_is_asked_again(upgraded: World) -> None:
    upgraded.ask(SetModel("watch@1", accuracy_margin=0.02))
    assert (model(upgraded).prefer, model(upgraded).accuracy_margin) == (Prefer.ACCURACY, 0.02)
    assert model(upgraded).accuracy_floor == 0.85, "what is not named stays"
    upgraded.until(lambda: bool(upgraded.jobs.started), 30)
    upgraded.ask(SetModel("watch@1", prefer="frugal"))
    assert (model(upgraded).prefer, model(upgraded).accuracy_margin) == (Prefer.FRUGAL, 0.02)
    upgraded.ask(SetModel("watch@1", refine_s=60.0))
    upgraded.ask(SetModel("watch@1", ladder=0))
    assert model(upgraded).refine_s == 60.0
    for wrong in ({"prefer": "speed"}, {"ladder": 99}, {"accuracy_floor": 1.5}, {"refine_s": -1.0}):
        with pytest.raises(IntentError) as refused:
            upgraded.ask(SetModel("watch@1", **wrong))
        assert refused.value.status == 400
    with pytest.raises(IntentError) as unknown:
        upgraded.ask(SetModel("watch@2", prefer="frugal"))
    assert unknown.value.status == 404
