"""Asking for blocks, and a manifest's: they prove themselves only together, and are held in memory until then."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import replace

from agent.step.effects import KeepManifest, Note, Publish
from agent.step.events import BlockArrived
from agent.step.report import listen, report
from agent.step.state import Download, State, Turn
from agent.wire import blocks
from agent.wire.messages import Need
from agent.wire.topics import Leaf, blob_filter

STALL_S, STALL_MAX_S = 2.0, 60.0
PROGRESS_S = 2.0


def begin(state: State, sha256: str, missing: AbstractSet[int], total: int, now_s: float) -> Turn:
    """Fetch what is missing of the `total` blocks of `sha256`."""
    download = Download(
        sha256=sha256,
        missing=frozenset(missing),
        total=total,
        need_at_s=now_s + STALL_S,
        told_have=total - len(missing),
        told_at_s=now_s,
    )
    return ask(replace(state, download=download))


def ask(state: State) -> Turn:
    """Listen to the blocks and say which are missing."""
    download = state.download
    if download is None or not download.missing or not state.link_up:
        return Turn(state)
    missing = blocks.pack(download.missing, download.total)
    need = Need(device=state.setup.device, sha256=download.sha256, missing=missing)
    return listen(state, (blob_filter(download.sha256),), on=True).do(Publish(Leaf.NEED, need))


def watch_download(state: State, now_s: float) -> Turn:
    """Ask again where nothing comes, less and less often; tell the progress now and then."""
    download = state.download
    if download is None or not state.link_up:
        return Turn(state)
    have = download.total - len(download.missing)
    if have != download.told_have and now_s - download.told_at_s >= PROGRESS_S:
        return report(replace(state, download=replace(download, told_have=have, told_at_s=now_s)))
    if not download.missing or now_s < download.need_at_s:
        return Turn(state)
    return ask(replace(state, download=_later(download, now_s)))


def manifest_arrived(state: State, event: BlockArrived) -> Turn:
    """A missing block of the manifest. Where the whole is not what was signed, all of it is fetched again.

    Nothing tells which of its blocks was garbled, and there is seldom more than one.
    """
    download = state.download
    assert download is not None  # the block was missing
    garbled = Note("bad_manifest", {"sha256": download.sha256, "block": event.block})
    if len(event.data) > blocks.BLOCK_BYTES:
        return Turn(state).do(garbled)
    missing, parts = download.missing - {event.block}, {**download.parts, event.block: event.data}
    if missing:
        download = replace(download, missing=missing, parts=parts, need_at_s=event.now_s + STALL_S)
        return Turn(replace(state, download=download))
    body = b"".join(parts[index] for index in range(download.total))
    if blocks.digest(body) != download.sha256:
        anew = replace(_later(download, event.now_s), missing=frozenset(parts), parts={})
        return Turn(replace(state, download=anew)).do(garbled)
    whole = replace(state, download=None, preparing=True)
    return listen(whole, (blob_filter(download.sha256),), on=False).do(KeepManifest(download.sha256, body))


def _later(download: Download, now_s: float) -> Download:
    wait_s = min(STALL_MAX_S, STALL_S * 2.0**download.stalls)
    return replace(download, need_at_s=now_s + wait_s, stalls=download.stalls + 1)
