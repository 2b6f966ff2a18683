"""The smallest nouns and views that a core story needs; every builder takes what the story is about as keywords."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from agent.wire.messages import Phase, Reported, Result, Trial, Window
from agent.wire.profile import Battery, Power, Profile, Thermal
from controller.core.catalog import Catalog
from controller.core.nouns.calibration import Calibration
from controller.core.nouns.constraint import Constraint
from controller.core.nouns.desired import Desired
from controller.core.nouns.device import Device, DeviceState
from controller.core.nouns.envelope import Cap, Envelope
from controller.core.nouns.incident import BreachKind, Incident
from controller.core.nouns.job import Job
from controller.core.nouns.model import Model
from controller.core.nouns.placement import Placement
from controller.core.nouns.rollout import Rollout
from controller.core.nouns.variant import Precision, Variant
from controller.core.nouns.window import StoredWindow
from controller.core.presence import Presence
from controller.core.view import DeviceView

MIB = 2**20
NOW = 10_000.0
BARE = Calibration()
MODEL = Model(name="net", version="1", spec_path="/spec.yaml", digest="d", accuracy_floor=0.9)

always = settings(deadline=None, max_examples=150)


def profile(**fields: Any) -> Profile:
    return Profile(**{"device": "cam", "device_class": "camera", **fields})


def variant(sha256: str = "dense", share: float = 1.0, **fields: Any) -> Variant:
    """A variant of `share` of the dense one: 8 MiB of RAM, 400 kB, 10 ms."""
    known: dict[str, Any] = {
        "model": MODEL.ref, "size_bytes": int(400_000 * share), "precision": Precision.FP32,
        "ram_bytes": int(8 * MIB * share), "ram_base_bytes": 40 * MIB,
        "latency_p50_s": 0.009 * share, "latency_p95_s": 0.010 * share, "parameters": int(100_000 * share),
        "accuracy": 0.85 + 0.1 * share, "dense": share == 1.0,
    }  # fmt: skip
    return Variant(sha256=sha256, **{**known, **fields})


DENSE, HALF, QUARTER = variant(), variant("half", 0.5), variant("quarter", 0.25)
LADDER = (DENSE, HALF, QUARTER)


def catalog(*jobs: Job, variants: tuple[Variant, ...] = LADDER) -> Catalog:
    return Catalog(MODEL, variants, {each.key: each for each in jobs})


def device(**fields: Any) -> Device:
    known: dict[str, Any] = {"id": "cam", "state": DeviceState.ACCEPTED, "profile": profile()}
    return Device(**{**known, **fields})


def rollout(**fields: Any) -> Rollout:
    return Rollout(**{"id": "r1", "model": MODEL.ref, "selector": "", **fields})


def envelope(**caps: float) -> Envelope:
    names = {"ram_bytes": Constraint.RAM_MODEL, "storage_bytes": Constraint.STORAGE, "latency_s": Constraint.DEADLINE}
    return Envelope(**{name: Cap(caps[name], binding) if name in caps else None for name, binding in names.items()})


def placement(sha256: str | None = "dense", **fields: Any) -> Placement:
    known: dict[str, Any] = {
        "device": "cam", "model": MODEL.ref, "feasible": True, "binding": Constraint.NONE,
        "envelope": Envelope(None, None, Cap(1.0, Constraint.RATE)), "rollout": "r1",
    }  # fmt: skip
    return Placement(sha256=sha256, **{**known, **fields})


def desired(sha256: str = "dense", result: Result | None = Result.SUCCEEDED, **fields: Any) -> Desired:
    known: dict[str, Any] = {
        "device": "cam", "epoch": 1, "seq": 7, "model": MODEL.ref, "rollout": "r1", "incident": None, "envelope": b"",
        "manifest": "m", "issued_unix_s": NOW - 300, "finished_unix_s": None if result is None else NOW - 200,
    }  # fmt: skip
    return Desired(sha256=sha256, result=result, **{**known, **fields})


def reported(sha256: str | None = "dense", result: Result | None = Result.SUCCEEDED, **fields: Any) -> Reported:
    known: dict[str, Any] = {"device": "cam", "boot": "b", "epoch": 1, "seq": 7, "phase": Phase.ACTIVE}
    return Reported(sha256=sha256, result=result, **{**known, **fields})


def trial(sha256: str = "dense", **fields: Any) -> Trial:
    return Trial(sha256=sha256, **{"passed": fields.get("failure") is None, **fields})


def view(*, profile: Profile | None = None, calibration: Calibration = BARE, **fields: Any) -> DeviceView:
    """A device on which all is as it should be: the dense model fits, is placed, assigned, reported and soaked."""
    given = fields.pop("device", None) or device()
    report = fields.pop("reported", reported())
    made = device(
        profile=profile or given.profile, calibration=calibration, reported=report, state=given.state,
        id=given.id, wire=given.wire,
    )  # fmt: skip
    known: dict[str, Any] = {
        "presence": Presence.ONLINE, "rollout": rollout(), "admitted": True, "catalog": catalog(),
        "placement": placement(), "desired": desired(),
    }  # fmt: skip
    known.update(fields)
    if known["catalog"] is not None and known["desired"] is not None:
        known.setdefault("variant", known["catalog"].variant(known["desired"].sha256))
    return DeviceView(device=made, **known)


def window(seq: int = 0, **fields: Any) -> Window:
    known: dict[str, Any] = {"duration_s": 10.0, "count": 10, "latency_p50_ms": 9.0, "latency_p95_ms": 10.0}
    return Window(seq=seq, **{**known, **fields})


def stored(*windows: Window) -> list[StoredWindow]:
    return [StoredWindow("cam", "b", NOW - 10 * (len(windows) - at), each) for at, each in enumerate(windows)]


def windows(how_many: int, /, **fields: Any) -> list[StoredWindow]:
    return stored(*(window(seq, **fields) for seq in range(how_many)))


def incident(**fields: Any) -> Incident:
    known: dict[str, Any] = {"id": "i1", "device": "cam", "kind": BreachKind.LATENCY, "opened_unix_s": NOW - 60}
    return Incident(**{**known, "from_variant": "dense", **fields})


# --- what a rule must hold for ----------------------------------------------------------------------------------------


def floats(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False)


@st.composite
def powers(draw: st.DrawFn) -> Power:
    idle = draw(floats(0.001, 5))
    return Power(idle_watts=idle, busy_watts=idle + draw(floats(0.01, 20)))


thermals = st.builds(
    Thermal,
    limit_celsius=floats(35, 110),
    ambient_celsius=floats(-20, 80),
    resistance_celsius_per_watt=floats(0.5, 60),
    guard_celsius=floats(0, 10),
)
batteries = st.builds(
    Battery, capacity_watt_hours=floats(0.05, 200), lifetime_s=floats(600, 1e7), efficiency=floats(0.5, 1)
)


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    """Any mixture of the figures that a profile can declare."""
    power = draw(st.none() | powers())
    return profile(
        ram_total_bytes=draw(st.none() | st.integers(41 * MIB, 80 * MIB)),
        ram_model_bytes=draw(st.none() | st.integers(MIB // 4, 16 * MIB)),
        storage_bytes=draw(st.none() | st.integers(10_000, 1_000_000)),
        deadline_s=draw(st.none() | floats(1e-3, 0.1)),
        rate_hz=draw(floats(0.1, 500)),
        speed=draw(floats(0.2, 2)),
        power=power,
        thermal=draw(st.none() | thermals) if power else None,
        battery=draw(st.none() | batteries) if power else None,
    )


calibrations = st.builds(
    Calibration,
    slowness=st.none() | floats(0.2, 8),
    ram_base_bytes=st.none() | st.integers(10 * MIB, 39 * MIB),
    ram_extra_bytes=st.none() | st.integers(0, 4 * MIB),
    ambient_celsius=st.none() | floats(-20, 80),
)
variants = st.builds(variant, st.just("v"), floats(0.02, 0.99), accuracy=st.none() | floats(0.5, 1))
