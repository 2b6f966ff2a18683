"""The device's files: artifacts by digest, the part of one that is coming in, and the record.

    <state>/artifacts/<sha256>.artifact whole and verified: it got this name after its digest was right
    <state>/artifacts/<sha256>.part     blocks in place; the manifest's block digests tell which of them are there
    <state>/artifacts/<sha256>.manifest whole, under its own digest: what an artifact is checked by
    <state>/record.json                 what must not be forgotten

There is no second record of the blocks that could disagree with the file: a block counts as there if its digest says
so, which also finds what a power cut tore.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from pathlib import Path

import msgspec

from agent.record import Record
from agent.wire.manifest import Manifest
from agent.wire.messages import Assignment

RESERVE_BYTES = 1024 * 1024
"""What a download leaves free on the medium, for the spool and the record."""

_ZEROS = 1024 * 1024
_RECORD = msgspec.json.Decoder(Record)


class SlotsError(Exception):
    """The state directory cannot be used; the text says which file and what is wrong with it."""


class Slots:
    """Everything under one state directory."""

    def __init__(self, state: Path) -> None:
        self._record_path = state / "record.json"
        self._artifacts = state / "artifacts"
        self._artifacts.mkdir(parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path:
        return self._artifacts / f"{sha256}.artifact"

    # --- the record ------------------------------------------------------------------------------------------------

    def load(self) -> Record:
        """The record, a new one on a new device. Raises `SlotsError` where it is damaged: guessing a mark is unsafe."""
        try:
            return _RECORD.decode(self._record_path.read_bytes())
        except FileNotFoundError:
            return Record()
        except msgspec.MsgspecError as error:
            raise SlotsError(f"{self._record_path}: {error}; restore it, or remove it to begin anew") from None

    def save(self, record: Record) -> None:
        """Durable on return, and at any moment either the old or the new one. Raises `OSError`."""
        replace_durably(self._record_path, msgspec.json.encode(record))

    # --- manifests -------------------------------------------------------------------------------------------------

    def manifest(self, sha256: str) -> bytes | None:
        """What is kept under this digest, if it is right, now."""
        try:
            body = self._manifest(sha256).read_bytes()
        except FileNotFoundError:
            return None
        return body if hashlib.sha256(body).hexdigest() == sha256 else None

    def keep_manifest(self, sha256: str, body: bytes) -> None:
        """Durable on return. Raises `OSError`."""
        replace_durably(self._manifest(sha256), body)

    def _manifest(self, sha256: str) -> Path:
        return self._artifacts / f"{sha256}.manifest"

    # --- artifacts -------------------------------------------------------------------------------------------------

    def is_whole(self, sha256: str) -> bool:
        """Is the artifact there and its digest right, now?"""
        path = self.path(sha256)
        return path.is_file() and _digest(path) == sha256

    def missing(self, manifest: Manifest) -> frozenset[int]:
        """The blocks of an artifact that is not whole that are not here; a file that rotted is removed."""
        self.path(manifest.sha256).unlink(missing_ok=True)
        part = self._part(manifest.sha256)
        if not part.is_file():
            return frozenset(range(manifest.total))
        with part.open("rb") as file:
            found = [manifest.is_block(index, file.read(manifest.block_bytes)) for index in range(manifest.total)]
        return frozenset(index for index, is_there in enumerate(found) if not is_there)

    def shortage_bytes(self, manifest: Manifest) -> int:
        """How many bytes of room an artifact lacks on the medium; 0 where it fits."""
        own = sum(path.stat().st_blocks * 512 for path in self._artifacts.glob(f"{manifest.sha256}.*"))
        needed = manifest.size_bytes - own
        return max(0, needed + RESERVE_BYTES - shutil.disk_usage(self._artifacts).free) if needed > 0 else 0

    def reserve(self, manifest: Manifest) -> None:
        """Take the room for an artifact before its first block comes. Raises `OSError` where there is none."""
        descriptor = os.open(self._part(manifest.sha256), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _allocate(descriptor, manifest.size_bytes)
        finally:
            os.close(descriptor)

    def store(self, sha256: str, offset_bytes: int, data: bytes) -> None:
        """Write a block in place. Not synced: what a power cut takes is found missing. Raises `OSError`."""
        descriptor = os.open(self._part(sha256), os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.pwrite(descriptor, data, offset_bytes)
        finally:
            os.close(descriptor)

    def finish(self, assignment: Assignment) -> bool:
        """Give a whole part its name, durably; False, and it is gone, where the digest is wrong. Raises `OSError`."""
        part = self._part(assignment.sha256)
        if part.stat().st_size != assignment.size_bytes or _digest(part) != assignment.sha256:
            part.unlink()
            return False
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.rename(self.path(assignment.sha256))
        _sync_directory(self._artifacts)
        return True

    def collect(self, keep: frozenset[str]) -> None:
        """Delete the artifacts, parts and manifests that no slot needs."""
        for path in self._artifacts.iterdir():
            if path.stem not in keep:
                path.unlink(missing_ok=True)

    def _part(self, sha256: str) -> Path:
        return self._artifacts / f"{sha256}.part"


def replace_durably(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that a power cut leaves the old or the new content, never a mixture."""
    replace_atomically(path, data, sync=True)
    _sync_directory(path.parent)


def replace_atomically(path: Path, data: bytes, *, sync: bool = False) -> None:
    """Write `data` to `path` so that a reader sees the old or the new content."""
    new = path.with_name(path.name + ".new")
    with new.open("wb") as file:
        file.write(data)
        if sync:
            file.flush()
            os.fsync(file.fileno())
    new.replace(path)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _allocate(descriptor: int, size_bytes: int) -> None:
    """Take room for a whole file: by zeros behind what it has, where it cannot just be set aside."""
    try:
        os.posix_fallocate(descriptor, 0, size_bytes)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS):  # glibc writes by itself then, musl does not
            raise
        at = os.fstat(descriptor).st_size
        while at < size_bytes:
            at += os.pwrite(descriptor, bytes(min(_ZEROS, size_bytes - at)), at)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
