"""Whatever operators do, in whatever order, with the controller killed in between: nobody is overlooked, memory is what
is stored, and each device is owned as the manual's table says."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.core.intents import AbortRollout, AcceptDevice, ForgetDevice, IntentError, RegisterDevice, RevokeDevice
from controller.core.nouns.device import Device, DeviceState
from controller.core.nouns.member import GONE, Standing
from controller.core.nouns.rollout import LIVE, Rollout, RolloutState
from controller.core.policy import Policy
from controller.core.selector import parse_selector
from tests.stories.world import World, profile

NAMES, SITES = ("a", "b", "c", "d"), ("north", "south")
names, sites = st.sampled_from(NAMES), st.sampled_from(SITES)
selectors, models = st.sampled_from(["", "site=north", "site=south", "id=a"]), st.sampled_from(["watch@1", "other@1"])
deeds = st.one_of(
    st.tuples(st.just("start"), selectors, models),
    st.tuples(st.just("abort"), st.integers(1, 4), st.none()),
    st.tuples(st.just("label"), names, sites),
    st.tuples(st.just("revoke"), names, st.none()),
    st.tuples(st.just("accept"), names, st.none()),
    st.tuples(st.just("forget"), names, st.none()),
    st.tuples(st.just("slow"), names, st.sampled_from([1.0, 4.0])),
    st.tuples(st.just("restart"), st.none(), st.none()),
    st.tuples(st.just("wait"), st.sampled_from([1.0, 20.0]), st.none()),
)  # fmt: skip


def of_site(name: str, site: str) -> str:
    return profile(name, "deadline: 25 ms", f"labels: {{site: {site}}}")


def do(world: World, what: str, of: object, by: object) -> None:
    match what:
        case "start":
            world.roll_out(str(of), str(by))
        case "abort":
            world.ask(AbortRollout(f"r{of}"))
        case "label":
            world.ask(RegisterDevice(of_site(str(of), str(by))))
        case "revoke":
            world.ask(RevokeDevice(str(of)))
        case "accept":
            world.ask(AcceptDevice(str(of)))
        case "forget":
            world.ask(ForgetDevice(str(of)))
        case "slow":
            world.devices[str(of)].slowness = float(str(by))
        case "restart":
            world.kill_controller()
            world.run(1)
            world.restart_controller()
        case "wait":
            world.run(float(str(of)))


def check(world: World) -> None:
    world.assert_memory_is_what_is_stored()
    with world.store.read() as tx:
        owners = {each.device: each for each in tx.owners()}
        members = {each.device: each for each in tx.owned_members()}
        devices, rollouts = {each.id: each for each in tx.devices()}, {each.id: each for each in tx.rollouts()}
    assert owners.keys() == members.keys() <= devices.keys()
    for device in devices.values():
        live = [each for each in rollouts.values() if each.state in LIVE and may_join(device, each)]
        if (owner := owners.get(device.id)) is None:
            assert not live, "it would have joined that"
            continue
        owning, member = rollouts[owner.rollout], members[device.id]
        newer = [each for each in live if each.number > owning.number]
        assert not (newer if may_join(device, owning) else live), "it would have joined that"
        if owning.state is RolloutState.RUNNING:
            assert (member.standing is Standing.LEFT) is not may_join(device, owning)
        assert member.wave is not None or member.standing not in GONE, "nobody goes without a wave"


def may_join(device: Device, rollout: Rollout) -> bool:
    return device.state is DeviceState.ACCEPTED and parse_selector(rollout.selector).matches(device)


def peopled(folder: Path) -> World:
    """Two models, and devices of both sites."""
    world = World(folder, Policy(soak_s=4, retry_s=5, resend_s=5, cooldown_s=10, repair_deadline_s=100))
    world.jobs.seconds = 3.0
    world.add_model()
    world.add_model("other")
    for at, name in enumerate(NAMES):
        world.add_device(of_site(name, SITES[at % 2]))
    return world


@settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))
@given(st.lists(deeds, min_size=3, max_size=12))
def test_any_order(told: list[tuple[str, object, object]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = peopled(Path(folder))
        try:
            for what, of, by in told:
                try:
                    do(world, what, of, by)
                except IntentError as refused:
                    assert refused.status in (404, 409), refused.message  # noqa: PT017
                world.run(2)
            check(world)
            world.run(60)
            check(world)
        finally:
            world.store.close()
