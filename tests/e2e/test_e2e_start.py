"""How a controller starts and ends: alone on its state, on ports that are free, and with everything that it started."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.grounds import Controller, Grounds, free_ports, listens

pytestmark = pytest.mark.e2e


def test_a_second_controller_on_the_same_state_is_refused_and_disturbs_nobody(grounds: Grounds) -> None:
    grounds.start_controller()
    second = Controller(grounds.root, grounds.databases, free_ports(), name="second")
    grounds.also(second).start()
    assert second.wait(20) == 1
    assert f"another controller is running on {second.state}" in second.log()
    assert "Traceback" not in second.log()
    assert grounds.healthy()


def test_taken_ports_are_named(grounds: Grounds) -> None:
    grounds.start_controller()
    ports = (grounds.controller.http_port, free_ports()[1])
    other = Controller(grounds.root / "other", grounds.databases, ports, name="other")
    grounds.also(other).start()
    assert other.wait(30) == 1
    assert str(grounds.controller.http_port) in other.log()
    assert "Traceback" not in other.log()
    grounds.until(lambda: not listens(other.broker_port), 5, "the refused controller leaves no broker behind")


def test_sigterm_ends_a_running_prune_job_too(grounds: Grounds, user_model: Path) -> None:
    grounds.start_controller()
    grounds.client.add_model(str(user_model))
    grounds.until(lambda: any(row["detail"] for row in grounds.client.jobs()), 20, "the job says something")
    code, had = grounds.controller.terminate()
    assert code == 0, grounds.controller.tail()
    assert len(had) >= 2, "a broker and a job"
    grounds.until_gone(had, 1, "the controller")
    assert "Traceback" not in grounds.controller.log()
