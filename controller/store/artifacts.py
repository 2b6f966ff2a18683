"""Artifacts as files named by the SHA-256 of their bytes: one file serves every device that runs the variant."""

from __future__ import annotations

import contextlib
import hashlib
import re
from pathlib import Path

from controller.core.artifacts import SUFFIXES, file_name
from controller.durable import PART, put_file
from controller.store.errors import ArtifactError

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Artifacts:
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def sweep(self) -> None:
        """Remove what writers that were killed left behind. For when nobody writes: before the first job starts."""
        for part in self._directory.glob(f"*{PART}"):
            part.unlink(missing_ok=True)

    def path(self, sha256: str) -> Path:
        """Where the artifact is kept, there or not. Raises `ArtifactError` for what is no digest."""
        if not _SHA256.fullmatch(sha256):
            raise ArtifactError(f"{sha256!r} is not a SHA-256 digest in hexadecimal")
        possible = [self._directory / file_name(sha256, runtime) for runtime in SUFFIXES]
        return next((path for path in possible if path.is_file()), possible[0])

    def put(self, data: bytes) -> str:
        """Keep `data` and return its digest. It is on disk, and whole, once this returns; never in part."""
        sha256 = hashlib.sha256(data).hexdigest()
        put_file(data, self.path(sha256))
        return sha256

    def set_aside(self, sha256: str) -> None:
        """Where the file is there but damaged, it is kept under a name that nobody takes for an artifact's."""
        with contextlib.suppress(FileNotFoundError):
            self.path(sha256).rename(self.path(sha256).with_suffix(".damaged"))

    def read(self, sha256: str) -> bytes:
        """The bytes, verified. Raises `ArtifactError` where they are missing or are not those of the digest."""
        try:
            data = self.path(sha256).read_bytes()
        except FileNotFoundError:
            raise ArtifactError(f"artifact {sha256} is not in {self._directory}") from None
        if hashlib.sha256(data).hexdigest() != sha256:
            raise ArtifactError(f"artifact {sha256} in {self._directory} is damaged: its bytes have another digest")
        return data
