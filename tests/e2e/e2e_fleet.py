"""The fleet that a test module shares: two agents, each with the variant that a rollout gave it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from controller.client import Row
from tests.e2e.grounds import Agent, Controller, Grounds

ROOMY = ("storage: 8 MiB",)
SLIM = ("storage: 1000 kB",)


@dataclass(frozen=True)
class Fleet:
    """A controller and two agents that run what its rollout gave them; `announced` is how they were first shown."""

    grounds: Grounds
    roomy: Agent
    slim: Agent
    announced: dict[str, Row]
    rollout: str

    @property
    def controller(self) -> Controller:
        return self.grounds.controller

    def desired(self, agent: Agent) -> str:
        sha256: str = self.grounds.client.device(agent.device)["desired_sha256"]
        return sha256

    def join(self, device: str, *lines: str) -> Agent:
        """A late joiner of the finished rollout, accepted."""
        agent = self.grounds.add(device, *lines)
        self.grounds.client.accept_device(device)
        return agent

    def until_settled(self, *agents: Agent, limit_s: float = 60.0) -> None:
        for agent in agents:
            self.grounds.until(partial(self.grounds.settled, agent), limit_s, f"{agent.device} runs its variant")


def rolled_out(grounds: Grounds, user_model: Path) -> Fleet:
    client = grounds.client
    grounds.start_controller()
    ref = client.add_model(str(user_model))["ref"]
    roomy, slim = grounds.add("roomy", *ROOMY), grounds.add("slim", *SLIM)
    announced = {row["id"]: row for row in client.devices()}
    for device in announced:
        client.accept_device(device)
    grounds.until(lambda: client.variants(ref), 60, "the dense model is measured")
    rollout = client.start_rollout(ref)["id"]
    grounds.until(lambda: client.rollout(rollout)["state"] != "running", 90, "the rollout ends")
    for row in client.devices():  # what went wrong here would only be a time-out in each test
        assert row["result"] == "succeeded", f"{row['id']}: {row['reason'] or row['result_reason']}\n{grounds.tails()}"
    return Fleet(grounds, roomy, slim, announced, rollout)
