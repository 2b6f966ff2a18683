"""One fleet of real processes through kill -9 of everything: it ends where it should be, and no window is lost."""

from __future__ import annotations

import hashlib
import random
import time
from functools import partial
from pathlib import Path

import pytest

from controller.client import Row
from tests.e2e.e2e_fleet import Fleet
from tests.e2e.grounds import Agent

pytestmark = pytest.mark.e2e
SEED = 7
WITHOUT_RUNTIME = """\
import sys
from importlib.machinery import PathFinder


class WithoutRuntime(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in ("onnxruntime", "ncnn") else super().find_spec(name, path, target)


sys.meta_path[sys.meta_path.index(PathFinder)] = WithoutRuntime
"""


def test_a_killed_agent_resumes_its_variant_and_loses_no_window(fleet: Fleet) -> None:
    slim, before = fleet.slim, fleet.controller.assignments("slim")
    fleet.until_settled(slim)
    runs = fleet.desired(slim)
    left = slim.kill()
    assert left, "there was a worker"
    fleet.grounds.until_gone(left, 5, "the killed agent")
    spooled, stored = slim.spooled(), fleet.controller.seqs("slim")

    slim.start()
    fleet.grounds.until(lambda: slim.serves() == runs, 20, "slim serves the same variant again")
    fleet.grounds.until(lambda: len(fleet.controller.seqs("slim")) > len(stored), 30, "windows of a new boot arrive")
    fleet.until_settled(slim)
    assert_nothing_lost(fleet, slim, spooled, stored)
    assert fleet.controller.assignments("slim") == before, "nothing was assigned anew"


def test_a_kill_in_the_download_and_one_in_the_trial_end_on_the_desired_variant(fleet: Fleet) -> None:
    dragged = fleet.join("dragged", "storage: 8 MiB")
    fleet.grounds.until(lambda: dragged.part_bytes() > 0, 20, "a download begins", pause_s=0.001)
    dragged.kill()
    assert dragged.record().pending is not None, "it died before the end of its installation"
    dragged.start()
    fleet.grounds.until(lambda: dragged.record().trials == 1, 20, "a trial begins", pause_s=0.005)
    fleet.grounds.until_gone(dragged.kill(), 5, "the agent killed in its trial")
    assert dragged.record().pending is not None
    dragged.start()
    fleet.until_settled(dragged)
    assert_right_artifact(fleet, dragged)
    assert [(seq, result) for seq, _, result in fleet.controller.assignments("dragged")] == [(1, "succeeded")]


def test_kills_at_random_moments_end_on_the_desired_variant(fleet: Fleet) -> None:
    hunted, dice = fleet.join("hunted", "storage: 8 MiB"), random.Random(SEED)
    for _ in range(5):
        time.sleep(dice.uniform(0.1, 2.5))
        fleet.grounds.until_gone(hunted.kill(), 5, "the hunted agent")
        spooled = hunted.spooled()
        hunted.start()
    fleet.until_settled(hunted)
    assert_right_artifact(fleet, hunted)
    made = fleet.controller.assignments("hunted")
    assert {sha256 for _, sha256, _ in made} == {fleet.desired(hunted)}
    assert made[-1][2] == "succeeded"
    assert_nothing_lost(fleet, hunted, spooled, {})


def test_a_killed_controller_finds_the_fleet_serving_and_makes_up_for_its_absence(fleet: Fleet) -> None:
    """It dies with its broker and with a prune job; meanwhile an agent dies too, and comes back alone."""
    grounds, controller, roomy, slim = fleet.grounds, fleet.controller, fleet.roomy, fleet.slim
    fleet.until_settled(roomy, slim)
    runs = {agent.device: fleet.desired(agent) for agent in (roomy, slim)}
    tight = fleet.join("tight", "storage: 400 kB")
    job = grounds.until(lambda: _job_under_way(fleet), 20, "a prune job runs")
    before = {device: controller.assignments(device) for device in runs}
    stored = {device: controller.seqs(device) for device in runs}

    grounds.until_gone(controller.kill(), 10, "the killed controller: its broker, its prune job")
    for agent in (roomy, slim):
        grounds.until(partial(_spools, agent, 4), 20, f"{agent.device} goes on and spools")
    grounds.until_gone(slim.kill(), 5, "the agent killed while it is alone")
    slim.start()
    grounds.until(lambda: slim.serves() == runs["slim"], 20, "slim resumes without a controller")
    assert all(agent.alive and agent.status()["sha256"] == runs[agent.device] for agent in (roomy, slim))
    spooled = {agent.device: agent.spooled() for agent in (roomy, slim)}
    assert len(spooled["slim"]) == 2, "windows of both boots wait"

    grounds.start_controller()
    fleet.until_settled(roomy, slim, tight, limit_s=90)
    for agent in (roomy, slim):
        assert_nothing_lost(fleet, agent, spooled[agent.device], stored[agent.device])
        assert controller.assignments(agent.device) == before[agent.device], "the same seqs, nothing assigned anew"
    assert controller.log().count(f"event=started job={job}") == 2
    assert [(seq, result) for seq, _, result in controller.assignments("tight")] == [(1, "succeeded")]
    assert_right_artifact(fleet, tight)
    assert tight.artifact(fleet.desired(tight)).stat().st_size <= 400_000


def test_an_agent_without_a_runtime_says_so_and_obeys_once_it_has_one(fleet: Fleet, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_RUNTIME)
    bare = fleet.grounds.add("bare", "storage: 8 MiB", environment={"PYTHONPATH": str(tmp_path)})
    assert fleet.grounds.client.device("bare")["runtimes"] == []
    fleet.grounds.client.accept_device("bare")
    row = fleet.grounds.until(lambda: _ended(fleet, "bare"), 30, "bare says how its assignment went")
    assert (row["result"], row["sha256"]) == ("rejected", None)
    assert row["result_reason"] == "no_runtime: onnxruntime is not installed"
    time.sleep(3.0)  # longer than the policy's pause before another attempt
    assert bare.alive
    assert fleet.grounds.client.device("bare")["presence"] == "online"
    assert len(fleet.controller.assignments("bare")) == 1, "what cannot pass by itself is not tried again"

    assert bare.terminate()[0] == 0
    bare.start()
    fleet.until_settled(bare)
    assert_right_artifact(fleet, bare)


def test_every_announced_agent_came_to_run_the_variant_of_its_own_budget(fleet: Fleet) -> None:
    client = fleet.grounds.client
    assert {device: row["state"] for device, row in fleet.announced.items()} == {"roomy": "pending", "slim": "pending"}
    assert all(row["sha256"] is None for row in fleet.announced.values())
    rollout = client.rollout(fleet.rollout)
    assert rollout["state"] == "finished", rollout["reason"]
    fleet.until_settled(fleet.roomy, fleet.slim)

    variants = {row["sha256"]: row for row in client.variants("waves@1")}
    dense, pruned = (variants[fleet.desired(agent)] for agent in (fleet.roomy, fleet.slim))
    assert dense["dense"]
    assert not pruned["dense"]
    assert pruned["size_bytes"] <= 1_000_000 < dense["size_bytes"]
    assert pruned["accuracy"] >= 0.6
    for agent in (fleet.roomy, fleet.slim):
        row, windows = client.device(agent.device), client.telemetry(agent.device, 5)
        assert row["within_budget"]
        assert all(window["sha256"] == row["desired_sha256"] and window["count"] > 0 for window in windows)
        assert all(window["latency_source"] == "measured" and window["errors"] == 0 for window in windows)
        assert_right_artifact(fleet, agent)


def test_sigterm_ends_everything_cleanly_and_it_goes_on_afterwards(fleet: Fleet) -> None:
    grounds, agents = fleet.grounds, (fleet.roomy, fleet.slim)
    fleet.until_settled(*agents)
    before = {agent.device: fleet.controller.assignments(agent.device) for agent in agents}
    for agent in agents:
        code, had = agent.terminate(limit_s=6)
        assert code == 0, agent.tail()
        grounds.until_gone(had, 1, agent.device)
        grounds.until(partial(_offline, fleet, agent), 5, "its goodbye is heard")
    code, had = fleet.controller.terminate(limit_s=8)
    assert code == 0, fleet.controller.tail()
    assert had, "there was a broker"
    grounds.until_gone(had, 1, "the controller")
    assert "Traceback" not in fleet.controller.log()

    grounds.start_controller()
    for agent in agents:
        agent.start()
    fleet.until_settled(*agents)
    assert {agent.device: fleet.controller.assignments(agent.device) for agent in agents} == before


def assert_right_artifact(fleet: Fleet, agent: Agent) -> None:
    """What the device has on disk is what it was assigned, to the last byte, and nothing half done beside it."""
    sha256 = fleet.desired(agent)
    record = agent.record()
    assert record.active is not None
    assert record.active.sha256 == sha256 == hashlib.sha256(agent.artifact(sha256).read_bytes()).hexdigest()
    assert agent.part_bytes() == 0


def assert_nothing_lost(
    fleet: Fleet, agent: Agent, spooled: dict[str, list[int]], stored: dict[str, list[int]]
) -> None:
    """Every window that was stored or spooled comes to the database, each boot's without a gap or a double."""
    waiting = {(boot, seq) for boot, seqs in spooled.items() for seq in seqs}

    def arrived() -> bool:
        return waiting <= {(boot, seq) for boot, seqs in fleet.controller.seqs(agent.device).items() for seq in seqs}

    fleet.grounds.until(arrived, 60, f"the windows that {agent.device} kept arrive: {spooled}")
    now = fleet.controller.seqs(agent.device)
    for boot, seqs in now.items():
        assert seqs == list(range(1, len(seqs) + 1)), f"boot {boot} of {agent.device}"
    assert all(set(seqs) <= set(now[boot]) for boot, seqs in stored.items())


def _job_under_way(fleet: Fleet) -> str | None:
    """The running job, once its process has said something."""
    running = [row["id"] for row in fleet.grounds.client.jobs() if row["state"] == "running" and row["detail"]]
    return running[0] if running else None


def _ended(fleet: Fleet, device: str) -> Row | None:
    row = fleet.grounds.client.device(device)
    return row if row["result"] is not None else None


def _offline(fleet: Fleet, agent: Agent) -> bool:
    return fleet.grounds.client.device(agent.device)["presence"] == "offline"


def _spools(agent: Agent, windows: int) -> bool:
    return sum(map(len, agent.spooled().values())) >= windows
