"""Telemetry is delivered at least once and kept exactly once."""

from __future__ import annotations

import threading

import msgspec

from agent.wire.messages import Window
from agent.wire.profile import parse_profile
from controller.core.nouns.device import Device, DeviceState
from controller.core.nouns.window import StoredWindow
from controller.store import Store

FULL = Window(
    seq=3,
    duration_s=5.0,
    wall_unix_s=100.0,
    sha256="a" * 64,
    count=50,
    errors=1,
    latency_p50_ms=3.0,
    latency_p95_ms=4.0,
    latency_p99_ms=5.0,
    latency_mean_ms=3.2,
    latency_source="emulated",
    busy_share=0.2,
    rss_bytes=2**33,
    ram_peak_bytes=2**33,
    temperature_celsius=55.5,
    temperature_max_celsius=56.0,
    power_watts=1.5,
    power_source="modelled",
    battery_percent=80.0,
    battery_discharging=True,
    frequency_hz=1.5e9,
    throttled_share=0.0,
    cpu_per_inference_s=0.002,
    host_busy_share=0.5,
    pressure_share=0.25,
    asked=2**40,
    shed=3,
    queue_mean_ms=0.0,
    queue_p95_ms=7.5,
)


def empty(seq: int) -> Window:
    return Window(seq=seq, duration_s=1.0)


def test_every_column_comes_back_and_what_is_missing_stays_missing(store: Store) -> None:
    with store.begin() as tx:
        tx.add_windows("cam-1", "b1", 200.0, [empty(2), FULL])
    with store.read() as tx:
        assert tx.recent_windows("cam-1", 10) == [
            StoredWindow("cam-1", "b1", 200.0, empty(2)),
            StoredWindow("cam-1", "b1", 200.0, FULL),
        ]


def test_when_a_window_was_closed_comes_back_and_the_devices_own_clock_is_not_kept(store: Store) -> None:
    late = StoredWindow("cam-1", "b1", 200.0, FULL, closed_unix_s=20.0, history=True)
    with store.begin() as tx:
        tx.put_windows([msgspec.structs.replace(late, window=msgspec.structs.replace(FULL, closed_s=7.0))])
        assert tx.recent_windows("cam-1", 10) == [late]


def test_the_newest_come_oldest_first_whatever_their_boot(store: Store) -> None:
    with store.begin() as tx:
        tx.add_windows("cam-1", "b1", 1.0, [empty(1), empty(2)])
        tx.add_windows("cam-1", "b1", 2.0, [empty(3)])
        tx.add_windows("cam-1", "b2", 3.0, [empty(1)])
        tx.add_windows("cam-1", "b2", 3.0, [])
    with store.read() as tx:
        assert [(w.boot, w.window.seq, w.received_unix_s) for w in tx.recent_windows("cam-1", 9)] == [
            ("b1", 1, 1.0), ("b1", 2, 1.0), ("b1", 3, 2.0), ("b2", 1, 3.0),
        ]  # fmt: skip
        assert [w.window.seq for w in tx.recent_windows("cam-1", 2)] == [3, 1]
        assert [w.window.seq for w in tx.recent_windows("cam-1", 9, since_unix_s=2.0)] == [3, 1]
        assert tx.recent_windows("cam-2", 9) == []


def test_the_latest_of_every_registered_device(store: Store) -> None:
    with store.begin() as tx:
        for name in ("cam-1", "cam-2", "cam-3"):
            text = f"device: {name}\n"
            tx.put_device(Device(id=name, state=DeviceState.ACCEPTED, profile=parse_profile(text), profile_text=text))
        tx.add_windows("cam-1", "b1", 1.0, [empty(1), empty(2)])
        tx.add_windows("cam-2", "b1", 1.0, [empty(7)])
        tx.add_windows("stranger", "b1", 1.0, [empty(1)])
    with store.read() as tx:
        assert {device: w.window.seq for device, w in tx.latest_windows().items()} == {"cam-1": 2, "cam-2": 7}


def test_other_threads_read_while_one_writes(store: Store) -> None:
    seen: list[int] = []

    def read() -> None:
        with store.read() as tx:
            seen.append(len(tx.recent_windows("cam-1", 10)))

    with store.begin() as tx:
        tx.add_windows("cam-1", "b1", 1.0, [empty(1)])
        thread = threading.Thread(target=read)
        thread.start()
        thread.join(5)
    read()
    assert seen == [0, 1]


def test_a_reader_keeps_one_view(store: Store) -> None:
    with store.read() as before:
        assert before.get_meta("epoch") is None
        with store.begin() as tx:
            tx.put_meta("epoch", "1")
        assert before.get_meta("epoch") is None
