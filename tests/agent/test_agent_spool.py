from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from media import fill, remount, small_medium

from agent.spool import Spool
from agent.wire.messages import Window

LIMIT = 8


def window(seq: int) -> Window:
    return Window(seq=seq, duration_s=1.0)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool(tmp_path / "spool.sqlite", 100)
    yield opened
    opened.close()


def test_a_batch_is_of_one_boot_and_oldest_first(spool: Spool) -> None:
    for boot, seq in (("b", 1), ("b", 2), ("a", 1), ("b", 3)):
        spool.append(boot, window(seq))
    assert spool.batch(2) == ("b", [window(1), window(2)])
    spool.free("b", 3)
    assert spool.batch(2) == ("a", [window(1)])
    spool.free("a", 1)
    assert spool.batch(2) is None


def test_a_repeated_window_is_kept_once(spool: Spool) -> None:
    spool.append("b", window(1))
    spool.append("b", window(1))
    assert len(spool) == 1


class NeverLosesTheUnacked(RuleBasedStateMachine):
    """Whatever the order of appends, acks, boots and deaths: what was neither acked nor counted as dropped is there."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name) / "spool.sqlite"
        self.spool = Spool(self.path, LIMIT)
        self.kept: list[tuple[str, int]] = []
        self.dropped: dict[str, int] = {}
        self.boot, self.seq = 0, 0

    @rule()
    def append(self) -> None:
        self.seq += 1
        self.spool.append(str(self.boot), window(self.seq))
        self.kept.append((str(self.boot), self.seq))
        if len(self.kept) > LIMIT:
            lost, _ = self.kept.pop(0)
            self.dropped[lost] = self.dropped.get(lost, 0) + 1

    @rule()
    def reboot(self) -> None:
        self.spool.close()
        self.spool = Spool(self.path, LIMIT)
        self.boot, self.seq = self.boot + 1, 0

    @precondition(lambda self: self.kept)
    @rule(data=st.data())
    def ack(self, data: st.DataObject) -> None:
        boot, seq = data.draw(st.sampled_from(self.kept))
        self.spool.free(boot, seq)
        self.kept = [each for each in self.kept if each[0] != boot or each[1] > seq]

    @invariant()
    def nothing_is_lost(self) -> None:
        assert len(self.spool) == len(self.kept)
        batch = self.spool.batch(LIMIT)
        if batch is None:
            assert not self.kept
            return
        boot, windows = batch
        assert [(boot, each.seq) for each in windows] == [each for each in self.kept if each[0] == self.kept[0][0]]
        for boot, count in self.dropped.items():
            assert self.spool.dropped(boot) == count

    def teardown(self) -> None:
        self.spool.close()
        self.directory.cleanup()


TestNeverLosesTheUnacked = NeverLosesTheUnacked.TestCase
TestNeverLosesTheUnacked.settings = settings(max_examples=15, stateful_step_count=30, deadline=None)

WRITER = """
import sys
from pathlib import Path
from agent.spool import Spool
from agent.wire.messages import Window
spool = Spool(Path(sys.argv[1]), 10**6)
for seq in range(1, 10**6):
    spool.append("b", Window(seq=seq, duration_s=1.0))
    print(seq, flush=True)
"""


def test_what_append_returned_for_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    said = [int(writer.stdout.readline()) for _ in range(30)]
    os.kill(writer.pid, signal.SIGKILL)
    said += [int(each) for each in writer.stdout.read().split()]
    writer.wait()
    writer.stdout.close()
    spool = Spool(path, 10**6)
    assert len(spool) >= len(said)
    spool.close()


def test_a_damaged_file_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    path.write_bytes(b"no database" * 1000)
    spool = Spool(path, 10)
    spool.append("b", window(1))
    assert len(spool) == 1
    assert (tmp_path / "damaged-spool.sqlite").exists()
    spool.close()


@pytest.mark.parametrize(
    "rots",
    [
        'UPDATE window SET body = CAST(\'{"seq": 2, "duration_s": "1"}\' AS BLOB) WHERE seq = 2',
        "UPDATE window SET body = X'FF00' WHERE seq = 2",
        "UPDATE window SET body = CAST(X'FF00' AS TEXT) WHERE seq = 2",
        "UPDATE window SET body = 7 WHERE seq = 2",
        "UPDATE window SET seq = 9 WHERE seq = 2",
        "UPDATE window SET boot = CAST(X'FF00' AS TEXT) WHERE seq = 2",
    ],
)
def test_a_row_that_rotted_is_counted_and_the_others_go_out(tmp_path: Path, rots: str) -> None:
    path = tmp_path / "spool.sqlite"
    spool = Spool(path, 100)
    for seq in (1, 2, 3):
        spool.append("b", window(seq))
    with closing(sqlite3.connect(path, isolation_level=None)) as medium:
        assert medium.execute(rots).rowcount == 1
    assert spool.batch(10) == ("b", [window(1), window(3)])
    assert spool.dropped("b") == (0 if "boot" in rots else 1)
    spool.free("b", 3)
    assert len(spool) == 0
    spool.close()


def test_nothing_but_rotten_rows_is_nothing(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    spool = Spool(path, 100)
    for seq in range(1, 8):
        spool.append("b", window(seq))
    with closing(sqlite3.connect(path, isolation_level=None)) as medium:
        medium.execute("UPDATE window SET body = X''")
    assert spool.batch(3) is None
    assert (len(spool), spool.dropped("b")) == (0, 7)
    spool.close()


@pytest.fixture
def medium(tmp_path: Path) -> Iterator[Path]:
    """With two windows of an earlier boot in a spool that was not closed, as after a power cut."""
    with small_medium(tmp_path / "medium") as folder:
        before = Spool(tmp_path / "spool.sqlite", 100)
        for seq in (1, 2):
            before.append("before", window(seq))
        for each in tmp_path.glob("spool.sqlite*"):
            shutil.copy(each, folder)
        before.close()
        yield folder


def kept(spool: Spool) -> list[tuple[str, int]]:
    """All that is in the spool, which is empty afterwards."""
    found = []
    while (batch := spool.batch(100)) is not None:
        boot, windows = batch
        found += [(boot, each.seq) for each in windows]
        spool.free(boot, windows[-1].seq)
    return found


def test_on_a_full_medium_windows_wait_in_memory_until_there_is_room(medium: Path) -> None:
    filler = fill(medium)
    spool = Spool(medium / "spool.sqlite", 100)
    for seq in range(1, 10):
        spool.append("now", window(seq))
    assert not list(medium.glob("damaged-*"))
    filler.unlink()
    spool.append("now", window(10))
    spool.close()
    again = Spool(medium / "spool.sqlite", 100)
    assert kept(again) == [("before", 1), ("before", 2)] + [("now", seq) for seq in range(1, 11)]
    again.close()


def test_a_medium_that_fills_up_later_loses_nothing_either(medium: Path) -> None:
    spool = Spool(medium / "spool.sqlite", 100)
    spool.append("now", window(1))
    filler = fill(medium)
    for seq in range(2, 30):
        spool.append("now", window(seq))
    filler.unlink()
    spool.append("now", window(30))
    assert kept(spool) == [("before", 1), ("before", 2)] + [("now", seq) for seq in range(1, 31)]
    spool.close()


def test_on_a_medium_that_may_only_be_read_windows_wait_in_memory(medium: Path) -> None:
    remount(medium, "ro")
    spool = Spool(medium / "spool.sqlite", 100)
    spool.append("now", window(1))
    remount(medium, "rw")
    spool.append("now", window(2))
    assert kept(spool) == [("before", 1), ("before", 2), ("now", 1), ("now", 2)]
    spool.close()


def test_in_memory_there_is_less_room_and_what_was_given_up_stays_counted(
    medium: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.spool.IN_MEMORY", 3)
    remount(medium, "ro")
    spool = Spool(medium / "spool.sqlite", 100)
    for seq in range(1, 6):
        spool.append("now", window(seq))
    assert (len(spool), spool.dropped("now")) == (3, 2)
    remount(medium, "rw")
    spool.append("now", window(6))
    assert (len(spool), spool.dropped("now")) == (6, 2)
    spool.close()


def test_a_medium_with_room_for_some_takes_none_of_what_is_in_memory(medium: Path) -> None:
    filler = fill(medium)
    with filler.open("r+b") as file:
        file.truncate(filler.stat().st_size - 100 * 1024)
    remount(medium, "ro")
    spool = Spool(medium / "spool.sqlite", 1000)
    for seq in range(1, 301):
        spool.append("now", window(seq))
    remount(medium, "rw")
    spool.append("now", window(301))
    assert len(spool) == 301
    filler.unlink()
    spool.append("now", window(302))
    assert kept(spool) == [("before", 1), ("before", 2)] + [("now", seq) for seq in range(1, 303)]
    spool.close()


def test_where_no_file_can_be_made_windows_wait_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "not there yet" / "spool.sqlite"
    spool = Spool(path, 100)
    spool.append("b", window(1))
    path.parent.mkdir()
    spool.append("b", window(2))
    spool.close()
    again = Spool(path, 100)
    assert kept(again) == [("b", 1), ("b", 2)]
    again.close()
