"""A small fleet behind the web: one good camera, one infeasible sensor with hostile words, one pending newcomer.

All of it is history: the rollout was aborted, and the windows are from before the newest assignment ended, so that no
diagnosis is made of them. At the first turn the loop places what runs on the camera by its profile, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from agent.wire.messages import Phase, Reported, Result, Status, Window
from agent.wire.profile import parse_profile
from controller.core.nouns.calibration import Calibration
from controller.core.nouns.caps import Caps
from controller.core.nouns.constraint import Constraint
from controller.core.nouns.desired import Desired
from controller.core.nouns.device import Device, DeviceState
from controller.core.nouns.envelope import Cap, Envelope
from controller.core.nouns.incident import BreachKind, Incident
from controller.core.nouns.job import Job, JobState
from controller.core.nouns.member import Member, Standing
from controller.core.nouns.model import Model
from controller.core.nouns.placement import Placement
from controller.core.nouns.rollout import Rollout, RolloutState
from controller.core.nouns.variant import Precision, Variant
from controller.core.nouns.work import Prune
from controller.store import Tx
from controller.web.app import create_app
from controller.web.server import WebServer
from tests.real import DENSE, SHA, RealController, real_controller
from tests.stories.world import START_UNIX_S

HOSTILE = "<img src=x onerror=alert(1)>"
CAMERA = """
device: cam-1
class: camera
labels: {site: north}
memory: {total: 96 MiB}
deadline: 40 ms
rate: 5 Hz
power: {idle: 1 W, busy: 2 W}
thermal: {limit: 70 C, ambient: 30 C, resistance: 20 C/W}
"""
SENSOR = f"""
device: sensor-9
class: "{HOSTILE}"
labels: {{site: "{HOSTILE}"}}
power: {{idle: 0.1 W, busy: 1 W}}
battery: {{capacity: 1 Wh, lifetime: 30 h}}
"""


def device(text: str, state: DeviceState = DeviceState.ACCEPTED) -> Device:
    profile = parse_profile(text)
    return Device(
        id=profile.device, state=state, profile=profile, profile_text=text,
        device_class=profile.device_class, labels=profile.labels,
    )  # fmt: skip


def variant(sha256: str, dense: bool) -> Variant:
    return Variant(
        sha256=sha256, model="fall@1", size_bytes=900_000, precision=Precision.INT8,
        ram_bytes=9_000_000 if dense else 3_000_000, ram_base_bytes=50_000_000,
        latency_p50_s=0.003, latency_p95_s=0.004, parameters=10_000,
        accuracy=0.91, accuracy_low=0.89, accuracy_high=0.93, dense=dense,
    )  # fmt: skip


def fill(tx: Tx) -> None:
    reported = Reported(device="cam-1", boot="b1", seq=4, sha256=SHA, phase=Phase.ACTIVE, result=Result.SUCCEEDED)
    camera = replace(
        device(CAMERA), boot="b1", last_seen_unix_s=START_UNIX_S, reported=reported,
        calibration=Calibration(slowness=2.0, slowness_samples=4, ram_base_bytes=40_000_000),
    )  # fmt: skip
    tx.put_device(camera)
    tx.put_device(device(SENSOR))
    tx.put_device(device("device: newcomer\n", DeviceState.PENDING))
    tx.put_model(Model(name="fall", version="1", spec_path="/m/fall.yaml", digest="d", accuracy_floor=0.85))
    tx.put_variant(variant(SHA, dense=False))
    tx.put_variant(variant(DENSE, dense=True))
    envelope = Envelope(Cap(6e7, Constraint.RAM_TOTAL), None, Cap(0.02, Constraint.THERMAL))
    tx.put_placement(
        Placement(
            device="cam-1", model="fall@1", feasible=True, binding=Constraint.THERMAL, envelope=envelope, sha256=SHA
        )
    )
    tx.put_placement(
        Placement(
            device="sensor-9", model="fall@1", feasible=False, binding=Constraint.BATTERY, envelope=envelope,
            reason=HOSTILE, relaxations=("rate 2 Hz", HOSTILE),
        )
    )  # fmt: skip
    tx.put_rollout(Rollout(id="r1", model="fall@1", selector="", state=RolloutState.ABORTED, started_unix_s=1.0))
    tx.put_desired(
        Desired(
            device="cam-1", epoch=1, seq=4, model="fall@1", sha256=SHA, rollout="r1", incident=None, envelope=b"x",
            issued_unix_s=2.0, result=Result.SUCCEEDED, finished_unix_s=150.0,
        )
    )  # fmt: skip
    tx.put_members(
        [
            Member(rollout="r1", device="cam-1", standing=Standing.SUCCEEDED, wave=0, since_unix_s=160.0, attempt=1),
            Member(rollout="r1", device="sensor-9", standing=Standing.INFEASIBLE, reason=HOSTILE),
        ]
    )
    breach = Incident(id="i-1", device="cam-1", kind=BreachKind.LATENCY, evidence=HOSTILE, opened_unix_s=START_UNIX_S)
    tx.put_incident(breach)
    caps = Caps(ram_bytes=3_000_000, latency_s=0.004)
    tx.put_job(Job(id="j-1", model="fall@1", work=Prune(caps), state=JobState.DONE, asked=True))
    tx.add_windows("cam-1", "b1", 100.0, [window(seq) for seq in range(1, 6)])


def window(seq: int, latency_p95_ms: float = 8.0) -> Window:
    return Window(
        seq=seq, duration_s=5.0, sha256=SHA, count=25, latency_p50_ms=6.0, latency_p95_ms=latency_p95_ms,
        rss_bytes=50_000_000, ram_peak_bytes=52_000_000, temperature_celsius=55.0, battery_percent=81.0,
        power_watts=1.2, power_source="modelled",
    )  # fmt: skip


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[RealController]:
    with real_controller(tmp_path) as controller:
        controller.put(fill)
        controller.hear(Status(device="cam-1", online=True, boot="b1"))
        yield controller


@pytest.fixture
def server(controller: RealController) -> Iterator[WebServer]:
    with WebServer(create_app(controller.port, hosts=["fleet.example"])) as server:
        yield server


@pytest.fixture
def client(server: WebServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.address, trust_env=False) as client:
        yield client
