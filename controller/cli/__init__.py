"""The `controller` command."""

from __future__ import annotations

import sys

from agent.stdout import printing


def main() -> None:
    """Run the command line and exit."""
    sys.exit(printing("error", _run))


def _run() -> int:
    """Without the packages that it needs, say which extra brings them."""
    try:
        from controller.cli.app import app

        app()
        return 0
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("agent", "controller"):
            raise
        sys.exit(f"error: {error.name} is not installed; the controller needs: pip install 'hedgerow[controller]'")
