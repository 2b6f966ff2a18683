"""Looks at the gate: each one for the same request is stricter, so that trying on lets no more through than one look.

The k-th look may pass a variant that is worse than the margin with a chance of 5 % / 2^k. However many looks there are,
and however what is looked at hangs on what earlier ones said, together that is at most 5 % (Bonferroni's inequality).
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from controller.core.paired import ONE_SIDED
from controller.pruning.jobs.bench import Bench
from controller.pruning.shelf.lines import append_line, read_lines


@dataclass(frozen=True, slots=True)
class Look:
    """The `number`th for one request; the first is 1. `error` is the chance to pass what is too bad by it."""

    number: int

    @property
    def error(self) -> float:
        return float(ONE_SIDED / 2.0**self.number)


class _Line(msgspec.Struct, frozen=True):
    requested: str
    sha256: str


def look_at(bench: Bench, requested: str, sha256: str) -> Look:
    """The look at this artifact for a request, on this gate; written down before it is taken.

    A second one at the same artifact tells nothing new, and is the same look.
    """
    file = bench.shelf.file("looks", f"{(bench.data_sha256 or '')[:16]}.jsonl")
    before = [each.sha256 for each in read_lines(file, _Line) if each.requested == requested]
    if sha256 in before:
        return Look(before.index(sha256) + 1)
    append_line(file, _Line(requested, sha256))
    return Look(len(before) + 1)
