"""What the demo looks at while it waits: answers of the API, or None where it is not there yet."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from agent.wire.messages import Window
from agent.wire.profile import Profile
from controller.cli.demo.scenes import Observed
from controller.cli.demo.teller import DemoFailed
from controller.client import Client, ClientError, Row

OBSERVED_WINDOWS = 5


class Lookout:
    """`ran` are the variants that any device was ever seen to run."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.ran = set[str]()

    def healthy(self) -> Row | None:
        try:
            return self._client.health()
        except ClientError:
            return None

    def dense(self, ref: str) -> Row | None:
        """Raises `DemoFailed` where it cannot be made."""
        for job in self._client.jobs():
            if job["state"] == "failed":
                raise DemoFailed(f"the dense model: {job['detail']}")
        return next((row for row in self._client.variants(ref) if row["dense"]), None)

    def prunes(self) -> int:
        """How many were begun, whatever came of them."""
        return sum(job["kind"] == "prune" and job["state"] != "queued" for job in self._client.jobs())

    def online(self) -> set[str]:
        return {row["id"] for row in self._client.devices() if row["presence"] == "online"}

    def rollout_ended(self, rollout: str) -> Row | None:
        self._note_what_runs()
        row = self._client.rollout(rollout)
        return None if row["state"] == "running" else row

    def observed(self, profiles: Sequence[Profile]) -> list[Observed] | None:
        """All of them, once the newest windows of each that is to run something are all of what it runs."""
        self._note_what_runs()
        seen = [self.look_at(profile) for profile in profiles]
        return seen if all(len(each.windows) == OBSERVED_WINDOWS for each in seen if each.row["feasible"]) else None

    def observed_anew(self, seen: Sequence[Observed]) -> bool:
        """Each device that runs something has told of another window since it was `seen`."""
        self._note_what_runs()
        return all(
            self.look_at(each.profile).windows[-1:] != each.windows[-1:] for each in seen if each.row["feasible"]
        )

    def look_at(self, profile: Profile) -> Observed:
        row = self._client.device(profile.device)
        rows = self._client.telemetry(profile.device, OBSERVED_WINDOWS)
        windows = [msgspec.convert(each, Window) for each in rows if each["sha256"] == row["sha256"]]
        return Observed(profile, row, windows)

    def incident(self, device: str, since_unix_s: float) -> Row | None:
        """The newest one of `device` that had no end by then."""
        self._note_what_runs()
        newest = next(iter(self._client.incidents(device)), None)
        return newest if newest is not None and (newest["closed_unix_s"] or since_unix_s) >= since_unix_s else None

    def incident_ended(self, device: str, since_unix_s: float) -> Row | None:
        found = self.incident(device, since_unix_s)
        return found if found is not None and found["closed_unix_s"] is not None else None

    def _note_what_runs(self) -> None:
        self.ran |= {row["sha256"] for row in self._client.devices()} - {None}
