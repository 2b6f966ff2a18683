"""What a job was at when, from the words of its progress."""

from __future__ import annotations

import re
from collections.abc import Sequence

Tick = tuple[float, float, str]  # seconds since it was asked for, the share that is done, and the words

# Of this release and of 0.1. Words that are none of these belong to what went before.
_WORDS = {
    "loading": r"\bloading\b",
    "dense": r"measuring the dense model",
    "ends": r"prunable groups|measuring the ends|measuring the smallest",
    "kernels": r"pricing widths|timing kernels",
    "estimating": r"estimating|ranking units|measuring what each group is worth",
    "candidates": r"choosing a structure|measuring a candidate",
    "recovery": r"recovering",
    "shipping": r"measuring what ships",
    "judging": r"judging accuracy|checking answers",
}
STAGES = tuple(_WORDS)


def seconds_by_stage(ticks: Sequence[Tick], ended_s: float) -> dict[str, float]:
    """Until the first words it loads; with each, a stage begins or goes on."""
    seconds, stage, since = dict.fromkeys(STAGES, 0.0), STAGES[0], 0.0
    for at_s, _, words in ticks:
        seconds[stage] += at_s - since
        stage, since = _stage(words, stage), at_s
    seconds[stage] += ended_s - since
    return seconds


def _stage(words: str, before: str) -> str:
    return next((stage for stage, pattern in _WORDS.items() if re.search(pattern, words)), before)
