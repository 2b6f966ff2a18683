"""Ports of the loopback interface for the tests' servers."""

from __future__ import annotations

import socket


def free_port() -> int:
    """One on which nobody listens. Whoever needs it takes it soon: a client may be given it too."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
    return port
