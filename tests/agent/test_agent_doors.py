from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ports import free_port

from agent.doors import DoorError, close_doors, listen_at, open_doors


@contextmanager
def doors(folder: Path, port: int) -> Iterator[tuple[socket.socket, ...]]:
    opened = open_doors(("127.0.0.1", port), folder / "door")
    yield opened
    close_doors(opened, folder / "door")


@pytest.mark.parametrize("listening", [False, True], ids=["before it serves", "while it serves"])
def test_an_address_that_another_agent_has_is_refused_at_the_start(tmp_path: Path, listening: bool) -> None:
    port = free_port()
    with doors(tmp_path, port) as first:
        if listening:
            listen_at(first)
        with pytest.raises(DoorError, match="in use by another program"):
            open_doors(("127.0.0.1", port), tmp_path / "other")
        assert not (tmp_path / "other").exists()
        listen_at(first)


def test_an_agent_that_begins_again_is_not_in_its_own_way(tmp_path: Path) -> None:
    """Connections that it closed itself linger on its port for a minute."""
    port = free_port()
    for _ in range(3):
        with doors(tmp_path, port) as opened:
            listen_at(opened)
            with socket.create_connection(("127.0.0.1", port)) as client:
                opened[1].setblocking(True)
                opened[1].accept()[0].close()
                assert client.recv(1) == b""
