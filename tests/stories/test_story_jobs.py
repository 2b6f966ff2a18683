"""What a job's end says of its model."""

from __future__ import annotations

from pathlib import Path

from controller.core.policy import Policy
from controller.core.types import Caps, Constraint, JobState, PruneJob
from controller.facts import JobEnded
from controller.pruning.job import JobResult
from tests.stories.world import RAM_BASE, World


def test_a_refused_prune_whose_closest_is_the_dense_variant_leaves_the_runtimes_base(tmp_path: Path) -> None:
    """With a base of 0 every device with a cap on its whole memory would be thought far roomier than it is."""
    world = World(tmp_path, Policy())
    ref = world.add_model()
    (dense,) = world.variants()
    with world.store.begin() as tx:
        tx.put_job(PruneJob(id="j", model=ref, caps=Caps(latency_s=1e-6), state=JobState.RUNNING))
    result = JobResult(state=JobState.INFEASIBLE, variant=dense, binding=Constraint.DEADLINE, detail="too tight")
    world.daemon.turn([JobEnded("j", result)])
    with world.store.read() as tx:
        model = tx.get_model(ref)
    assert model is not None
    assert model.ram_base_bytes == RAM_BASE
