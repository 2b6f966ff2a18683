"""Windows are rolled up once each, in whatever slices, over restarts, days and kills."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.wire.messages import Window
from agent.wire.profile import parse_profile
from controller.core.nouns.device import Device, DeviceState
from controller.core.nouns.rollup import Rollup
from controller.core.nouns.window import StoredWindow
from controller.loop.rollup import roll_up
from controller.store import Store
from controller.store.telemetry.part import DAY_S
from tests.databases import Databases

NOW = 1_800_000_000.0
PROFILE = "device: a\nrate: 4 Hz\ndeadline: 50 ms\n"
DEVICE = Device(id="a", state=DeviceState.ACCEPTED, profile=parse_profile(PROFILE), profile_text=PROFILE)


@pytest.fixture(autouse=True)
def _nothing_stays_open(databases: Databases) -> Iterator[None]:
    yield
    databases.close_stores()


def stored(seq: int, received_unix_s: float, *, p95_ms: float = 10.0, outside: bool | None = False) -> StoredWindow:
    window = Window(seq=seq, duration_s=30.0, sha256="s" if seq % 3 else None, count=5, latency_p95_ms=p95_ms)
    return StoredWindow("a", "b", received_unix_s, window, outside=outside)


def rollups(store: Store) -> list[Rollup]:
    with store.read() as tx:
        return tx.rollups_between("a", 0.0, 2e9, 10_000)


def rolled(store: Store, most: int) -> int:
    with store.begin() as tx:
        return roll_up(tx, DEVICE, most)


def put(store: Store, windows: Sequence[StoredWindow]) -> None:
    with store.begin() as tx:
        tx.put_windows(windows)


def undone(store: Store) -> None:
    with suppress(RuntimeError), store.begin() as tx:
        roll_up(tx, DEVICE, 3)
        raise RuntimeError("killed")


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_in_any_slices_as_at_once(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("slices")
    store, now, came = databases.open(folder), NOW, list[StoredWindow]()
    for _ in range(data.draw(st.integers(1, 10))):
        match data.draw(st.sampled_from(["add", "add", "later", "day", "roll", "killed", "restart", "index"])):
            case "add":
                figures = st.floats(0.01, 1e5)
                told = enumerate(data.draw(st.lists(figures, max_size=9)), len(came) + 1)
                new = [stored(seq, now, p95_ms=p95_ms, outside=p95_ms > 50.0) for seq, p95_ms in told]
                put(store, new)
                came += new
            case "later":
                now += data.draw(st.sampled_from([60.0, 3600.0]))
            case "day":
                now += DAY_S
            case "roll":
                rolled(store, data.draw(st.integers(1, 5)))
            case "killed":
                undone(store)
            case "restart":
                store.close()
                store = databases.open(folder)
            case "index":
                store.telemetry.index_in_background()
                if store.telemetry._thread is not None:
                    store.telemetry._thread.join(10)
    while rolled(store, 4):
        pass
    sliced = rollups(store)
    other = databases.open(tmp_path_factory.mktemp("once"))
    put(other, came)
    assert rolled(other, 1000) == len(came)
    assert sliced == rollups(other)
    assert sum(each.windows for each in sliced) == len(came)
    store.close()
    other.close()


def test_late_windows_go_into_the_hours_that_are_there(store: Store) -> None:
    put(store, [stored(1, NOW), stored(2, NOW + 10)])
    assert rolled(store, 100) == 2
    put(store, [stored(4, NOW + 20)])
    assert (rolled(store, 100), rolled(store, 100)) == (1, 0)
    (hour,) = rollups(store)
    assert (hour.windows, hour.count, hour.heard_s) == (3, 15, 90.0)
    assert hour.hour_unix_s == 1_800_000_000 // 3600 * 3600


def test_what_nobody_judged_is_judged_by_the_budget_that_holds_now(store: Store) -> None:
    put(store, [stored(1, NOW, p95_ms=60.0, outside=None), stored(2, NOW, p95_ms=60.0, outside=False)])
    rolled(store, 100)
    (hour,) = rollups(store)
    assert (hour.heard_s, hour.outside_s) == (60.0, 30.0), "50 ms is the deadline"


def test_many_windows_that_have_no_index_are_rolled_up_a_few_at_a_time(store: Store) -> None:
    for start in range(1, 2000, 500):
        put(store, [stored(seq, NOW + seq) for seq in range(start, start + 500)])
    assert [rolled(store, 900) for _ in range(4)] == [900, 900, 200, 0]
    assert sum(each.windows for each in rollups(store)) == 2000


def test_a_visit_takes_what_there_is_from_one_day_to_the_next(store: Store) -> None:
    for day in range(4):
        put(store, [stored(day * 10 + at, NOW + day * DAY_S) for at in range(1, 8)])
    while any(not each.indexed for each in store.telemetry.parts[:2]):
        store.telemetry.index_in_background()
    assert [rolled(store, 20) for _ in range(3)] == [20, 8, 0]
    assert sum(each.windows for each in rollups(store)) == 28


@pytest.fixture
def store(databases: Databases, tmp_path: Path) -> Store:
    return databases.open(tmp_path)
