"""Opening a database: migrations, refusals, and what survives a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from controller.core.nouns.model import Model
from controller.store import Store, StoreError, migrate, schema
from controller.store.emptied import ARTIFACTS, KEYS, why_emptied
from controller.store.engine import make_engine
from controller.store.rows import insert_into, upsert
from controller.store.tables import metadata, windows
from tests.databases import Databases


def test_migrations_make_the_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert migrate.main(["check"]) == 0
    assert capsys.readouterr().err == ""


def test_a_table_without_its_migration_is_found(databases: Databases, tmp_path: Path) -> None:
    engine = make_engine(databases.url(tmp_path, empty=True))
    schema.upgrade(engine)
    assert schema.differences(engine) == []
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE meta")
    assert any("meta" in difference for difference in schema.differences(engine))
    engine.dispose()


def test_upgrade_by_command_then_open_then_open_again(databases: Databases, tmp_path: Path) -> None:
    url = databases.url(tmp_path, empty=True)
    assert migrate.main(["upgrade", "--url", url]) == 0
    for _ in range(2):
        store = Store(url)
        store.open()
        store.close()


def test_a_newer_schema_is_refused_and_left_alone(database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    engine = make_engine(database_url)
    schema.upgrade(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(StoreError, match=r"schema '9999'.*newer"):
        Store(database_url).open()
    assert migrate.main(["upgrade", "--url", database_url]) == 1
    assert "9999" in capsys.readouterr().err


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "controller.db").write_bytes(b"this is no database" * 500)
    with pytest.raises(StoreError, match="not a database"):
        Store(f"sqlite:///{tmp_path}/controller.db").open()


def test_a_server_that_is_not_there_is_an_error_without_the_password() -> None:
    with pytest.raises(StoreError, match="cannot be used") as raised:
        Store("postgresql+psycopg://hedgerow:secret@127.0.0.1:1/hedgerow").open()
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("url", ["nonsense", "mysql://root:secret@localhost/x", "sqlite+nothing:///x"])
def test_a_url_that_cannot_be_used_says_what_can(url: str) -> None:
    with pytest.raises(StoreError, match="sqlite:///FILE") as raised:
        Store(url).open()
    assert "secret" not in str(raised.value)


def test_a_folder_that_is_not_there_is_an_error_and_is_not_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/with/a/typo.db"
    with pytest.raises(StoreError, match=rf"there is no folder {tmp_path}/with/a\. Make it first"):
        Store(url).open()
    assert migrate.main(["upgrade", "--url", url]) == 1
    assert "there is no folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_empty_fleet_beside_what_a_fleet_left_is_told(store: Store, tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert why_emptied(store, state) is None, "a first start finds nothing at all"
    (state / KEYS).mkdir(parents=True)
    assert why_emptied(store, state) is None, "an empty folder is nothing"
    (state / KEYS / "controller.key").touch()
    told = why_emptied(store, state)
    assert told is not None
    assert f" is new, but {state} holds keys of a fleet; is it the right database?" in told
    with store.begin() as tx:
        tx.put_meta("epoch", "1")
    assert why_emptied(store, state) is None, "a second start, with nothing registered yet"
    (state / ARTIFACTS).mkdir()
    (state / ARTIFACTS / "ab.onnx").touch()
    told = why_emptied(store, state)
    assert told is not None
    assert f"knows no device and no model, but {state} holds artifacts of a fleet" in told
    with store.begin() as tx:
        tx.put_model(Model(name="fall", version="1", spec_path="/m.yaml", digest=""))
    assert why_emptied(store, state) is None


def test_a_store_that_is_not_open_says_so(database_url: str) -> None:
    with pytest.raises(StoreError, match="not open"), Store(database_url).read():
        pass


def test_sqlite_is_set_to_survive_a_power_cut(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/controller.db")
    with engine.connect() as connection:
        found = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    engine.dispose()
    assert found == ["wal", 2, 1, 500]


WRITE_THEN_DIE = """
import os, signal, sys
from controller.store import Store
store = Store(sys.argv[1])
store.open()
with store.begin() as tx:
    tx.put_meta("committed", "yes")
with store.begin() as tx:
    tx.put_meta("uncommitted", "yes")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_committed_survives_kill_9_and_what_was_not_is_gone(database_url: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", WRITE_THEN_DIE, database_url],
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    store = Store(database_url)
    store.open()
    with store.read() as tx:
        assert tx.get_meta("committed") == "yes"
        assert tx.get_meta("uncommitted") is None
    store.close()


def test_the_tables_and_statements_are_postgresql_too() -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    for table in metadata.sorted_tables:
        assert str(CreateTable(table).compile(dialect=dialect)).strip().startswith("CREATE TABLE")
        for index in table.indexes:
            assert "CREATE INDEX ix_" in str(CreateIndex(index).compile(dialect=dialect))
        if table.primary_key.columns and table is not windows:
            assert "ON CONFLICT" in str(upsert(table, dialect).compile(dialect=dialect))
    assert "BIGSERIAL" in str(CreateTable(windows).compile(dialect=dialect))
    ingest = insert_into(windows, dialect).on_conflict_do_nothing()
    assert "ON CONFLICT DO NOTHING" in str(ingest.compile(dialect=dialect))
