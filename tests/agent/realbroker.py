"""Real brokers on the loopback interface, for the tests of what talks to one."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

from iotcore import Broker
from ports import free_port

from agent.mqtt import MqttLink

CONFIG = """
id = 0
[router]
id = 0
max_connections = 2000
max_outgoing_packet_count = 200
max_segment_size = 10485760
max_segment_count = 10
[v4.1]
name = "v4-1"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
[v4.1.connections]
connection_timeout_ms = 60000
max_payload_size = 1048576
max_inflight_count = 100
dynamic_filters = true
"""


class RealBroker:
    """rumqttd on a free port; it can be taken down and brought back."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self._config = directory / "broker.toml"
        self._config.write_text(CONFIG.format(port=self.port))
        self._broker = Broker(config_path=str(self._config), port=self.port, listen="127.0.0.1")

    def start(self) -> None:
        self._broker.start()
        wait_for(self.port)

    def link(self, client_id: str) -> MqttLink:
        return MqttLink("127.0.0.1", self.port, client_id)

    def stop(self) -> None:
        self._broker.stop()


class Mosquitto:
    """mosquitto on a free port, with its own defaults: 20 messages in flight, 1,000 waiting."""

    def __init__(self) -> None:
        self.port = free_port()

    def start(self) -> None:
        self._process = subprocess.Popen(["mosquitto", "-p", str(self.port)], stderr=subprocess.DEVNULL)
        wait_for(self.port)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


def wait_for(port: int) -> None:
    until_s = time.monotonic() + 10
    while time.monotonic() < until_s:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the broker did not come up")
