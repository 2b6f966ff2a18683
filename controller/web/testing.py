"""A controller for tests of the web and the CLI: a store, and intents carried out at once, without rules or devices."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent.wire.errors import WireError
from agent.wire.profile import parse_profile
from controller.core.intents import (
    AbortRollout,
    AcceptDevice,
    AddModel,
    AskJob,
    Intent,
    IntentError,
    RecalibrateDevice,
    RegisterDevice,
    RevokeDevice,
    SetModel,
    StartRollout,
)
from controller.core.jobs import identified
from controller.core.nouns.calibration import Calibration
from controller.core.nouns.device import Device, DeviceState
from controller.core.nouns.job import JobKind, JobState, PruneJob
from controller.core.nouns.model import Model
from controller.core.nouns.placement import Placement
from controller.core.nouns.rollout import Rollout, RolloutState
from controller.core.selector import parse_selector
from controller.loop.answer_model import set_model
from controller.store import Store, Tx


@dataclass
class StorePort:
    """A `ControllerPort`. `asked` are the intents in order; placements are those that the store already has."""

    store: Store
    asked: list[Intent] = field(default_factory=list)

    def read(self) -> AbstractContextManager[Tx]:
        return self.store.read()

    def artifact(self, sha256: str) -> Path:
        return Path(f"/artifacts/{sha256}.onnx")

    def plan(self, model: str, selector: str) -> list[Placement]:
        wanted = parse_selector(selector)
        with self.store.read() as tx:
            matching = {device.id for device in tx.devices() if wanted.matches(device)}
            return [placement for placement in tx.placements(model=model) if placement.device in matching]

    def submit(self, intent: Intent) -> str:  # noqa: PLR0911 - one line an intent
        self.asked.append(intent)
        with self.store.begin() as tx:
            match intent:
                case RegisterDevice(text, source):
                    return _register(tx, text, source)
                case AcceptDevice(device):
                    return _set_state(tx, device, DeviceState.ACCEPTED)
                case RevokeDevice(device):
                    return _set_state(tx, device, DeviceState.REVOKED)
                case RecalibrateDevice(device):
                    return _recalibrate(tx, device)
                case AddModel(path):
                    return _add_model(tx, path)
                case SetModel():
                    return _set_model(tx, intent)
                case AskJob():
                    return _ask(tx, intent)
                case StartRollout():
                    return _start(tx, intent)
                case AbortRollout(rollout):
                    return _abort(tx, rollout)


def _register(tx: Tx, text: str, source: str) -> str:
    try:
        profile = parse_profile(text, source)
    except WireError as error:
        raise IntentError(400, str(error)) from None
    tx.put_device(
        Device(
            id=profile.device,
            state=DeviceState.ACCEPTED,
            profile=profile,
            profile_text=text,
            device_class=profile.device_class,
            labels=profile.labels,
            registered_unix_s=time.time(),
        )
    )
    return profile.device


def _set_state(tx: Tx, device: str, state: DeviceState) -> str:
    known = tx.get_device(device)
    if known is None:
        raise IntentError(404, f"there is no device {device!r}")
    tx.put_device(replace(known, state=state))
    return device


def _recalibrate(tx: Tx, device: str) -> str:
    known = tx.get_device(device)
    if known is None:
        raise IntentError(404, f"there is no device {device!r}")
    tx.put_device(replace(known, calibration=Calibration()))
    return device


def _add_model(tx: Tx, path: str) -> str:
    model = Model(name=Path(path).stem, version="1", spec_path=path, digest="", added_unix_s=time.time())
    if tx.get_model(model.ref) is not None:
        raise IntentError(409, f"model {model.ref} is there already; models are immutable, give it a new version")
    tx.put_model(model)
    tx.put_job(PruneJob(id=model.ref, model=model.ref, kind=JobKind.DENSE, state=JobState.DONE))
    return model.ref


def _set_model(tx: Tx, intent: SetModel) -> str:
    try:
        return set_model(tx, intent, time.time())
    except WireError as error:
        raise IntentError(400, str(error)) from None


def _ask(tx: Tx, intent: AskJob) -> str:
    """Queued, and left to the test."""
    job = identified(
        PruneJob(
            id="", model=intent.model, kind=intent.kind, caps=intent.caps, rungs=intent.rungs, share=intent.share,
            budget_s=intent.budget_s, asked=True, created_unix_s=time.time(),
        )
    )  # fmt: skip
    known = tx.get_job(job.id)
    if known is None or (known.state in (JobState.FAILED, JobState.INFEASIBLE) and intent.again):
        tx.put_job(job)
    return job.id


def _start(tx: Tx, intent: StartRollout) -> str:
    rollout = Rollout(id=f"r-{len(tx.rollouts()) + 1}", model=intent.model, selector=intent.selector)
    tx.put_rollout(rollout if intent.waves is None else replace(rollout, waves=intent.waves))
    return rollout.id


def _abort(tx: Tx, rollout: str) -> str:
    running = tx.get_rollout(rollout)
    if running is None:
        raise IntentError(404, f"there is no rollout {rollout!r}")
    if running.state is not RolloutState.RUNNING:
        raise IntentError(409, f"rollout {rollout} is {running.state} already")
    tx.put_rollout(replace(running, state=RolloutState.ABORTED, finished_unix_s=time.time(), reason="by the operator"))
    return rollout
