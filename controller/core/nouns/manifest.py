"""The manifest of an artifact as it is kept: what devices check the artifact by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptManifest:
    """`digest` is the SHA-256 of `body` (see `agent.wire.manifest`), `sha256` that of the artifact."""

    digest: str
    sha256: str
    body: bytes


class Named(NamedTuple):
    """What an assignment says of a manifest."""

    digest: str
    size_bytes: int
