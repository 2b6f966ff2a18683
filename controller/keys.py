"""The key that signs assignments: made at first start, readable by its owner alone."""

from __future__ import annotations

import base64
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PRIVATE, PUBLIC = "controller.key", "controller.pub"


def signing_key(directory: Path) -> Ed25519PrivateKey:
    """The key in `directory`, made there if it is missing. The public half beside it is what devices are given.

    Raises OSError where the directory cannot be written and ValueError where the file holds no key.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = directory / PRIVATE
    if not file.exists():
        _write(file, Ed25519PrivateKey.generate().private_bytes_raw(), 0o600)
    key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(file.read_bytes()))
    if not (directory / PUBLIC).exists():
        _write(directory / PUBLIC, key.public_key().public_bytes_raw(), 0o644)
    return key


def _write(file: Path, raw: bytes, mode: int) -> None:
    """Whole or not at all, and durable: a half-written key would lock every device out."""
    part = file.with_suffix(".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as out:
        out.write(base64.b64encode(raw) + b"\n")
        out.flush()
        os.fsync(out.fileno())
    part.replace(file)
