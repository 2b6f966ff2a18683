"""One controller alone is to write a database: on a server it holds a lock, by a connection of its own. Where that is
lost, so is the lock, and it is taken again before anything is written, unless another controller was there meanwhile.

Of SQLite the state folder is locked, where its file is unless `--database` names another one.
"""

from __future__ import annotations

from contextlib import suppress
from time import sleep
from typing import NoReturn
from uuid import uuid4

from sqlalchemy import Connection, Engine, Row, text
from sqlalchemy.exc import DBAPIError, OperationalError

from controller.store.errors import ClaimedError

HOLDER = "holder"
"""As which single fact the database has who held it last."""

_KEY = int.from_bytes(b"hedgerow")  # the server has locks by number, for each database
_GONE_S = "tcp_keepalives_idle=20", "tcp_keepalives_interval=10", "tcp_keepalives_count=3"
_WHO = text(
    "SELECT a.pid, a.client_addr, a.backend_start FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid "
    "WHERE l.locktype = 'advisory' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE "
    "datname = current_database()) AND (l.classid::bigint << 32) + l.objid::bigint = :key"
)
_SELF = text("SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()")
_END = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = :pid AND backend_start = :since")
_LOCK = text("SELECT pg_try_advisory_lock(:key)")
_TRIES, _PAUSE_S = 30, 0.1
_UNLOCK = text("SELECT pg_advisory_unlock(:key)")
_LAST = text("SELECT value FROM meta WHERE key = :key")


class Claim:
    """`token` is what `HOLDER` is to be in the database once it is open."""

    def __init__(self, engine: Engine) -> None:
        self.token = uuid4().hex
        self._engine = engine
        self._connection: Connection | None = None
        self._self: tuple[object, object] | None = None

    def hold(self, *, at_start: bool = False) -> None:
        """Raises `ClaimedError` where another controller has it, and what the database does.

        One that was killed a moment ago may still have it by the server's word: `at_start` that is waited for.
        """
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            for setting in _GONE_S:
                connection.exec_driver_sql(f"SET {setting}")
            tries = _TRIES if at_start else 1
            while not connection.execute(_LOCK, {"key": _KEY}).scalar():
                tries -= 1
                if not tries:
                    self._refuse(connection)
                sleep(_PAUSE_S)
            pid, since = connection.execute(_SELF).one()
        except BaseException:
            connection.invalidate()
            connection.close()
            raise
        self._connection, self._self = connection, (pid, since)

    def check(self) -> None:
        """It is still held, or is again. Raises as `hold` does."""
        if self._connection is not None:
            try:
                self._connection.exec_driver_sql("SELECT 1")
                return
            except DBAPIError:
                self.release()
        self.hold()
        self._refuse_gap()

    def end(self) -> None:
        """Let go of it at once: the server takes a moment to notice that a connection has ended."""
        if self._connection is not None and not self._connection.invalidated:
            with suppress(DBAPIError):
                self._connection.execute(_UNLOCK, {"key": _KEY})
        self.release()

    def release(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None

    def _refuse(self, connection: Connection) -> NoReturn:
        """Where the server has not noticed yet that a connection of ours was lost, that one is ended."""
        holder: Row[tuple[int, object, object]] | None = connection.execute(_WHO, {"key": _KEY}).first()
        if holder is None or (holder.pid, holder.backend_start) == self._self:
            if holder is not None:
                connection.execute(_END, {"pid": holder.pid, "since": holder.backend_start})
            raise OperationalError("pg_try_advisory_lock", None, Exception("a connection that was lost still holds it"))
        # Of a connection of another role the server tells neither.
        where = "" if holder.client_addr is None else f" from {holder.client_addr}"
        since = "" if holder.backend_start is None else f" since {holder.backend_start:%Y-%m-%d %H:%M:%S %Z}"
        raise ClaimedError(
            f"another controller has the database {self._engine.url!r}{where}{since}: only one may. Stop it first, or "
            "name another database"
        )

    def _refuse_gap(self) -> None:
        """What is in memory is what was written last, unless somebody else wrote."""
        assert self._connection is not None
        last = self._connection.execute(_LAST, {"key": HOLDER}).scalar()
        if last != self.token:
            self.release()
            raise ClaimedError(
                f"another controller had the database {self._engine.url!r} while the connection to it was lost: "
                "start this one anew, once the other is stopped"
            )
