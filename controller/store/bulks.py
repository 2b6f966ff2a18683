"""Requests about many devices: how far each is, its items in parts of a thousand or so, and which of them failed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import delete, func, select

from controller.core.nouns.bulk import Bulk, BulkFailure, Item
from controller.store.rows import Rows, to_row
from controller.store.tables import bulk_failures, bulk_items, bulks

_items = msgspec.json.Decoder(list[Item])


class BulkRows(Rows):
    def put_bulks(self, changed: Iterable[Bulk]) -> None:
        self._put_all(bulks, [to_row(each) for each in changed])

    def bulks(self) -> list[Bulk]:
        """In the order they were asked for."""
        return self._all(Bulk, select(bulks).order_by(bulks.c.asked_unix_s, bulks.c.id))

    def bulks_among(self, ids: Sequence[str]) -> dict[str, Bulk]:
        """Those of these ids that there are."""
        return {each.id: each for each in self._all(Bulk, select(bulks).where(bulks.c.id.in_(ids)))}

    def put_bulk_items(self, parts: Iterable[tuple[str, int, Sequence[Item]]]) -> None:
        """Each of a bulk, from a position on."""
        rows = [{"bulk": bulk, "first": first, "body": msgspec.json.encode(items)} for bulk, first, items in parts]
        self._put_all(bulk_items, rows)

    def bulk_items(self, bulk: str, position: int) -> tuple[int, list[Item]]:
        """The part that has this position: the position of its first item, and its items."""
        query = select(bulk_items.c.first, bulk_items.c.body).order_by(bulk_items.c.first.desc()).limit(1)
        of = query.where(bulk_items.c.bulk == bulk, bulk_items.c.first <= position)
        row = self._connection.execute(of).one_or_none()
        return (position, []) if row is None else (row[0], _items.decode(row[1]))

    def drop_bulk_items(self, bulk: str) -> None:
        self._connection.execute(delete(bulk_items).where(bulk_items.c.bulk == bulk))

    def drop_bulks(self, ids: Sequence[str]) -> None:
        """Of which there are neither items nor failures any more."""
        if ids:
            self._connection.execute(delete(bulks).where(bulks.c.id.in_(ids)))

    def forget_bulk_failures(self, bulk: str, most: int) -> int:
        """So many at a time; how many went."""
        its = bulk_failures.c.bulk == bulk
        some = select(bulk_failures.c.position).where(its).limit(most)
        return self._connection.execute(delete(bulk_failures).where(its, bulk_failures.c.position.in_(some))).rowcount

    def add_bulk_failures(self, failed: Iterable[BulkFailure]) -> None:
        self._put_all(bulk_failures, [to_row(each) for each in failed])

    def bulk_failures(self, bulk: str, after: int, limit: int) -> list[BulkFailure]:
        """Those above the position `after`, in order."""
        query = select(bulk_failures).where(bulk_failures.c.bulk == bulk, bulk_failures.c.position > after)
        return self._all(BulkFailure, query.order_by(bulk_failures.c.position).limit(limit))

    def count_bulk_failures(self, bulk: str) -> int:
        counted = select(func.count()).select_from(bulk_failures).where(bulk_failures.c.bulk == bulk)
        return self._connection.scalar(counted) or 0
