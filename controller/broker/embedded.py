"""The embedded broker: rumqttd in a child process (the `iotcore` wheel), on loopback, its message logs bounded.

It forgets retained messages when it ends. Nobody minds: both sides say their state again whenever they connect.
"""

from __future__ import annotations

import time
from pathlib import Path

from agent.wire.messages import MAX_BYTES

_CONFIG = """\
id = 0

[router]
id = 0
max_connections = 20000
max_outgoing_packet_count = 200
max_segment_size = {segment_bytes}
max_segment_count = 8

[v4.1]
name = "hedgerow"
listen = "{host}:{port}"
next_connection_delay_ms = 1

[v4.1.connections]
connection_timeout_ms = 60000
max_payload_size = {payload_bytes}
max_inflight_count = 100
dynamic_filters = true
"""
_SEGMENT_BYTES = 4 * 2**20
_PORT_WAIT_S = 10.0


class EmbeddedBroker:
    def __init__(self, host: str, port: int, state: Path) -> None:
        self.host, self.port = host, port
        self._config = state / "broker.toml"

    def start(self) -> None:
        """Returns once it listens. Raises OSError where the port stays taken, RuntimeError where the child ends."""
        from iotcore import Broker

        self._config.write_text(
            _CONFIG.format(
                host=self.host,
                port=self.port,
                segment_bytes=_SEGMENT_BYTES,
                payload_bytes=MAX_BYTES + 1024,
            )
        )
        self._broker = Broker(config_path=str(self._config), port=self.port, listen=self.host)
        deadline = time.monotonic() + _PORT_WAIT_S
        while True:
            try:
                self._broker.start()
                return
            except OSError:  # the child of a controller that was killed a moment ago may still be closing its port
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def stop(self) -> None:
        self._broker.stop()
