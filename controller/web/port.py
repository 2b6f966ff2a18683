"""All that the web knows of the controller behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, TypeVar

from controller.core.intents import Intent
from controller.core.presence import Presence
from controller.loop.changes import Changes
from controller.loop.fleet import Fleet
from controller.loop.plan import Plan
from controller.store import Tx

T = TypeVar("T")


class ControllerPort(Protocol):
    """Called from the web's threads, several at a time."""

    def read(self) -> AbstractContextManager[Tx]:
        """One consistent view of the store."""

    def submit(self, intent: Intent) -> str:
        """Hand an intent to the loop and wait for its answer: the id of what it made or changed (a model's is its ref).

        Raises `IntentError` where it is refused or the loop does not answer in time.
        """

    def look(self, look: Callable[[Fleet], T]) -> T:
        """What `look` finds in the fleet as it is committed. The loop calls it: it is soon done, and keeps nothing."""

    @property
    def changes(self) -> Changes:
        """What each commit changed."""

    def figures(self) -> Mapping[str, int]:
        """How many there are of what, as of the newest commit; and of who is there, as of the loop's last turn."""

    def troubles(self) -> list[str]:
        """What is wrong with the controller itself, in words; empty where all is well."""

    def warnings(self) -> list[str]:
        """What is not as it should be around the controller, and does not keep it from its work."""

    def presence(self, device: str) -> Presence:
        """Whether it is there."""

    def artifact(self, sha256: str) -> Path:
        """Where the artifact is on the controller's disk."""

    def plan(self, model: str, selector: str) -> Plan:
        """What the fit says of `model` (a full ref) for each device that `selector` matches; nothing is changed."""
