"""Manifests: each made once from its artifact's bytes and kept in the database, where devices get it from."""

from __future__ import annotations

import logging
from collections.abc import Callable

from agent.wire import blocks
from agent.wire.manifest import Golden, encode_manifest, make_manifest
from agent.wire.messages import Need, Result
from controller.core.nouns.desired import Desired
from controller.core.nouns.manifest import KeptManifest, Named
from controller.core.nouns.variant import Variant
from controller.loop.ledger import Ledger
from controller.store.artifacts import Artifacts
from controller.store.errors import ArtifactError

Lose = Callable[[Ledger, str, str], None]
"""What is to be done where the bytes of an artifact are gone."""

log = logging.getLogger("hedgerow.manifests")


def manifest_of(ledger: Ledger, artifacts: Artifacts, variant: Variant) -> Named:
    """The manifest of a variant's artifact; it is made where there is none. Raises `ArtifactError`."""
    known = ledger.manifest_of(variant.sha256)
    if known is not None:
        return known
    outputs = [list(row) for row in variant.golden_outputs]
    golden = Golden(seed=variant.golden_seed, outputs=outputs, tolerance=variant.golden_tolerance)
    body = encode_manifest(make_manifest(artifacts.read(variant.sha256), golden))
    made = KeptManifest(digest=blocks.digest(body), sha256=variant.sha256, body=body)
    ledger.put_manifest(made)
    return Named(made.digest, len(body))


def needed_bytes(ledger: Ledger, artifacts: Artifacts, need: Need, now_unix_s: float, lose: Lose) -> int | None:
    """How long the artifact or manifest is that a device needs; None where it is not to be had."""
    size_bytes = ledger.artifact_bytes(need.sha256)
    size_bytes = ledger.manifest_bytes(need.sha256) if size_bytes is None else size_bytes
    desired = ledger.latest_desired(need.device) if size_bytes is None else None
    if desired is None or desired.manifest != need.sha256:
        return size_bytes
    log.warning("event=lost_manifest device=%s sha256=%s reason='it is made again'", need.device, need.sha256[:12])
    try:
        return _made_again(ledger, artifacts, desired, now_unix_s)
    except ArtifactError as error:
        lose(ledger, desired.sha256, str(error))
        return None


def _made_again(ledger: Ledger, artifacts: Artifacts, desired: Desired, now_unix_s: float) -> int | None:
    """Where it comes out otherwise, the assignment that names it cannot be obeyed: it has failed, and the next one is
    made. Raises `ArtifactError`."""
    variant = ledger.get_variant(desired.model, desired.sha256)
    if variant is None:
        return None
    made = manifest_of(ledger, artifacts, variant)
    if made.digest == desired.manifest:
        return made.size_bytes
    if desired.result is None:
        ledger.finish_desired(
            desired.device, desired.epoch, desired.seq, result=Result.FAILED_NO_CHANGE,
            reason="the manifest that it names is lost", when_unix_s=now_unix_s,
        )  # fmt: skip
    return None
