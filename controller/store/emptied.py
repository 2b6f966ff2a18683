"""A fleet of none beside what a fleet left behind: most often a database that is not the one of before."""

from __future__ import annotations

from pathlib import Path

from controller.store.store import Store

KEYS, ARTIFACTS = "keys", "artifacts"


def why_emptied(store: Store, state: Path) -> str | None:
    """What is odd about serving this database from the folder `state`, before anything is written; None if nothing is.

    Keys alone are odd only beside a database that was never served: the first start makes them, whatever comes after.
    """
    with store.read() as tx:
        is_new = tx.get_meta("epoch") is None
        if tx.models() or tx.devices():
            return None
    kept = [name for name in (KEYS, ARTIFACTS) if (is_new or name == ARTIFACTS) and any((state / name).glob("*"))]
    if not kept:
        return None
    knows = "is new" if is_new else "knows no device and no model"
    return f"{store.address} {knows}, but {state} holds {' and '.join(kept)} of a fleet; is it the right database?"
