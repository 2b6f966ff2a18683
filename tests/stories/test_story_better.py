"""What fits goes out at once; a better variant follows when the rollout is over, once, and only where it is better."""

from __future__ import annotations

from dataclasses import replace

from controller.core.intents import SetModel
from controller.core.nouns.rollout import RolloutState
from controller.core.nouns.variant import Variant
from tests.stories.world import World, profile

SMALL = profile("small", "deadline: 3 ms")
ROOMY = profile("roomy", "deadline: 8 ms")


def judged(variant: Variant) -> Variant:
    """As a gate of many samples judges: it tells any two variants of these stories apart."""
    accuracy = variant.accuracy or 0.0
    return replace(variant, accuracy_low=accuracy - 0.001, accuracy_high=accuracy + 0.001, gate_samples=100_000)


def ran(world: World, device: str) -> list[Variant]:
    """Every variant that the device was assigned, oldest first."""
    known = {each.sha256: each for each in world.variants()}
    return [known[sha256] for _, sha256, _ in world.assignments(device)]


def roll_out(world: World) -> str:
    world.add_model()
    for device in (SMALL, ROOMY):
        world.add_device(device)
    rollout = world.roll_out()
    world.until(lambda: world.rollout(rollout).state is not RolloutState.RUNNING)
    assert world.rollout(rollout).state is RolloutState.FINISHED
    return rollout


def test_the_tightest_prune_serves_all_at_once_and_the_roomier_device_is_offered_better_later(world: World) -> None:
    world.jobs.spoilt = judged
    world.jobs.seconds = 40.0
    rollout = roll_out(world)
    (first,) = ran(world, "small")
    assert ran(world, "roomy") == [first], "it did not wait for its own"
    ended = world.rollout(rollout)
    assert len(world.jobs.started) == 3
    world.until(lambda: len(ran(world, "roomy")) == 2)
    world.run(120)
    better = ran(world, "roomy")[1]
    assert (better.accuracy or 0) > (first.accuracy or 0)
    assert world.devices["roomy"].running == better.sha256
    assert len(ran(world, "roomy")) == 2
    assert ran(world, "small") == [first]
    assert world.rollout(rollout) == ended, "no wave was opened again"
    placed = world.placement("roomy")
    assert placed is not None
    assert (placed.offered, placed.waiting_for) == (True, None)


def test_where_nothing_is_lost_no_prune_is_made_and_the_placement_says_why(world: World) -> None:
    world.jobs.spoilt = lambda variant: judged(replace(variant, accuracy=0.95))
    roll_out(world)
    world.run(120)
    assert len(world.jobs.started) == 2, "the dense model, and the one that both run"
    assert ran(world, "roomy") == ran(world, "small")
    placed = world.placement("roomy")
    assert placed is not None
    assert placed.waiting_for is None
    assert placed.reason.startswith("a variant made for this envelope is predicted to win at most 0.")
    assert placed.reason.endswith("(modelled); not worth a job")


def test_what_is_not_shown_to_be_better_is_not_offered(world: World) -> None:
    world.jobs.spoilt = lambda variant: replace(variant, accuracy_low=0.5, accuracy_high=1.0)
    roll_out(world)
    world.run(120)
    assert len(world.jobs.started) == 3
    assert len(ran(world, "roomy")) == 1


def test_a_better_variant_that_fails_is_offered_once_and_the_device_keeps_what_it_runs(world: World) -> None:
    """It answers otherwise than it should, which no second trial would change."""
    world.jobs.spoilt = lambda variant: (
        judged(variant) if variant.dense or (variant.accuracy or 0) < 0.9 else broken(variant)
    )

    def broken(variant: Variant) -> Variant:
        world.costs[variant.sha256] = (variant.ram_bytes, variant.latency_p50_s * 50)
        return judged(variant)

    world.jobs.seconds = 40.0
    rollout = roll_out(world)
    world.until(lambda: len(ran(world, "roomy")) >= 2)
    world.run(200)
    first, better, *after = ran(world, "roomy")
    assert (better.accuracy or 0) > (first.accuracy or 0)
    assert better not in after
    assert world.devices["roomy"].running == first.sha256
    assert world.rollout(rollout).state is RolloutState.FINISHED


def test_another_preference_counts_from_the_next_rollout_on(world: World) -> None:
    world.jobs.spoilt = judged
    roll_out(world)
    world.until(lambda: len(ran(world, "roomy")) == 2)
    world.run(60)
    world.ask(SetModel("watch@1", prefer="frugal", accuracy_margin=0.2))
    world.run(60)
    assert len(ran(world, "roomy")) == 2, "a policy moves nothing by itself"
    again = world.roll_out()
    world.until(lambda: world.rollout(again).state is not RolloutState.RUNNING)
    assert ran(world, "roomy")[-1] == ran(world, "small")[0], "within 20 points the smallest costs least"


def test_another_preference_is_no_offer(world: World) -> None:
    """Nothing was made since; that the small variant costs less was so when the roomy device got its own."""
    world.jobs.spoilt = judged
    world.add_model()
    world.add_device(SMALL)
    first = world.roll_out()
    world.until(lambda: world.rollout(first).state is not RolloutState.RUNNING)
    world.add_device(profile("gateway", "deadline: 1 s"))
    world.until(lambda: world.devices["gateway"].running is not None)
    world.run(30)
    world.ask(SetModel("watch@1", prefer="frugal", accuracy_margin=0.2))
    world.run(60)
    assert [each.dense for each in ran(world, "gateway")] == [True]


def test_a_ladder_is_made_in_the_background_where_the_owner_wants_one(world: World) -> None:
    world.add_model()
    world.ask(SetModel("watch@1", ladder=3))
    world.until(lambda: len(world.variants()) == 4)
    assert [each.dense for each in world.variants()] == [True, False, False, False]
