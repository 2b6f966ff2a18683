"""How a part is read. To build a statement takes longer than to run it, so each part has its own once.

`at` is the row to begin with, `after` the one to end before, `most` so many rows.
"""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import CTE, Executable, bindparam, literal, select

from controller.store.telemetry.part import Part

_once = lru_cache(maxsize=100)


@_once
def back_by_index(part: Part) -> Executable:
    row = part.table.c
    its = select(*part.selected()).where(row.device == bindparam("device"), row.id <= bindparam("at"))
    return its.where(row.id > bindparam("after")).order_by(row.id.desc()).limit(bindparam("most"))


@_once
def back_by_links(part: Part) -> Executable:
    """In the order of the links: by id a planner would rather read the whole part than follow them."""
    chain = _chain(part)
    row = part.table.c
    return select(*part.selected()).join_from(chain, part.table, row.id == chain.c.id).order_by(chain.c.links)


@_once
def links_back(part: Part) -> Executable:
    """Each row's id and that of the one before."""
    chain = _chain(part)
    return select(chain.c.id, chain.c.prev).order_by(chain.c.links)


@_once
def onward(part: Part) -> Executable:
    """A device's first rows after one, by index."""
    row = part.table.c
    its = select(*part.selected()).where(row.device == bindparam("device"), row.id > bindparam("after"))
    return its.order_by(row.id).limit(bindparam("most"))


@_once
def named(part: Part) -> Executable:
    """The rows of these `ids`."""
    return select(*part.selected()).where(part.table.c.id.in_(bindparam("ids", expanding=True)))


def _chain(part: Part) -> CTE:
    row = part.table.c
    start = select(row.id, row.prev, literal(1).label("links")).where(row.id == bindparam("at"))
    chain = start.cte("chain", recursive=True)
    further = select(row.id, row.prev, chain.c.links + 1).where(row.id == chain.c.prev, row.id > bindparam("after"))
    return chain.union_all(further.where(chain.c.links < bindparam("most")))
