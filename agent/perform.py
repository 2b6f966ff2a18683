"""Doing what `agent.step` decided: one exhaustive match over the effects. What can fail answers with an event.

A medium that is full or broken must not stop inference: what cannot be written is logged, and tried again where it
matters.
"""

from __future__ import annotations

import errno
import logging
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from agent.boots import same_host_boot, steady_s
from agent.config import Config
from agent.link import Link
from agent.record import Record
from agent.slots import Slots
from agent.spool import Spool
from agent.step import Event, effects, events
from agent.wire.errors import Failure, WireError
from agent.wire.manifest import Golden, Manifest, inline_golden, read_manifest
from agent.wire.messages import Assignment, Message, Telemetry, encode, timeless
from agent.wire.topics import RETAINED, Leaf, topic
from agent.workers import Workers, worker_spec

BATCH_WINDOWS = 50

_log = logging.getLogger("agent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """What effects are performed with; `boot` is the one that new windows belong to."""

    config: Config
    boot: str
    link: Link
    slots: Slots
    spool: Spool
    workers: Workers
    answer: Callable[[Event], None]


class Performer:
    def __init__(self, hands: Hands) -> None:
        self._hands = hands
        self._device = hands.config.profile.device
        self._unsaved: Record | None = None
        self._uncollected: frozenset[str] | None = None
        self._unfreed: tuple[str, int] | None = None
        self._unforgotten = False

    def tick(self) -> None:
        """Try again to forget, save, collect and free what could not be."""
        if self._unforgotten:
            self._forget()
        if self._unsaved is not None:
            self._save(self._unsaved)
        if self._uncollected is not None:
            self._collect(self._uncollected)
        if self._unfreed is not None:
            self._free(*self._unfreed)

    def perform(self, effect: effects.Effect) -> None:  # noqa: PLR0912 - one branch an effect
        hands = self._hands
        match effect:
            case effects.Publish(leaf, message):
                self._publish(leaf, message)
            case effects.Subscribe(filters):
                hands.link.subscribe(filters)
            case effects.Unsubscribe(filters):
                hands.link.unsubscribe(filters)
            case effects.SaveRecord(record):
                self._save(record)
            case effects.Collect(keep):
                self._collect(keep)
            case effects.FindManifest(sha256):
                self._find_manifest(sha256)
            case effects.KeepManifest(sha256, body):
                self._keep_manifest(sha256, body)
            case effects.Prepare(manifest):
                self._prepare(manifest)
            case effects.StoreBlock():
                self._store(effect)
            case effects.FinishDownload():
                self._finish(effect)
            case effects.StartWorker():
                self._start(effect)
            case effects.Go(worker):
                hands.workers.go(worker)
            case effects.StopWorker(worker, at_once, within_s):
                hands.workers.stop(worker, time.monotonic(), within_s, at_once=at_once)
            case effects.Spool(window):
                hands.spool.append(hands.boot, window)
            case effects.SendBatch():
                self._send_batch()
            case effects.Free(boot, seq):
                self._free(boot, seq)
            case effects.ForgetWindows():
                self._forget()
            case effects.Note(what, fields):
                _log.info("event=%s%s", what, "".join(f" {key}={quoted(value)}" for key, value in fields.items()))
            case _:
                assert_never(effect)

    def _publish(self, leaf: Leaf, message: Message) -> int | None:
        where = topic(self._device, leaf)
        return self._hands.link.publish(where, encode(message), retain=leaf in RETAINED)

    def _forget(self) -> None:
        again, self._unforgotten = self._unforgotten, True
        try:
            self._hands.spool.forget()
        except sqlite3.Error as error:
            if not again:
                _log.error("event=windows_not_forgotten reason=%s", quoted(error))
            return
        self._unforgotten = False

    def _save(self, record: Record) -> None:
        """Not while the windows of another device are there: its record alone tells that they are."""
        if self._unforgotten:
            self._unsaved = record
            return
        try:
            self._hands.slots.save(record)
        except OSError as error:
            if self._unsaved is None:
                _log.error("event=record_not_saved reason=%s", quoted(error))
            self._unsaved = record
            return
        self._unsaved = None

    def _collect(self, keep: frozenset[str]) -> None:
        """Not before the record is saved: the one on the medium may name what this would delete."""
        again, self._uncollected = self._uncollected is not None, keep
        if self._unsaved is not None:
            return
        try:
            self._hands.slots.collect(keep)
        except OSError as error:
            if not again:
                _log.error("event=not_collected reason=%s", quoted(error))
            return
        self._uncollected = None

    def _find_manifest(self, sha256: str) -> None:
        try:
            self._manifest_found(sha256, self._hands.slots.manifest(sha256))
        except OSError as error:
            self._manifest_found(sha256, None, _failure(error), str(error))

    def _keep_manifest(self, sha256: str, body: bytes) -> None:
        try:
            self._hands.slots.keep_manifest(sha256, body)
        except OSError as error:
            self._manifest_found(sha256, None, _failure(error), str(error))
            return
        self._manifest_found(sha256, body)

    def _manifest_found(
        self, sha256: str, body: bytes | None, failure: Failure | None = None, detail: str = ""
    ) -> None:
        now_s = time.monotonic()
        self._hands.answer(events.ManifestFound(now_s=now_s, sha256=sha256, body=body, failure=failure, detail=detail))

    def _prepare(self, wanted: Manifest) -> None:
        slots = self._hands.slots
        whole, missing, short, detail = False, frozenset[int](), 0, ""
        try:
            whole = slots.is_whole(wanted.sha256)
            missing = frozenset() if whole else slots.missing(wanted)
            short = slots.shortage_bytes(wanted)
            if missing and not short:
                slots.reserve(wanted)
        except OSError as error:
            short, detail = 1, str(error)
        failure = Failure.NO_SPACE if short else None
        detail = detail or (f"{short} bytes short of room for {wanted.size_bytes}" if short else "")
        self._hands.answer(
            events.Prepared(
                now_s=time.monotonic(),
                sha256=wanted.sha256,
                whole=whole,
                missing=missing,
                failure=failure,
                detail=detail,
            )
        )

    def _store(self, effect: effects.StoreBlock) -> None:
        try:
            self._hands.slots.store(effect.sha256, effect.offset_bytes, effect.data)
        except OSError as error:
            self._downloaded(effect.sha256, _failure(error), str(error))

    def _finish(self, effect: effects.FinishDownload) -> None:
        sha256 = effect.assignment.sha256
        try:
            right = self._hands.slots.finish(effect.assignment)
        except OSError as error:
            self._downloaded(sha256, _failure(error), str(error))
            return
        wrong = None if right else Failure.BAD_DIGEST
        self._downloaded(sha256, wrong, "" if right else "its blocks are right and the whole is not")

    def _downloaded(self, sha256: str, failure: Failure | None, detail: str) -> None:
        now_s = time.monotonic()
        self._hands.answer(events.Downloaded(now_s=now_s, sha256=sha256, failure=failure, detail=detail))

    def _start(self, effect: effects.StartWorker) -> None:
        hands, wanted = self._hands, effect.assignment
        try:
            if not hands.slots.is_whole(wanted.sha256):
                self._died(effect.worker, "the artifact is gone or damaged", Failure.BAD_DIGEST)
                return
            golden = self._golden(wanted)
            if golden is None and effect.judged:
                self._died(effect.worker, "the manifest is gone or damaged", Failure.BAD_DIGEST)
                return
            config = hands.config
            spec = worker_spec(
                wanted,
                golden or Golden(),
                str(hands.slots.path(wanted.sha256)),
                judged=effect.judged,
                window_s=config.window_s,
                exercise=str(config.replay),
                gflops=config.gflops,
            )
            hands.workers.start(effect.worker, spec)
        except OSError as error:
            self._died(effect.worker, str(error), Failure.CRASHED)

    def _golden(self, wanted: Assignment) -> Golden | None:
        """The answers to hold `wanted` to; None where its manifest is gone. What was accepted runs without them too."""
        if not wanted.manifest:
            return inline_golden(wanted)
        why = "it is not there, or damaged"
        try:
            body = self._hands.slots.manifest(wanted.manifest)
            if body is not None:
                return read_manifest(body).golden
        except (OSError, WireError) as error:
            why = str(error)
        _log.error("event=manifest_gone sha256=%s reason=%s", wanted.manifest, quoted(why))
        return None

    def _died(self, worker: int, detail: str, failure: Failure) -> None:
        now_s = time.monotonic()
        self._hands.answer(events.WorkerDied(now_s=now_s, worker=worker, detail=detail, failure=failure))

    def _free(self, boot: str, seq: int) -> None:
        try:
            self._hands.spool.free(boot, seq)
        except sqlite3.Error as error:
            if self._unfreed is None:
                _log.error("event=spool_not_freed reason=%s", quoted(error))
            self._unfreed = boot, seq
            return
        self._unfreed = None

    def _send_batch(self) -> None:
        """Nothing while the spool cannot free: the same batch would go out as fast as it is acknowledged.

        And nothing of another device.
        """
        message = None if self._unfreed is not None or self._unforgotten else self._batch()
        if message is not None and self._publish(Leaf.TELEMETRY, message) is not None:
            last = message.windows[-1].seq
            self._hands.answer(events.BatchSent(now_s=time.monotonic(), boot=message.boot, seq=last))

    def _batch(self) -> Telemetry | None:
        spool = self._hands.spool
        try:
            batch = spool.batch(BATCH_WINDOWS)
            dropped = 0 if batch is None else spool.dropped(batch[0])
        except sqlite3.Error as error:
            _log.error("event=spool_not_read reason=%s", quoted(error))
            return None
        if batch is None:
            return None
        boot, windows = batch
        if not same_host_boot(boot, self._hands.boot):
            windows = timeless(windows)
        return Telemetry(device=self._device, boot=boot, windows=windows, dropped=dropped, now_s=steady_s())


def quoted(value: object) -> str:
    """`value` as one field of a log line."""
    text = str(value)
    return repr(text) if not text or any(each.isspace() or each in "='\"" for each in text) else text


def _failure(error: OSError) -> Failure:
    return Failure.NO_SPACE if error.errno in (errno.ENOSPC, errno.EDQUOT) else Failure.CRASHED
