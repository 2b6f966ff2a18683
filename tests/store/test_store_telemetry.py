"""Windows in parts of one day: found from the newest back, known again, and whole after a kill at any moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, QueuePool, event, insert, text
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from agent.wire.messages import Window
from controller.store import Store, StoreError, schema
from controller.store.engine import make_engine
from controller.store.tables import windows
from controller.store.telemetry import Session
from controller.store.telemetry.part import COLUMNS, DAY_S, LEGACY
from tests.databases import Databases

NOW = 1_800_000_000.0
Told = tuple[str, str, int, float]
"""Device, boot, seq, and when it was received."""


@pytest.fixture
def folder(databases: Databases, tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    databases.close_stores()


def window(seq: int) -> Window:
    return Window(seq=seq, duration_s=1.0)


def add(store: Store, *told: Told) -> None:
    with store.begin() as tx:
        for device, boot, seq, received_unix_s in told:
            tx.add_windows(device, boot, received_unix_s, [window(seq)])


def seqs(store: Store, device: str, limit: int = 1000) -> list[int]:
    with store.read() as tx:
        return [each.window.seq for each in tx.recent_windows(device, limit)]


def days(store: Store) -> list[str]:
    return [each.name for each in store.telemetry.parts]


def index_all(store: Store) -> None:
    while any(not each.indexed for each in store.telemetry.parts[:-1]):
        store.telemetry.index_in_background()
        if store.telemetry._thread is not None:
            store.telemetry._thread.join(10)


def test_a_part_is_made_with_all_that_a_stored_window_says() -> None:
    assert {*COLUMNS} - {"prev"} == {column.name for column in windows.columns}


def test_each_day_has_a_part_and_a_device_is_followed_through_all(store: Store) -> None:
    for day in range(4):
        add(store, *((f"cam-{at % 3}", "b", day * 10 + at, NOW + day * DAY_S) for at in range(9)))
    assert days(store) == ["2027-01-15", "2027-01-16", "2027-01-17", "2027-01-18"]
    expected = [day * 10 + at for day in range(4) for at in (1, 4, 7)]
    assert seqs(store, "cam-1") == expected
    assert seqs(store, "cam-1", 5) == expected[-5:]
    index_all(store)
    assert [each.indexed for each in store.telemetry.parts] == [True, True, True, False]
    assert seqs(store, "cam-1") == expected
    assert seqs(store, "cam-1", 5) == expected[-5:]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_after_any_days_restarts_and_flushes_each_device_has_its_windows_in_order(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("any")
    store, now, came = databases.open(folder), NOW, dict[str, list[tuple[str, int]]]()
    for _ in range(data.draw(st.integers(1, 12))):
        match data.draw(st.sampled_from(["add", "add", "add", "day", "back", "restart", "flush", "index"])):
            case "add":
                told = data.draw(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), max_size=8))
                number = sum(map(len, came.values()))
                add(store, *((device, boot, number + at, now) for at, (device, boot) in enumerate(told)))
                for at, (device, boot) in enumerate(told):
                    came.setdefault(device, []).append((boot, number + at))
            case "day":
                now += DAY_S
            case "back":
                now -= 2 * DAY_S
            case "restart":
                store.close()
                store = databases.open(folder)
            case "flush":
                with store.begin() as tx:
                    tx.flush_marks(data.draw(st.integers(1, 3)))
            case "index":
                index_all(store)
    with store.read() as tx:
        for device in "abc":
            found = [(each.boot, each.window.seq) for each in tx.recent_windows(device, 1000)]
            assert found == came.get(device, [])
        for device, marks in tx.marks().items():
            newest = dict(came[device])
            assert dict(marks) == newest
            assert marks[-1][0] == came[device][-1][0], "the boot that sent last is last"
    store.close()


def test_a_clock_that_goes_back_a_day_begins_another_part(store: Store) -> None:
    for seq, day in enumerate((1, 0, 0, 1), 1):
        add(store, ("cam", "b", seq, NOW + day * DAY_S))
    assert days(store) == ["2027-01-16", "2027-01-15", "2027-01-16.1"]
    assert seqs(store, "cam") == [1, 2, 3, 4]


def test_a_part_of_another_release_is_read_and_not_added_to(databases: Databases, folder: Path) -> None:
    """Its columns are those that it was made with: what it lacks is not known, and what is new to us is not asked."""
    store = databases.open(folder)
    add(store, ("cam", "b", 1, NOW))
    (part,) = store.telemetry.parts
    with store.begin() as tx:
        connection = tx._telemetry.writer(part)
        connection.execute(text(f"ALTER TABLE {part.table.name} DROP COLUMN cpu_share"))
        connection.execute(text(f"ALTER TABLE {part.table.name} ADD COLUMN next_year BIGINT DEFAULT 5"))
    store.close()
    store = databases.open(folder)
    add(store, ("cam", "b", 2, NOW))
    assert days(store) == ["2027-01-15", "2027-01-15.1"]
    with store.read() as tx:
        assert [(each.window.seq, each.window.cpu_share) for each in tx.recent_windows("cam", 9)] == [
            (1, None), (2, None),
        ]  # fmt: skip
    store.close()


def test_what_an_earlier_release_has_is_the_first_part(databases: Databases, folder: Path) -> None:
    engine = make_engine(databases.url(folder, empty=True))
    schema.upgrade(engine)
    rows = [
        {"device": device, "boot": "old", "received_unix_s": NOW, "seq": seq, "duration_s": 1.0, "latency_source": "m"}
        for seq in range(1, 6)
        for device in ("a", "b")
    ]
    with engine.begin() as connection:
        connection.execute(insert(windows), rows)
    engine.dispose()
    store = databases.open(folder)
    with store.read() as tx:
        assert tx.marks() == {"a": (("old", 5),), "b": (("old", 5),)}
    add(store, ("a", "old", 6, NOW), ("a", "new", 1, NOW), ("b", "old", 6, NOW))
    assert days(store) == [LEGACY, "2027-01-15"]
    assert seqs(store, "a") == [1, 2, 3, 4, 5, 6, 1]
    assert seqs(store, "a", 4) == [4, 5, 6, 1]
    assert seqs(store, "b") == [1, 2, 3, 4, 5, 6]
    store.close()


def refuse_once(store: Store) -> None:
    """The next commit of facts fails, after that of the telemetry."""
    refused = list[Connection]()

    def refuse(connection: Connection) -> None:
        if not refused:
            refused.append(connection)
            raise OperationalError("COMMIT", {}, Exception("disk is full"))

    event.listen(store._opened(), "commit", refuse)


def test_windows_whose_facts_were_not_committed_come_again_and_are_there_once(store: Store) -> None:
    add(store, ("a", "b", 1, NOW))
    refuse_once(store)
    with pytest.raises(OperationalError):
        add(store, ("a", "b", 2, NOW), ("b", "b", 1, NOW))
    assert seqs(store, "a") == [1], "none of it counts"
    assert seqs(store, "b") == []
    add(store, ("b", "b", 1, NOW))
    assert (seqs(store, "a"), seqs(store, "b")) == ([1], [1])
    add(store, ("a", "b", 2, NOW))
    assert (seqs(store, "a"), seqs(store, "b")) == ([1, 2], [1])


def test_nor_do_they_stay_where_the_day_has_changed_meanwhile(databases: Databases, folder: Path) -> None:
    store = databases.open(folder)
    refuse_once(store)
    with pytest.raises(OperationalError):
        add(store, ("a", "b", 1, NOW))
    add(store, ("b", "b", 5, NOW + DAY_S), ("a", "b", 1, NOW + DAY_S))
    store.close()
    store = databases.open(folder)
    assert (seqs(store, "a"), seqs(store, "b")) == ([1], [5])
    store.close()


DIE_BETWEEN = """
import os, signal, sys
from sqlalchemy import event
from agent.wire.messages import Window
from controller.store import Store
store = Store(sys.argv[1])
store.open()
event.listen(store._opened(), "commit", lambda _: os.kill(os.getpid(), signal.SIGKILL))
with store.begin() as tx:
    tx.add_windows("a", "b", 1_800_000_000.0, [Window(seq=1, duration_s=1.0), Window(seq=2, duration_s=1.0)])
    tx.put_meta("facts", "there")
"""


def test_a_kill_between_the_two_commits_doubles_nothing_and_loses_nothing(databases: Databases, folder: Path) -> None:
    """What is there is known again when the device sends it once more, as nobody had acknowledged it."""
    ended = subprocess.run(
        [sys.executable, "-c", DIE_BETWEEN, databases.url(folder)],
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    store = databases.open(folder)
    with store.read() as tx:
        assert tx.get_meta("facts") is None
        known = dict(tx.marks().get("a", ())).get("b", 0)
    assert seqs(store, "a") == [1, 2][:known]
    add(store, *(("a", "b", seq, NOW) for seq in (1, 2, 3) if seq > known))
    assert seqs(store, "a") == [1, 2, 3]
    store.close()


def test_marks_that_were_written_down_outlive_the_rows(databases: Databases, folder: Path) -> None:
    store = databases.open(folder)
    add(store, ("a", "b", 7, NOW), ("b", "b", 3, NOW))
    with store.begin() as tx:
        tx.flush_marks(1)
    assert len(store.telemetry.unflushed) == 1
    store.close()
    store = databases.open(folder)
    with store.begin() as tx:
        assert tx.marks() == {"a": (("b", 7),), "b": (("b", 3),)}
        tx.flush_marks(10)
    (part,) = store.telemetry.parts
    with store.begin() as tx:
        tx._telemetry.drop(part)
    store.close()
    store = databases.open(folder)
    with store.read() as tx:
        assert tx.marks() == {"a": (("b", 7),), "b": (("b", 3),)}
    assert seqs(store, "a") == []
    add(store, ("a", "b", 8, NOW))
    assert seqs(store, "a") == [8], "ids go on: nothing is taken for the older row"
    store.close()


def test_marks_go_on_after_a_restart_where_a_later_one_was_written_before_an_earlier_one(
    databases: Databases, folder: Path
) -> None:
    store = databases.open(folder)
    add(store, *(("a", boot, seq, NOW) for seq, boot in enumerate("xyzyx", start=1)))
    with store.begin() as tx:
        tx.flush_marks(2)
    store.close()
    store = databases.open(folder)
    with store.begin() as tx:
        tx.flush_marks(1)
    with store.read() as tx:
        assert {*tx.marks()["a"]} == {("x", 5), ("y", 4), ("z", 3)}
    store.close()


def test_a_device_that_starts_again_and_again_has_its_newest_boots_remembered(store: Store) -> None:
    for boot in range(20):
        add(store, ("a", f"b{boot}", 1, NOW))
    with store.begin() as tx:
        tx.flush_marks(100)
        tx.forget_boots("a")
        expected = tuple((f"b{boot}", 1) for boot in range(12, 20))
        assert tx.marks()["a"] == expected


def test_text_that_a_database_refuses_is_kept_without_what_it_refuses(store: Store) -> None:
    with store.begin() as tx:
        tx.add_windows("a", "b\0c", NOW, [Window(seq=1, duration_s=1.0, latency_source="x\0y")])
    with store.read() as tx:
        (stored,) = tx.recent_windows("a", 9)
    assert stored.window.latency_source.replace("\0", "\N{REPLACEMENT CHARACTER}") == "x\N{REPLACEMENT CHARACTER}y"


def test_the_clock_moves_what_was_received_since_and_nothing_is_rewritten(databases: Databases, folder: Path) -> None:
    store = databases.open(folder)
    add(store, ("a", "b", 1, NOW - 9 * DAY_S), ("a", "b", 2, NOW))
    with store.begin() as tx:
        tx.restamp(NOW - DAY_S, -7200.0)
    add(store, ("a", "b", 3, NOW - 7200.0))
    with store.begin() as tx:
        tx.restamp(NOW - DAY_S, 100.0)
    for _ in range(2):
        with store.read() as tx:
            received = [each.received_unix_s for each in tx.recent_windows("a", 9)]
            assert received == [NOW - 9 * DAY_S, NOW - 7100.0, NOW - 7100.0]
            assert tx.newest_unix_s() == NOW - 7100.0
        store.close()
        store = databases.open(folder)
    store.close()


def test_a_file_of_telemetry_survives_a_power_cut_as_the_database_does(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/hedgerow.db")
    store.open()
    add(store, ("a", "b", 1, NOW))
    assert (tmp_path / "hedgerow.telemetry" / "2027-01-15.db").is_file()
    with store.begin() as tx:
        connection = tx._telemetry.writer(store.telemetry.parts[0])
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
    store.close()
    assert found == ["wal", 2]


def test_a_damaged_file_of_telemetry_is_named_and_what_is_no_day_is_left_alone(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'hedgerow.db'}")
    store.open()
    add(store, ("cam-1", "b", 1, NOW), ("cam-1", "b", 2, NOW + DAY_S))
    store.close()
    folder = tmp_path / "hedgerow.telemetry"
    first, newest = sorted(folder.glob("*.db"))
    (folder / "copy.db").write_bytes(newest.read_bytes())
    store.open()
    assert days(store) == [first.stem, newest.stem]
    store.close()
    first.write_bytes(b"no database at all" * 1000)
    with pytest.raises(StoreError, match=f"{first.name} cannot be read.*moved away"):
        store.open()
    first.rename(tmp_path / "away.db")
    store.open()
    assert seqs(store, "cam-1") == [2]
    store.close()


def drop_oldest(store: Store) -> None:
    with store.begin() as tx:
        tx.forget_windows(store.telemetry.parts[0], 1000)


def two_days(store: Store) -> None:
    add(store, ("a", "b", 1, NOW))
    add(store, ("a", "b", 2, NOW + DAY_S))


def test_a_part_that_goes_while_somebody_reads_is_as_if_it_had_been_gone_before(store: Store) -> None:
    two_days(store)
    with store.read() as tx:
        drop_oldest(store)
        assert [each.window.seq for each in tx.recent_windows("a", 9)] == [2]
        assert [row_id for row_id, _ in tx.windows_after("a", 0, 9)] == [2]
        assert tx.marks() == {"a": (("b", 2),)}
        assert len(tx.sizes()) > 2


def test_also_at_the_moment_when_it_is_gone_and_that_is_not_known_yet(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_days(store)
    settle, found = Session.settle, list[list[int]]()

    def looked_at_before(session: Session) -> None:
        found.append(seqs(store, "a"))
        settle(session)

    monkeypatch.setattr(Session, "settle", looked_at_before)
    drop_oldest(store)
    assert found[0] in ([1, 2], [2])
    assert seqs(store, "a") == [2]


def test_what_is_wrong_with_a_part_that_is_to_stay_is_told(store: Store) -> None:
    two_days(store)
    refuse_once(store)
    with pytest.raises(OperationalError):
        drop_oldest(store)
    assert seqs(store, "a") == [1, 2], "it was not dropped in the end"
    part = store.telemetry.parts[0]
    with store.begin() as tx:
        tx._telemetry.writer(part).execute(text(f"ALTER TABLE {part.table.name} RENAME TO other"))
    with pytest.raises(DatabaseError, match=part.table.name):
        seqs(store, "a")


def test_reads_that_hold_every_connection_still_find_windows(store: Store) -> None:
    """Else they could wait for each other's."""
    two_days(store)
    pool = store._opened().pool
    assert isinstance(pool, QueuePool)
    pool._timeout = 0.2
    with ExitStack() as stack:
        reads = [stack.enter_context(store.read()) for _ in range(15)]
        for tx in reads:
            tx.get_meta("facts")
        with pytest.raises(PoolTimeoutError), store.read():
            pass
        for tx in reads:
            assert len(tx.recent_windows("a", 9)) == 2
