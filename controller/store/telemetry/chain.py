"""A device's windows from the newest back: by index where a part has one, else from link to link."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from typing import Any

from sqlalchemy import Executable, select

from controller.store.telemetry.part import COLUMNS, Part
from controller.store.telemetry.session import Session
from controller.store.telemetry.statements import back_by_index, back_by_links, links_back, named, onward

WindowRow = dict[str, Any]
"""A row of a part, by the names of `COLUMNS`; what the part lacks is None."""

_AT_ONCE = 500
_BATCH = 400  # ids in one query
_LINKS = 20_000


def newest_first(session: Session, device: str, *, after_id: int = 0, at_once: int = _AT_ONCE) -> Iterator[WindowRow]:
    """Each row of a device above `after_id`, read `at_once` at a time; it ends where the older ones are gone."""
    at = session.newest_id(device)
    while at is not None and at > after_id:
        part = session.part_of(at)
        rows = [] if part is None else _back(session, part, device, at, after_id, at_once)
        for row in rows:
            if row["id"] <= after_id:
                return
            yield row
        at = rows[-1]["prev"] if rows and part is not None and not part.is_legacy else _before(part, rows)


def oldest_after(session: Session, device: str, after_id: int, most: int) -> list[WindowRow]:
    """The first rows of a device above `after_id`."""
    found = list[WindowRow]()
    for part in session.parts:
        if session.end_of(part) > after_id + 1:
            if not part.indexed:
                break
            asked = {"device": device, "after": after_id, "most": most - len(found)}
            found += _read(session, part, onward(part), asked)
            if len(found) == most:
                return found
    ids = [*_links(session, device, found[-1]["id"] if found else after_id)][::-1]
    for part, wanted in _by_part(session, ids[: most - len(found)]):
        rows = _read(session, part, named(part), {"ids": wanted})
        found += sorted(rows, key=lambda row: int(row["id"]))
    return found


def _links(session: Session, device: str, after_id: int) -> Iterator[int]:
    """The ids of a device's rows above `after_id`, from the newest back, as far as parts have no index. The oldest get
    theirs first."""
    at = session.newest_id(device)
    while at is not None and at > after_id:
        part = session.part_of(at)
        if part is None or part.indexed:
            return
        asked = {"at": at, "after": after_id, "most": _LINKS}
        rows = _read(session, part, links_back(part), asked, ("id", "prev"))
        yield from (row["id"] for row in rows)
        at = rows[-1]["prev"] if rows else None


def at_ids(session: Session, ids: Mapping[str, int]) -> dict[str, WindowRow]:
    """The rows of these ids by device; without those that are gone."""
    found = dict[str, WindowRow]()
    for part, wanted in _by_part(session, sorted(ids.values())):
        found.update((row["device"], row) for row in _read(session, part, named(part), {"ids": wanted}))
    return found


def _by_part(session: Session, ids: Iterable[int]) -> Iterator[tuple[Part, list[int]]]:
    """So many at a time as a query may name."""
    for part, of_part in groupby(ids, session.part_of):
        if part is not None:
            while wanted := list(islice(of_part, _BATCH)):
                yield part, wanted


def before_in_legacy(session: Session, device: str, row_id: int) -> int | None:
    """The row of a device before this one, where it has no link as its part knows none."""
    part = session.part_of(row_id)
    if part is None or not part.is_legacy:
        return None
    query = select(part.table.c.id).where(part.table.c.device == device, part.table.c.id < row_id)
    rows = _read(session, part, query.order_by(part.table.c.id.desc()).limit(1), {}, ("id",))
    return rows[0]["id"] if rows else None


def _before(part: Part | None, rows: list[WindowRow]) -> int | None:
    """Before what has no links there may be more of the same."""
    return rows[-1]["id"] - 1 if rows and part is not None else None


def _back(session: Session, part: Part, device: str, at: int, after_id: int, most: int) -> list[WindowRow]:
    if part.indexed:
        return _read(session, part, back_by_index(part), {"device": device, "at": at, "after": after_id, "most": most})
    return _read(session, part, back_by_links(part), {"at": at, "after": after_id, "most": most})


def _read(
    session: Session,
    part: Part,
    query: Executable,
    values: Mapping[str, object] = {},
    names: Sequence[str] = COLUMNS,
) -> list[WindowRow]:
    """By names of our own: those of a driver's rows take longer to look up than all else."""
    return [dict(zip(names, row, strict=True)) for row in session.rows(part, query, values)]


def last_row(session: Session, part: Part) -> WindowRow | None:
    row = part.table.c
    query = select(*part.selected()).where(row.id < session.next_id).order_by(row.id.desc()).limit(1)
    rows = _read(session, part, query)
    return rows[0] if rows else None


def rows_after(session: Session, after_id: int) -> Iterator[tuple[str, str, int, int]]:
    """Device, boot, seq and id of the rows that came after this one."""
    for part in session.parts:
        row = part.table.c
        its = select(row.device, row.boot, row.seq, row.id).where(row.id > after_id, row.id < session.next_id)
        yield from map(tuple, session.rows(part, its.order_by(row.id)))
