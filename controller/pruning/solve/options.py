"""Which widths a group is offered at one step of the search."""

from __future__ import annotations

MOST = 16


def offered(now: int, widest: int, floor: int, grain: int, trust: float) -> tuple[int, ...]:
    """Ascending widths, at most `MOST`: `now`, and multiples of `grain` (or the bounds) at most `trust * now` away.

    One step each way is offered however small `trust` is. Bounds: `min(floor, now)` to `max(widest, now)`.
    """
    grid = _grid(min(floor, now), max(widest, now), grain)
    below, above = [width for width in grid if width < now], [width for width in grid if width > now]
    near = [width for width in below if width >= now * (1 - trust)] or below[-1:]
    far = [width for width in above if width <= now * (1 + trust)] or above[:1]
    most_above = min(len(far), max(MOST // 3, MOST - 1 - len(near)))
    return (*_spread(near, MOST - 1 - most_above), now, *_spread(far[::-1], most_above)[::-1])


def _grid(floor: int, widest: int, grain: int) -> list[int]:
    return sorted({floor, widest, *range(-(-floor // grain) * grain, widest + 1, grain)})


def _spread(widths: list[int], most: int) -> list[int]:
    """At most `most` of `widths`, evenly spaced and with both ends (the last alone where one is wanted)."""
    if len(widths) <= most:
        return widths
    return [widths[-1 - round(number * (len(widths) - 1) / max(most - 1, 1))] for number in range(most)][::-1]
