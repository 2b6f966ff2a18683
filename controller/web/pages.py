"""Lists in pages: what may be asked of one, and how it is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, Query

from controller.core.intents import IntentError
from controller.core.selector import Selector, parse_selector
from controller.loop.pages import Page
from controller.web.answers import Json
from controller.web.device_views import Json as Row

MOST = 1000
_USUAL = 100


class Asked:
    """At most `limit` rows `after` what the page before told as its `next`; of each only `fields`."""

    def __init__(self, limit: Annotated[int, Query(ge=1, le=MOST)] = _USUAL, after: str = "", fields: str = "") -> None:
        self.limit, self.after = limit, after
        self._fields = [each.strip() for each in fields.split(",") if each.strip()]

    def of(self, row: Row) -> Row:
        """The row with what was asked for of it."""
        if not self._fields:
            return row
        unknown = [each for each in self._fields if each not in row]
        if unknown:
            raise IntentError(400, f"fields: there is no {unknown[0]!r}; allowed are {', '.join(row)}")
        return {name: row[name] for name in self._fields}


def selected(selector: str = "") -> Selector:
    return parse_selector(selector)


Wanted = Annotated[Asked, Depends()]
Selected = Annotated[Selector, Depends(selected)]


def answer(page: Page, rows: Mapping[str, Row], asked: Asked) -> Json:
    """What is gone since the loop named it is left out. `commit` is the one to go on from with events."""
    return Json(
        {
            "items": [asked.of(rows[name]) for name in page.names if name in rows],
            "total": page.total,
            "next": page.next,
            "commit": page.commit,
        }
    )
