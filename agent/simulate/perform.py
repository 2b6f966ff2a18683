"""Doing what `agent.step` decided, on modelled parts; what answers, answers before anything else happens."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import assert_never

from agent.link import Link
from agent.simulate.durable import Durable
from agent.simulate.runtime import SimWorker
from agent.step import Event, effects, events
from agent.wire.errors import Failure
from agent.wire.manifest import Manifest
from agent.wire.messages import Telemetry, encode, timeless
from agent.wire.topics import RETAINED, Leaf, topic

BATCH_WINDOWS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """What effects of one boot are performed with."""

    device: str
    boot: str
    link: Link
    durable: Durable
    workers: dict[int, SimWorker]
    answers: deque[Event]
    log: deque[tuple[float, effects.Note]]
    window_s: float
    trial_s: float
    booted_s: float


def perform(hands: Hands, effect: effects.Effect, now_s: float) -> None:  # noqa: PLR0912 - one branch an effect
    match effect:
        case effects.Publish(leaf, message):
            hands.link.publish(topic(hands.device, leaf), encode(message), retain=leaf in RETAINED)
        case effects.Subscribe(filters):
            hands.link.subscribe(filters)
        case effects.Unsubscribe(filters):
            hands.link.unsubscribe(filters)
        case effects.SaveRecord(record):
            hands.durable.record = record
        case effects.Collect(keep):
            hands.durable.collect(keep)
        case effects.FindManifest(sha256):
            body = hands.durable.manifest(sha256)
            hands.answers.append(events.ManifestFound(now_s=now_s, sha256=sha256, body=body))
        case effects.KeepManifest(sha256, body):
            kept = hands.durable.keep_manifest(sha256, body)
            hands.answers.append(events.ManifestFound(now_s=now_s, sha256=sha256, body=kept))
        case effects.Prepare(manifest):
            _prepare(hands, manifest, now_s)
        case effects.StoreBlock(sha256, offset_bytes, data):
            hands.durable.store(sha256, offset_bytes, data)
        case effects.FinishDownload(assignment):
            failure = None if hands.durable.finish(assignment) else Failure.BAD_DIGEST
            hands.answers.append(events.Downloaded(now_s=now_s, sha256=assignment.sha256, failure=failure))
        case effects.StartWorker(worker, assignment, judged):
            hands.workers[worker] = SimWorker(worker, assignment, judged, due_s=now_s + hands.trial_s)
        case effects.Go(worker):
            hands.workers[worker].serving = True
            hands.workers[worker].due_s = now_s + hands.window_s
        case effects.StopWorker(worker):
            hands.workers.pop(worker, None)
        case effects.Spool(window):
            hands.durable.spool(hands.boot, window)
        case effects.SendBatch():
            _send_batch(hands, now_s)
        case effects.Free(boot, seq):
            hands.durable.free(boot, seq)
        case effects.ForgetWindows():
            hands.durable.forget()
        case effects.Note():
            hands.log.append((now_s, effect))
        case _:
            assert_never(effect)


def _prepare(hands: Hands, wanted: Manifest, now_s: float) -> None:
    whole = wanted.sha256 in hands.durable.artifacts
    missing = frozenset[int]() if whole else hands.durable.missing(wanted)
    hands.answers.append(events.Prepared(now_s=now_s, sha256=wanted.sha256, whole=whole, missing=missing))


def _send_batch(hands: Hands, now_s: float) -> None:
    batch = hands.durable.batch(BATCH_WINDOWS)
    if batch is None:
        return
    boot, windows = batch
    dropped = hands.durable.dropped.get(boot, 0)
    if boot != hands.boot:  # each boot is its host's
        windows = timeless(windows)
    message = Telemetry(device=hands.device, boot=boot, windows=windows, dropped=dropped, now_s=now_s - hands.booted_s)
    if hands.link.publish(topic(hands.device, Leaf.TELEMETRY), encode(message)) is not None:
        hands.answers.append(events.BatchSent(now_s=now_s, boot=boot, seq=windows[-1].seq))
