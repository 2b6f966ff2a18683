"""The fleet in a few figures."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version

from controller.web.device_views import Json
from controller.web.port import ControllerPort


@cache
def product_version() -> str | None:
    """None in a source tree that is not installed."""
    try:
        return version("hedgerow")
    except PackageNotFoundError:
        return None


def health_view(port: ControllerPort) -> Json:
    """`degraded` with the reasons while the controller itself has troubles. Nothing is counted for it."""
    troubles = port.troubles()
    return {
        "status": "degraded" if troubles else "ok",
        "reasons": troubles,
        "warnings": port.warnings(),
        "version": product_version(),
        **port.figures(),
    }
