# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The database: one engine, one transaction at a time per caller.

oslo.db makes the engine: it checks a connection before it hands it out, so a
restarted database heals at the next transaction.
"""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from oslo_db import exception as oslo_exceptions
from oslo_db.api import wrap_db_retry
from oslo_db.sqlalchemy import enginefacade
from sqlalchemy import Engine, event, make_url
from sqlalchemy.exc import (
    ArgumentError,
    OperationalError,
    ProgrammingError,
)
from sqlalchemy.orm import Session

from octavia_anycast.model.errors import (
    InvalidRequest,
    Overtaken,
    Retryable,
    RolledBack,
)

UNREACHED = (
    oslo_exceptions.DBConnectionError,
    oslo_exceptions.CantStartEngineError,
)
LOST = (*UNREACHED, oslo_exceptions.DBDeadlock)
# Of a first connection, which oslo.db does not translate: MariaDB's numbers of
# access denied and of a schema that is not there, and what SQLite says.
_REFUSED = frozenset({1044, 1045, 1049, 1698, "unable to open database file"})
_SQLITE_DEADLOCK = "database is locked"
RETRY_AFTER_SECONDS = 1.0
_NO_SUCH_TABLE = 1146  # of MariaDB
_OUR_TABLE = re.compile(r"(?:no such table: |Table '[^'.]+\.)(anycast_\w+)")


class Database:
    """Our tables behind a SQLAlchemy URL.

    :raises InvalidRequest: it is no such URL, or its driver is not there.
    """

    def __init__(self, connection: str) -> None:
        _check(connection)
        # What is not said here, such as the pool's size, is what [database]
        # of the configuration says, if there is one.
        # max_retries: fail soon and say so; the callers come again.
        self._facade = enginefacade.transaction_context()
        self._facade.configure(
            connection=_with_whole_unicode(connection),
            sqlite_fk=True,
            max_retries=1,
            retry_interval=1,
            **_sqlite_options(connection),
        )
        self._local = threading.local()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open a session; commit at the end, roll back on an exception.

        Nested in the same thread it joins the outer transaction.

        :raises RolledBack: deadlock; on Galera, also one that is only found
            when it commits.
        :raises Retryable: connection lost or database down, or a table of
            ours is not there.
        """
        try:
            with self._facade.writer.using(self._local) as session:
                yield session
        except (
            oslo_exceptions.DBError,
            *LOST,
            OperationalError,
            ProgrammingError,
        ) as e:
            cure = _what_time_may_cure(e)
            if cure is None:
                raise
            raise cure from e

    @wrap_db_retry(
        retry_interval=0.05,
        max_retries=2,
        jitter=True,
        exception_checker=lambda error: (
            isinstance(error, Retryable) and not isinstance(error, Overtaken)
        ),
    )
    def transact(self, work: Callable[[Session], None]) -> None:
        """Run a transaction; again if another one got in its way.

        :raises Retryable: it did not work three times.
        """
        with self.transaction() as session:
            work(session)

    def engine(self) -> Engine:
        """The engine, for migrations.

        :raises Retryable: if the database cannot be reached.
        """
        try:
            engine: Engine = self._facade.writer.get_engine()
        except (*LOST, OperationalError) as e:
            if isinstance(e, OperationalError) and not _is_refused(e):
                raise
            raise Retryable(f"The database cannot be reached: {e}") from e
        return engine


class StatementTimer:
    """Tells how long each statement of this process took, of every engine.

    Of Octavia's tables and of ours, whoever made the engine; one that the
    database refuses is not told.

    :param told: is called with seconds, in the thread of the statement
    :param clock: seconds of a clock that only goes forward
    """

    def __init__(
        self,
        told: Callable[[float], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._told = told
        self._clock = clock
        self._is_listening = False
        self._is_telling = False

    def start(self) -> None:
        """Begin to tell."""
        self._is_telling = True
        if not self._is_listening:
            self._is_listening = True
            event.listen(Engine, "before_cursor_execute", self._begins)
            event.listen(Engine, "after_cursor_execute", self._ends)

    def stop(self) -> None:
        """End it.

        The listeners stay: SQLAlchemy breaks off a statement of another
        thread that goes through them while one is removed.
        """
        self._is_telling = False

    def _begins(self, *arguments: Any) -> None:
        if self._is_telling:
            _context_of(arguments).octavia_anycast_began = self._clock()

    def _ends(self, *arguments: Any) -> None:
        # One that began before the telling has no beginning.
        began = getattr(_context_of(arguments), "octavia_anycast_began", None)
        if began is not None and self._is_telling:
            self._told(self._clock() - began)


def _context_of(arguments: tuple[Any, ...]) -> Any:
    """SQLAlchemy's context of one execution, of a listener's arguments.

    They are connection, cursor, statement, parameters, context, executemany.
    """
    return arguments[4]


def _check(connection: str) -> None:
    """The URL may hold a password: the sentence has none of it."""
    try:
        url = make_url(connection)
        if url.get_backend_name() == "postgresql":
            raise InvalidRequest(
                "connection",
                "the URL in [anycast] or [database] is one of PostgreSQL: "
                "octavia-anycast works with MySQL and MariaDB, Galera among "
                "them (mysql+pymysql://...).",
            )
        url.get_dialect().import_dbapi()
    # A port that is no number is a ValueError, a driver an ImportError.
    except (ArgumentError, ValueError, ImportError) as e:
        raise InvalidRequest(
            "connection",
            f"the URL in [anycast] or [database] cannot be used: {e}",
        ) from e


def _what_time_may_cure(error: Exception) -> Retryable | None:
    """What the database did; None if it would do the same again."""

    def of(kind: type[Retryable], what: str) -> Retryable:
        return kind(f"The database {what}", after_seconds=RETRY_AFTER_SECONDS)

    if isinstance(error, UNREACHED) or _is_refused(error):
        return of(Retryable, f"cannot be reached: {error}")
    if _is_lost(error):
        kind = RolledBack if _is_rolled_back(error) else Retryable
        return of(kind, f"did not carry it out: {error}")
    missing = _missing_table(error)
    if missing is not None:
        return of(
            Retryable,
            f"has no table {missing}: run octavia-anycast-manage db upgrade",
        )
    return None


def _missing_table(error: Exception) -> str | None:
    """Name the table of ours that is not there; oslo.db keeps MariaDB's."""
    if not isinstance(error, oslo_exceptions.DBNonExistentTable):
        words: tuple[object, ...] = getattr(
            getattr(error, "orig", None), "args", ()
        )
        if not words or words[0] != _NO_SUCH_TABLE:
            return None
    found = _OUR_TABLE.search(str(error))
    return found[1] if found else None


def _is_refused(error: Exception) -> bool:
    if not isinstance(error, OperationalError):
        return False
    words: tuple[object, ...] = getattr(error.orig, "args", ())
    return bool(words) and words[0] in _REFUSED


def _is_lost(error: Exception) -> bool:
    """Whether the transaction is lost, and may work the next time.

    In a savepoint, too: MariaDB ends the whole transaction at a deadlock, the
    roll back to the savepoint fails, and oslo.db says what caused that. SQLite
    refuses a transaction that has read, and writes while another one commits.
    """
    if isinstance(error, OperationalError):
        return str(error.orig) == _SQLITE_DEADLOCK
    return isinstance(error, LOST) or isinstance(
        getattr(error, "cause", None), LOST
    )


def _is_rolled_back(error: Exception) -> bool:
    """Whether a lost transaction was surely not committed."""
    deadlock = oslo_exceptions.DBDeadlock
    return isinstance(error, (OperationalError, deadlock)) or isinstance(
        getattr(error, "cause", None), deadlock
    )


def _with_whole_unicode(connection: str) -> str:
    """Ask MariaDB for utf8mb4: oslo.db's default is three octets only."""
    url = make_url(connection)
    if not url.drivername.startswith("mysql") or "charset" in url.query:
        return connection
    whole = url.update_query_dict({"charset": "utf8mb4"})
    return whole.render_as_string(hide_password=False)


def _sqlite_options(connection: str) -> dict[str, None]:
    """Unset what oslo.db would pass to SQLite's pool, which has it not."""
    is_sqlite = make_url(connection).drivername.startswith("sqlite")
    return {"pool_timeout": None} if is_sqlite else {}
