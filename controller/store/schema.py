"""The tables through time: which revision a database has, and bringing it to this release's."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from controller.store.engine import WRITES
from controller.store.errors import StoreError
from controller.store.tables import PARTS, metadata

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(engine: Engine) -> None:
    """Bring the tables to the newest revision, all or nothing. Raises `StoreError` where a newer release made them."""
    with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
        config = _config(connection)
        _refuse_newer(connection, ScriptDirectory.from_config(config))
        command.upgrade(config, "head")


def differences(engine: Engine) -> list[str]:
    """What the migrations and `tables.py` disagree on; empty is as it should be."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_name": _is_ours})
        return [str(difference) for difference in compare_metadata(context, metadata)]


def _is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """A part of the telemetry has the columns that it was made with."""
    return kind != "table" or name is None or not PARTS.fullmatch(name)


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _refuse_newer(connection: Connection, scripts: ScriptDirectory) -> None:
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
        raise StoreError(
            f"the database has schema {current!r}, which this release does not know: a newer one wrote it. "
            "Install that release, or restore the backup made before it was upgraded"
        )
