"""Which marks were not yet written down, in the order in which they first moved."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice


@dataclass(slots=True)
class Moved:
    """Of one device and boot: the first row since its mark was written, and the newest row with its seq."""

    device: str
    boot: str
    first_id: int
    seq: int
    newest_id: int


class Unflushed:
    def __init__(self) -> None:
        self._moved = dict[tuple[str, str], Moved]()

    def put(self, device: str, boot: str, seq: int, row_id: int) -> None:
        known = self._moved.get((device, boot))
        if known is None:
            self._moved[device, boot] = Moved(device, boot, row_id, seq, row_id)
        else:
            known.seq, known.newest_id = seq, row_id

    def add(self, later: Unflushed) -> None:
        """What moved after all of this."""
        for key, moved in later._moved.items():
            known = self._moved.setdefault(key, moved)
            known.seq, known.newest_id = moved.seq, moved.newest_id

    def oldest(self, most: int) -> tuple[list[Moved], int | None]:
        """The first ones, and up to which row all is written once these are; None where nothing else is left."""
        first = list(islice(self._moved.values(), most + 1))
        return first[:most], first[most].first_id - 1 if len(first) > most else None

    def drop(self, flushed: Iterable[Moved]) -> None:
        for each in flushed:
            self._moved.pop((each.device, each.boot), None)

    def __len__(self) -> int:
        return len(self._moved)
