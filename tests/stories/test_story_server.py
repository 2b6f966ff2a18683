"""The database's server restarts beneath a controller that runs: what was not written comes again."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine

from agent.wire.messages import Result
from controller.core.nouns.rollout import RolloutState
from tests.databases import Databases, Postgres
from tests.stories.world import World, profile

CUT = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture
def server(databases: Databases) -> Postgres:
    if not isinstance(databases, Postgres):
        pytest.skip("SQLite has no server")
    return databases


def test_a_rollout_goes_on_where_every_connection_was_cut_again_and_again(server: Postgres, world: World) -> None:
    world.compares_memory = False  # its own look would meet the cut
    world.add_model()
    device = world.add_device(profile("cam", "deadline: 6 ms"))
    rollout = world.roll_out()
    administrator = create_engine(server.url(world.tmp_path))
    cuts = 0
    while world.rollout(rollout).state is RolloutState.RUNNING:
        cuts += 1
        with administrator.connect() as connection:
            connection.exec_driver_sql(CUT)
        world.run(1)
        assert world.now_s < 1_800_000_600
    administrator.dispose()
    assert cuts > 5
    assert world.rollout(rollout).state is RolloutState.FINISHED
    assert world.results("cam") == [Result.SUCCEEDED]
    assert device.running == world.assignments("cam")[0][1]
    seqs = [seq for _, seq in world.windows("cam")]
    assert seqs == list(range(1, len(seqs) + 1)), "no window is lost"
