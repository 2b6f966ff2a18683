"""What its owner would write in an afternoon: MQTT into the controller's table, as fast as it is simple.

`python -m tests.bench.fleet.script PORT DATABASE`: paho, msgspec, sqlite3. Whatever has come in is one batch: one
`executemany`, one commit with `synchronous=FULL`, and only then PUBACK and the acknowledgement to each device.
It knows no devices, judges nothing and decides nothing.
"""

from __future__ import annotations

import select
import signal
import sqlite3
import sys
import time
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from sqlalchemy import create_engine
from sqlalchemy.schema import CreateTable

from agent.wire.messages import Ack, Telemetry, Window
from agent.wire.topics import ROOT
from controller.store.telemetry.part import table_of

_BATCH, _WAIT_S = 2000, 0.5
_FIELDS = tuple(field.name for field in msgspec.structs.fields(Window) if field.name != "closed_s")
_COLUMNS = ("device", "boot", "received_unix_s", *_FIELDS)
INSERT = f"INSERT INTO windows ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
_values = attrgetter(*_FIELDS)
_decode = msgspec.json.Decoder(Telemetry).decode
_encode = msgspec.json.Encoder().encode


def prepare(database: Path) -> None:
    """A table as the controller has one for each day, without an index."""
    engine = create_engine(f"sqlite:///{database}")
    with engine.begin() as connection:
        connection.execute(CreateTable(table_of("windows")))
    engine.dispose()


def rows_of(payload: bytes) -> list[tuple[Any, ...]]:
    told = _decode(payload)
    head = (told.device, told.boot, time.time())
    return [head + _values(window) for window in told.windows]


def main() -> None:
    port, path = int(sys.argv[1]), sys.argv[2]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    database = sqlite3.connect(path)
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        database.execute(f"PRAGMA {pragma}")
    came: list[MQTTMessage] = []
    client = Client(CallbackAPIVersion.VERSION2, client_id="script", clean_session=False, manual_ack=True)
    client.on_message = lambda _client, _data, message: came.append(message)
    client.connect("127.0.0.1", port)
    client.subscribe(f"{ROOT}/+/telemetry", qos=1)
    while True:
        _drain(client, came)
        if came:
            _store(database, client, came)
            came.clear()
        client.loop_misc()


def _drain(client: Client, came: list[MQTTMessage]) -> None:
    """What is there by now, and where nothing is, what comes first."""
    sock = client.socket()
    assert sock is not None, "the broker has gone"
    readable, _, _ = select.select([sock], [sock] if client.want_write() else [], [], _WAIT_S)
    before = -1 if readable else _BATCH
    while before < len(came) < _BATCH:
        before = len(came)
        client.loop_read()
    if client.want_write():
        client.loop_write()


def _store(database: sqlite3.Connection, client: Client, came: list[MQTTMessage]) -> None:
    told = [_decode(message.payload) for message in came]
    now_unix_s = time.time()
    database.executemany(
        INSERT, [(each.device, each.boot, now_unix_s, *_values(window)) for each in told for window in each.windows]
    )
    database.commit()
    for message, each in zip(came, told, strict=True):
        client.ack(message.mid, message.qos)
        ack = Ack(device=each.device, boot=each.boot, seq=each.windows[-1].seq)
        client.publish(f"{ROOT}/{each.device}/ack", _encode(ack), qos=0)


if __name__ == "__main__":
    main()
