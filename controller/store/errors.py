"""What can go wrong with what is kept, each with a message that says what to do."""

from __future__ import annotations


class StoreError(Exception):
    """The database cannot be used: unreachable, damaged, or written by a newer release."""


class ClaimedError(StoreError):
    """Another controller writes the database."""


class ArtifactError(Exception):
    """An artifact is missing, or its bytes are not those of its name."""
