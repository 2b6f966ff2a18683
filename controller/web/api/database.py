"""What the controller keeps takes how much room."""

from __future__ import annotations

from fastapi import APIRouter

from controller.web.answers import Json, Port

router = APIRouter(prefix="/database", tags=["database"])


@router.get("/size")
def size(port: Port) -> Json:
    """Each day's windows, roll-ups, and each table: rows and bytes."""
    with port.read() as tx:
        found = tx.sizes()
    return Json([{"what": each.what, "rows": each.rows, "size_bytes": each.size_bytes} for each in found])
