"""The accounting database server: the only place that speaks SQL.

`Server` is what the rest of the function needs of it; `MariaDb` is the real one, reached as its
master user over TLS with the certificate and the host name checked.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol

import pymysql
from pymysql.constants import CR, ER

from engine.errors import AccountingError, AccountingUnavailable
from engine.model.secret import Secret

CONNECT_TIMEOUT_S = 10
ANSWER_TIMEOUT_S = 60
LOCK_TIMEOUT_S = 30
# A function that was stopped in the middle leaves its session behind, and with it the project's lock;
# the server's own default is eight hours.
ABANDONED_AFTER_S = 120
SESSIONS_END_WITHIN_S = 10.0

# Everything there is on one database, but for GRANT OPTION and for DELETE HISTORY. GRANT ALL would name
# the latter, too, and a server refuses to pass on what its master does not have: RDS's has exactly
# these. Source: RDS user guide, "MariaDB security on Amazon RDS".
PRIVILEGES = (
    "ALTER",
    "ALTER ROUTINE",
    "CREATE",
    "CREATE ROUTINE",
    "CREATE TEMPORARY TABLES",
    "CREATE VIEW",
    "DELETE",
    "DROP",
    "EVENT",
    "EXECUTE",
    "INDEX",
    "INSERT",
    "LOCK TABLES",
    "REFERENCES",
    "SELECT",
    "SHOW VIEW",
    "TRIGGER",
    "UPDATE",
)

_PASSING = frozenset(
    {
        CR.CR_CONNECTION_ERROR,
        CR.CR_CONN_HOST_ERROR,
        CR.CR_SERVER_GONE_ERROR,
        CR.CR_SERVER_HANDSHAKE_ERR,
        CR.CR_SERVER_LOST,
        ER.CON_COUNT_ERROR,
        ER.LOCK_DEADLOCK,
        ER.LOCK_WAIT_TIMEOUT,
        ER.SERVER_SHUTDOWN,
        ER.TOO_MANY_USER_CONNECTIONS,
    }
)


@dataclass(frozen=True)
class Place:
    """Where the server answers, and the PEM file with the authorities that may have signed for it."""

    host: str
    port: int
    ca_file: str


class Server(Protocol):
    """The accounting database server, with the rights of its master user.

    Its methods raise   AccountingUnavailable when it does not answer (calling again is right),
                        AccountingError when it refuses
    """

    def alone(self, project: str) -> AbstractContextManager[None]:
        """Hold the project's lock: of two calls for one project the second waits for the first."""

    def is_master(self, user: str) -> bool:
        """Whether this is the user that we are."""

    def create_database(self, name: str) -> bool:
        """Make the database; False when it is there already."""

    def drop_database(self, name: str) -> bool:
        """Delete the database with every record in it; False when there is none."""

    def ensure_user(self, user: str, password: Secret, *, database: str) -> bool:
        """Make the user what it must be: this password, TLS only, all of this database and nothing else.

        Gives    True when there was no such user
        """

    def accepts(self, user: str, password: Secret, *, database: str) -> bool:
        """Whether the user can log in to its database with this password."""

    def drop_user(self, user: str) -> bool:
        """Delete the user and end its sessions; False when there is no such user."""


class MariaDb:
    """A MariaDB server. Use as a context manager: leaving it closes the connection."""

    def __init__(self, place: Place, user: str, password: Secret) -> None:
        """Connect. Raises AccountingUnavailable, AccountingError."""
        self._place = place
        self._user = user
        with _told("connecting to the accounting database as its master"):
            self._connection = _connect(place, user, password)
            self._run(
                "SET SESSION wait_timeout = %s, lock_wait_timeout = %s", ABANDONED_AFTER_S, LOCK_TIMEOUT_S
            )

    def __enter__(self) -> MariaDb:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(pymysql.Error):
            self._connection.close()

    @contextmanager
    def alone(self, project: str) -> Iterator[None]:
        with _told(f"waiting for the lock of {project}"):
            taken = self._value("SELECT GET_LOCK(%s, %s)", project, LOCK_TIMEOUT_S)
        if not taken:
            raise AccountingUnavailable(
                f"Others have been at work on the accounting of {project} for {LOCK_TIMEOUT_S} s.",
                hint="Run this again.",
            )
        try:
            yield
        finally:
            # The lock goes with the connection in any case.
            with suppress(pymysql.Error):
                self._value("SELECT RELEASE_LOCK(%s)", project)

    def is_master(self, user: str) -> bool:
        return user == self._user

    def create_database(self, name: str) -> bool:
        with _told(f"creating the database {name}"):
            if self._has_database(name):
                return False
            # Said in full, so that a server's own default or a later version of it changes nothing.
            self._run(
                f"CREATE DATABASE IF NOT EXISTS {_quoted(name)} "
                "CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
            )
            return True

    def drop_database(self, name: str) -> bool:
        with _told(f"deleting the database {name}"):
            found = self._has_database(name)
            self._run(f"DROP DATABASE IF EXISTS {_quoted(name)}")
            return found

    def ensure_user(self, user: str, password: Secret, *, database: str) -> bool:
        with _told(f"making the user {user}"):
            hosts = self._hosts(user)
            for host in hosts - {"%"}:
                self._run("DROP USER IF EXISTS %s@%s", user, host)
            if "%" not in hosts:
                self._run(
                    "CREATE USER IF NOT EXISTS %s@'%%' IDENTIFIED BY %s REQUIRE SSL", user, password.reveal()
                )
            self._run(
                "ALTER USER %s@'%%' IDENTIFIED BY %s REQUIRE SSL PASSWORD EXPIRE NEVER ACCOUNT UNLOCK",
                user,
                password.reveal(),
            )
            self._limit(user, database)
            return "%" not in hosts

    def accepts(self, user: str, password: Secret, *, database: str) -> bool:
        with _told(f"logging in as {user}"):
            try:
                _connect(self._place, user, password, database=database).close()
            except pymysql.OperationalError as error:
                if error.args[0] in (ER.ACCESS_DENIED_ERROR, ER.DBACCESS_DENIED_ERROR):
                    return False
                raise
            return True

    def drop_user(self, user: str) -> bool:
        with _told(f"deleting the user {user}"):
            hosts = self._hosts(user)
            for host in hosts:
                self._run("DROP USER IF EXISTS %s@%s", user, host)
            # Only now: no session can begin any more. MariaDB lets those go on that had begun.
            self._end_sessions(user)
            return bool(hosts)

    def _limit(self, user: str, database: str) -> None:
        """Give the user its database and take everything else.

        A user that is as it must be is left alone: between REVOKE and GRANT slurmdbd would be refused.
        """
        if self._holds_only(user, database):
            return
        self._run("REVOKE ALL PRIVILEGES, GRANT OPTION FROM %s@'%%'", user)
        for role in self._column(
            "SELECT Role FROM mysql.roles_mapping WHERE User = %s AND Host = '%%'", user
        ):
            self._run(f"REVOKE {_quoted(role)} FROM %s@'%%'", user)
        self._run(f"GRANT {', '.join(PRIVILEGES)} ON {_pattern(database)}.* TO %s@'%%'", user)
        if not self._holds_only(user, database):
            raise AccountingError(
                f"The user {user} holds more than its own database, and that could not be taken from it.",
                hint=f"Look at SHOW GRANTS FOR '{user}'@'%', delete the user, and run this again.",
            )

    def _holds_only(self, user: str, database: str) -> bool:
        account = re.escape(f"`{user}`@`%`")
        login = re.compile(rf"GRANT USAGE ON \*\.\* TO {account} IDENTIFIED BY \S+ '\S+' REQUIRE SSL")
        own = re.compile(rf"GRANT (?P<held>[A-Z, ]+) ON {re.escape(_pattern(database))}\.\* TO {account}")
        grants = self._column("SHOW GRANTS FOR %s@'%%'", user)
        if len(grants) != 2 or not login.fullmatch(grants[0]):
            return False
        found = own.fullmatch(grants[1])
        return found is not None and set(found["held"].split(", ")) == set(PRIVILEGES)

    def _end_sessions(self, user: str) -> None:
        deadline = time.monotonic() + SESSIONS_END_WITHIN_S
        while sessions := self._column("SELECT id FROM information_schema.processlist WHERE user = %s", user):
            if time.monotonic() > deadline:
                raise AccountingUnavailable(
                    f"{len(sessions)} sessions of the user {user} do not end.", hint="Run this again."
                )
            for session in sessions:
                self._end_session(int(session))
            time.sleep(0.05)

    def _end_session(self, session: int) -> None:
        """End a session by KILL or, where only RDS's own users may do that, by RDS's procedure for it.

        Source   RDS user guide, "Ending a session or query" for MariaDB
        """
        for statement in ("KILL CONNECTION %s", "CALL mysql.rds_kill(%s)"):
            try:
                self._run(statement, session)
            except pymysql.MySQLError as error:
                if error.args[0] == ER.NO_SUCH_THREAD:
                    return
                if error.args[0] != ER.KILL_DENIED_ERROR:
                    raise
            else:
                return

    def _has_database(self, name: str) -> bool:
        query = "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = %s"
        return bool(self._value(query, name))

    def _hosts(self, user: str) -> set[str]:
        return set(self._column("SELECT Host FROM mysql.user WHERE User = %s", user))

    def _value(self, statement: str, *values: object) -> Any:
        return self._run(statement, *values)[0][0]

    def _column(self, statement: str, *values: object) -> list[Any]:
        return [row[0] for row in self._run(statement, *values)]

    def _run(self, statement: str, *values: object) -> tuple[tuple[Any, ...], ...]:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return tuple(cursor.fetchall())


def _connect(place: Place, user: str, password: Secret, *, database: str | None = None) -> Any:
    # A dictionary instead of an SSLContext: PyMySQL then leaves out X.509's strict mode, which Python
    # 3.13 brings and certificates of some servers fail.
    return pymysql.connect(
        host=place.host,
        port=place.port,
        user=user,
        password=password.reveal(),
        database=database,
        ssl={"ca": place.ca_file, "check_hostname": True, "verify_mode": True},
        charset="utf8mb4",
        autocommit=True,
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=ANSWER_TIMEOUT_S,
        write_timeout=ANSWER_TIMEOUT_S,
    )


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _pattern(database: str) -> str:
    """A database's name where GRANT takes a pattern: unescaped, `_` would stand for any character."""
    return _quoted(re.sub(r"([\\_%])", r"\\\1", database))


@contextmanager
def _told(doing: str) -> Iterator[None]:
    """Turn the library's errors into ours. The server's own text is neither told nor chained: it quotes
    statements, and statements hold passwords."""
    try:
        yield
    except pymysql.MySQLError as error:
        raise _translated(error, doing) from None
    except OSError:
        raise AccountingError(
            f"The file with the accounting database's certificate authorities cannot be used while {doing}.",
            hint="ACCOUNTING_CA_FILE must name a PEM file that the function can read.",
        ) from None


def _translated(error: pymysql.MySQLError, doing: str) -> AccountingError:
    code = error.args[0] if error.args else None
    if isinstance(getattr(error, "original_exception", None), ssl.SSLCertVerificationError):
        return AccountingError(
            f"The accounting database's certificate is not the one expected, while {doing}.",
            hint="ACCOUNTING_CA_FILE must hold the authority that signed it, and "
            "ACCOUNTING_DATABASE_HOST must be the name it was signed for.",
        )
    if code in _PASSING:
        return AccountingUnavailable(
            f"The accounting database does not answer ({code}) while {doing}.",
            hint="Check that it is available and lets the function in on its port; then run this again.",
        )
    if code == ER.ACCESS_DENIED_ERROR:
        # RDS has a moment in which the secret is newer, or older, than the password.
        return AccountingUnavailable(
            f"The accounting database refuses the login while {doing}.",
            hint="Run this again. If it stays so, the master's secret does not fit the database.",
        )
    return AccountingError(
        f"The accounting database refused ({type(error).__name__} {code}) while {doing}.",
        hint="Look at the database's own log.",
    )
