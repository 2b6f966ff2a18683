"""The fleet in a few figures."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import PackageNotFoundError, version

from controller.core.presence import Presence
from controller.web.device_views import Json
from controller.web.port import ControllerPort


def product_version() -> str | None:
    """None in a source tree that is not installed."""
    try:
        return version("hedgerow")
    except PackageNotFoundError:
        return None


def health_view(port: ControllerPort) -> Json:
    """`degraded` with the reasons while the controller itself has troubles. Only who is there is counted for it."""
    troubles = port.troubles()
    return {
        "status": "degraded" if troubles else "ok",
        "reasons": troubles,
        "warnings": port.warnings(),
        "version": product_version(),
        **port.figures(),
        **_presences(port),
    }


def _presences(port: ControllerPort) -> Json:
    """Of whom nothing was heard nothing is known."""
    heard = Counter(port.presences().values())
    heard[Presence.UNKNOWN] += port.figures()["devices"] - heard.total()
    return {f"devices_{presence}": max(heard[presence], 0) for presence in Presence}
