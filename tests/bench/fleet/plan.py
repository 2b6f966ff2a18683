"""What a model would be on every device of the fleet: asked for once, while telemetry goes on."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from agent.wire.profile import Profile, parse_profile
from controller.core.jobs import identified
from controller.core.nouns.calibration import Calibration
from controller.core.nouns.caps import Caps
from controller.core.nouns.constraint import Constraint
from controller.core.nouns.device import Device, DeviceState
from controller.core.nouns.job import Job, JobState
from controller.core.nouns.variant import Variant
from controller.core.nouns.work import Prune
from controller.store.store import Store
from tests.bench.fleet import devices
from tests.bench.fleet.crowd import Crowd
from tests.bench.fleet.figures import summary
from tests.bench.fleet.lab import STILL, Lab
from tests.bench.fleet.limits import TimeIsUp

Row = dict[str, Any]
_VARIANTS, _PROFILES, _INFEASIBLE = 24, 500, 3
_SMALLEST = 0.2  # of the dense model, in everything
_LONGEST_S = 30.0
_SEED = 20261128


def plan(lab: Lab, model: Path, count: int) -> Row:
    """Seconds until the answer is there, rows and all; and how long telemetry waited for its acknowledgement meanwhile.

    Every device has a calibration of its own. A third of the profiles ask for what no variant can do.
    """
    lab.serve()
    ref = lab.measured(model)
    lab.stop()
    _fill(lab.url, ref, count)
    lab.serve(**STILL)
    with lab.crowd(devices.ids(1)) as crowd, ThreadPoolExecutor(1) as pool:
        crowd.hear("ack", qos=0)
        began_s = time.monotonic()
        asked = pool.submit(lab.client.plan, ref, "")
        waits = list[float]()
        while not asked.done():
            waits.append(_wait(crowd, len(waits) + 1))
        answer, seconds = asked.result(), time.monotonic() - began_s
    feasible = sum(bool(each["feasible"]) for each in answer)
    row: Row = {"seconds": seconds, "devices": len(answer), "infeasible": len(answer) - feasible}
    return row | {"wait_s": max(waits), "wait": summary(waits)}


def _wait(crowd: Crowd, seq: int) -> float:
    """Of one message of the first device."""
    (device, *_), began_s = crowd.ids, time.monotonic()
    crowd.say(device, "telemetry", devices.Windows(None).message(device, seq, 1))
    while (device, "ack") not in [(who, leaf) for who, leaf, _ in crowd.turn(0.05)]:
        if time.monotonic() - began_s > _LONGEST_S:
            raise TimeIsUp(f"no acknowledgement within {_LONGEST_S:.0f} s")
    return time.monotonic() - began_s


def _fill(url: str, ref: str, count: int) -> None:
    """As rows, between two runs of the controller: what it costs to come to know a fleet has parts of its own."""
    store = Store(url)
    store.open()
    with store.begin() as tx:
        (dense,) = tx.variants(ref)
        for each in _smaller(dense):
            tx.put_variant(each)
        tx.put_job(_refused(dense))
        tx.put_devices(_devices(dense, count))
    store.close()


def _smaller(dense: Variant) -> Iterator[Variant]:
    for number in range(1, _VARIANTS):
        share = 1 - (1 - _SMALLEST) * number / (_VARIANTS - 1)
        yield replace(
            dense,
            sha256=f"{number:064x}",
            size_bytes=int(dense.size_bytes * share),
            ram_bytes=int(dense.ram_bytes * share),
            latency_p50_s=dense.latency_p50_s * share,
            latency_p95_s=dense.latency_p95_s * share,
            accuracy=(dense.accuracy or 1.0) * (1 - 0.1 * (1 - share)),
            dense=False,
            drop=None,
            evidence=None,
        )


def _refused(dense: Variant) -> Job:
    """What says that nothing is smaller."""
    least = Caps(latency_s=dense.latency_p95_s * _SMALLEST)
    wanted = Caps(latency_s=dense.latency_p95_s * _SMALLEST / 2)
    answer = Prune(wanted, binding=Constraint.DEADLINE, least=least)
    detail = "the smallest structure exceeds the caps"
    return identified(Job(id="", model=dense.model, work=answer, state=JobState.INFEASIBLE, detail=detail))


def _devices(dense: Variant, count: int) -> list[Device]:
    dice, profiles = random.Random(_SEED), [_profile(dense, number) for number in range(_PROFILES)]
    return [_device(name, profiles[at % _PROFILES], dice) for at, name in enumerate(devices.ids(count))]


def _profile(dense: Variant, number: int) -> tuple[str, Profile]:
    """Some variant keeps its deadline, and a third of them are below what any takes on any device of this fleet."""
    share = 0.05 if number % _INFEASIBLE == 0 else 0.6 + 2.0 * number / _PROFILES
    text = f"device: any\nclass: bench\nrate: 1 Hz\ndeadline: {dense.latency_p95_s * share * 1e6:.3f} us\n"
    return text, parse_profile(text)


def _device(name: str, profile: tuple[str, Profile], dice: random.Random) -> Device:
    text, parsed = profile
    return Device(
        id=name,
        state=DeviceState.ACCEPTED,
        profile=replace(parsed, device=name),
        profile_text=text.replace("any", name, 1),
        device_class=parsed.device_class,
        calibration=Calibration(slowness=dice.uniform(0.5, 2.5), slowness_samples=3),
    )
