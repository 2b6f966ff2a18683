"""Rows of the API as the demo's lines: what is going on, and what is left."""

from __future__ import annotations

from collections.abc import Iterable

from controller.cli.demo.scenes import Observed
from controller.client import Row


def plan_line(row: Row) -> str:
    if not row["feasible"]:
        return f"infeasible: {row['reason']}"
    if row["prune_needed"]:
        return f"prune needed, bound by {row['binding']}"
    return f"variant {row['variant']}, bound by {row['binding']}"


def jobs_line(jobs: Iterable[Row]) -> str:
    """The jobs that run, each with how far it is; empty where none does. Nothing waits for a refine."""
    running = [job for job in jobs if job["state"] == "running" and job["kind"] != "refine"]
    return "; ".join(f"{_caps(job)}: {job['detail'] or 'starting'}" for job in running)


_TO_COME = ("unplaced", "waiting", "ready", "running")


def rollout_line(rollout: Row, members: Iterable[Row], jobs: Iterable[Row]) -> str:
    """As in `wave 2 of 2: 1 infeasible, 3 succeeded; left: long-patch, slim-tag | pruning to 0.50 ms: 48 % ...`."""
    standings = ", ".join(f"{count} {name}" for name, count in sorted(rollout["devices_by_standing"].items()))
    left = ", ".join(each["device"] for each in members if each["standing"] in _TO_COME)
    wave = f"wave {rollout['wave'] + 1} of {len(rollout['waves'])}: {standings}"
    return wave + (f"; left: {left}" if left else "; soaking") + jobs_after(jobs)


def windows_line(seen: Iterable[Observed], wanted: int, window_s: float) -> str:
    """How many windows of each device that runs something are still to come."""
    left = {each.profile.device: wanted - len(each.windows) for each in seen if each.row["feasible"]}
    missing = {device: count for device, count in left.items() if count}
    if not missing:
        return "every window is there"
    names = ", ".join(f"{count} of {device}" for device, count in missing.items())
    return f"windows to come: {names}; about {max(missing.values()) * window_s:.0f} s left"


def incident_line(device: Row, incident: Row | None, jobs: Iterable[Row]) -> str:
    heat = f"{device['id']} at {device['temperature_celsius'] or 0:.0f} of {device['temperature_limit_celsius']:.0f} C"
    if incident is None:
        return f"{heat}; left: breach, diagnosis, another variant, inside the budget again"
    if not incident["diagnosis"]:
        return f"{heat}; breach: {incident['evidence']}; left: diagnosis, another variant, inside the budget again"
    if device["sha256"] != incident["from_sha256"]:
        return f"{heat}; {incident['state']}: another variant serves; left: inside the budget again"
    cause = incident["diagnosis"].partition(":")[0]
    return f"diagnosis: {cause}; left: another variant, inside the budget again" + jobs_after(jobs)


def jobs_after(jobs: Iterable[Row]) -> str:
    """What is appended to a line while jobs run."""
    line = jobs_line(jobs)
    return f" | pruning to {line}" if line else ""


def _caps(job: Row) -> str:
    caps = [
        f"{job['latency_cap_ms']:.2f} ms" if job["latency_cap_ms"] is not None else "",
        f"{job['ram_cap_bytes'] / 2**20:.2f} MiB" if job["ram_cap_bytes"] is not None else "",
        f"{job['storage_cap_bytes'] / 2**10:.0f} KiB stored" if job["storage_cap_bytes"] is not None else "",
    ]
    return ", ".join(filter(None, caps)) or "the dense model"
