"""The broker of a measurement: mosquitto where it is installed, else the embedded one."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Protocol

from tests.e2e.grounds import Process, listens

_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
_START_S = 10.0
_CONFIG = """\
listener {port} 127.0.0.1
allow_anonymous true
log_type error
user {user}
persistence_location {folder}/
"""
_DEPLOYED = Path(__file__).parents[3] / "deploy" / "mosquitto" / "hedgerow.conf"
_QUEUE = "max_queued_messages"


class Broker(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def pid(self) -> int | None:
        """None where it is not known."""

    def begin(self) -> None:
        """Until it listens."""

    def stop(self) -> None:
        """At once: it is killed."""


class Mosquitto(Process):
    """As it is deployed, but that a million messages wait for one client: one of these is all devices of a crowd."""

    def __init__(self, path: str, folder: Path, port: int) -> None:
        limits = [each for each in _DEPLOYED.read_text().splitlines() if not each.startswith(_QUEUE)]
        own = _CONFIG.format(port=port, folder=folder, user=getpass.getuser()) + f"{_QUEUE} 1000000\n"
        (folder / "mosquitto.conf").write_text(own + "\n".join(limits) + "\n")
        super().__init__("mosquitto", "", (), folder / "mosquitto.log")
        self._command = [path, "-c", str(folder / "mosquitto.conf")]
        self._port = port

    def begin(self) -> None:
        self.start()
        until_s = time.monotonic() + _START_S
        while not listens(self._port):
            assert self.alive, f"mosquitto has ended:\n{self.tail()}"
            assert time.monotonic() < until_s, f"mosquitto does not listen:\n{self.tail()}"
            time.sleep(0.05)

    def stop(self) -> None:
        self.end()


class Embedded:
    """As the controller starts it."""

    name, pid = "embedded (rumqttd)", None

    def __init__(self, folder: Path, port: int) -> None:
        from controller.broker.embedded import EmbeddedBroker

        self._broker = EmbeddedBroker("127.0.0.1", port, folder)

    def begin(self) -> None:
        self._broker.start()

    def stop(self) -> None:
        self._broker.stop()


def started(folder: Path, port: int) -> Broker:
    path = shutil.which("mosquitto", path=_PATH)
    broker: Broker = Embedded(folder, port) if path is None else Mosquitto(path, folder, port)
    broker.begin()
    return broker


def version() -> str:
    path = shutil.which("mosquitto", path=_PATH)
    if path is None:
        return Embedded.name
    told = subprocess.run([path, "-h"], stdout=subprocess.PIPE, text=True, check=False).stdout
    return told.partition("\n")[0].replace(" version", "")
