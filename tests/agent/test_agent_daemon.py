"""A real agent process, a real broker, real workers: install, swap, kill, resume, and how much memory it takes."""

from __future__ import annotations

import os
import signal

import pytest
from fleet import assignment, manifest, sha256
from realagent import A, Agent, Controller, gone, rss_bytes
from realbroker import RealBroker

from agent.slots import Slots
from agent.wire import blocks
from agent.wire.errors import Failure
from agent.wire.messages import Info, Need, Reported, Result, Status, Telemetry

pytestmark = pytest.mark.e2e


def test_install_swap_telemetry_and_a_clean_end(
    agent: Agent, controller: Controller, pair: tuple[bytes, bytes]
) -> None:
    before, other = pair
    agent.start()
    controller.until(lambda: controller.last(Info) is not None)
    controller.assign(assignment(before, 1, rate_hz=20.0))
    controller.until(controller.reported(1))
    first = controller.last(Reported)
    assert first is not None
    assert first.sha256 == sha256(before)
    assert first.trial is not None
    assert first.trial.emulated_gflops == 25
    controller.until(lambda: (last := controller.last(Telemetry)) is not None and last.windows[-1].seq >= 2)
    controller.assign(assignment(other, 2, rate_hz=20.0))
    controller.until(controller.reported(2))
    controller.until(
        lambda: (last := controller.last(Telemetry)) is not None and last.windows[-1].sha256 == sha256(other)
    )
    window = controller.last(Telemetry).windows[-1]  # type: ignore[union-attr]
    assert window.count > 0
    assert window.power_source == "modelled"
    assert window.temperature_celsius is None
    assert agent.status()["sha256"] == sha256(other)
    assert agent.status()["emulated"] == "25 GFLOP/s, sensors"
    assert float(str(agent.status()["busy_s_total"])) > 0
    assert rss_bytes(agent.pid) < 30e6
    workers = agent.workers()
    assert workers
    assert agent.end(signal.SIGTERM) == 0
    controller.until(lambda: (last := controller.last(Status)) is not None and not last.online)
    assert all(gone(pid) for pid in workers)
    assert "event=committed" in agent.log()


def test_a_bad_artifact_changes_nothing(agent: Agent, controller: Controller, pair: tuple[bytes, bytes]) -> None:
    good = pair[0]
    junk = good[:2] + b"no model at all" * 100
    controller.add(junk)
    agent.start()
    controller.assign(assignment(good, 1))
    controller.until(controller.reported(1))
    controller.assign(assignment(junk, 2))
    controller.until(controller.reported(2, Result.REJECTED))
    last = controller.last(Reported)
    assert last is not None
    assert (last.sha256, last.failure) == (sha256(good), Failure.BAD_MODEL)


def test_an_artifact_larger_than_the_supervisor_comes_in(agent: Agent, controller: Controller) -> None:
    junk = bytes(40 * 2**20)
    controller.add(junk)
    agent.start()
    controller.assign(assignment(junk, 1))
    controller.until(controller.reported(1, Result.REJECTED), 40)
    last = controller.last(Reported)
    assert last is not None
    assert last.failure is Failure.BAD_MODEL
    assert rss_bytes(agent.pid, "VmHWM") < 30e6


def test_a_killed_agent_leaves_no_worker_and_resumes_with_the_blocks_it_has(
    agent: Agent, controller: Controller
) -> None:
    controller.blocks_to_send = 4  # the manifest has one
    agent.start()
    controller.assign(assignment(A, 1))
    there = Slots(agent.state)
    controller.until(lambda: controller.blocks_to_send == 0 and len(there.missing(manifest(A))) == 2)
    agent.end(signal.SIGKILL)
    controller.blocks_to_send, controller.heard[:] = 10**9, []
    agent.start()
    controller.until(controller.reported(1))
    need = next(each for each in controller.heard if isinstance(each, Need))
    assert len(blocks.unpack(need.missing, 5)) == 2
    workers = agent.workers()
    agent.end(signal.SIGKILL)
    controller.until(lambda: all(gone(pid) for pid in workers), 10)


def test_an_offline_restart_serves_and_what_it_saw_arrives_later(
    agent: Agent, controller: Controller, broker: RealBroker
) -> None:
    agent.start()
    controller.assign(assignment(A, 1))
    controller.until(controller.reported(1))
    agent.end(signal.SIGKILL)
    broker.stop()
    agent.start()
    controller.until(lambda: "event=serving" in agent.log())
    busy = "busy_s_total"
    controller.until(lambda: agent.status()["pid"] == agent.pid and float(str(agent.status()[busy])) > 0)
    controller.heard.clear()
    broker.start()
    controller.until(lambda: controller.last(Telemetry) is not None, 30)
    first = next(each for each in controller.heard if isinstance(each, Telemetry))
    assert first.windows[0].sha256 == sha256(A)


def test_a_worker_that_is_killed_comes_back(agent: Agent, controller: Controller) -> None:
    agent.start()
    controller.assign(assignment(A, 1))
    controller.until(controller.reported(1))
    controller.until(lambda: controller.last(Telemetry) is not None)
    before = agent.workers()
    assert len(before) == 1
    os.kill(before[0], signal.SIGKILL)
    controller.until(lambda: len(agent.workers()) == 1 and agent.workers() != before)
    assert "event=worker_died" in agent.log()


def test_two_agents_on_one_state_directory_refuse(agent: Agent, controller: Controller) -> None:
    agent.start()
    controller.until(lambda: controller.last(Info) is not None)
    first = agent.process
    agent.start()
    assert agent.process is not None
    assert agent.process.wait(10) == 1
    assert "is in use by the agent with process id" in agent.log()
    agent.process = first
