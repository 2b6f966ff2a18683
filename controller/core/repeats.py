"""Which windows came before, by the number of the newest one of their boot.

They come in order, so that what is not above it is a repeat. A device has one message under way and a broker few, so no
repeat is far below. What is was numbered below a number that was none, and without this one forged window, or one that
rotted, would make a device deaf for all that it has yet to say.
"""

from __future__ import annotations

FURTHEST = 1000


def came_before(seq: int, newest: int) -> bool:
    return newest - FURTHEST <= seq <= newest
