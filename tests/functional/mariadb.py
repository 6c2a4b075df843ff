"""A real MariaDB server as a child process on loopback, with TLS, and with a master user like RDS's.

The master has exactly the privileges that RDS gives its own, and RDS's procedure for ending sessions:
what works here does not rest on a right that the real master lacks.
Source: RDS user guide, "MariaDB security on Amazon RDS", "Ending a session or query".
"""

from __future__ import annotations

import contextlib
import datetime as dt
import getpass
import ipaddress
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.ports import HOST, free_ports

READY_WITHIN_S = 90.0
# Set where the server must be there (CI): then its absence is an error, not a reason to skip.
REQUIRED = "REQUIRE_SERVICES"
PROGRAMS = ("mariadbd", "mariadb-install-db")

RDS_MASTER = (
    "ALTER, ALTER ROUTINE, CREATE, CREATE ROUTINE, CREATE TEMPORARY TABLES, CREATE USER, CREATE VIEW, "
    "DELETE, DROP, EVENT, EXECUTE, INDEX, INSERT, LOCK TABLES, PROCESS, REFERENCES, RELOAD, "
    "REPLICATION CLIENT, REPLICATION SLAVE, SELECT, SHOW DATABASES, SHOW VIEW, TRIGGER, UPDATE"
)


class MariaDbServer:
    """host, port and ca_file say how clients reach it; `master` and `master_password` who may do what RDS's
    master may; `root()` is what RDS keeps to itself."""

    master = "provisioner"

    def __init__(self, folder: Path) -> None:
        self.host, self.port = HOST, 0
        self.master_password = secrets.token_hex(16)
        self._folder = folder
        self._certificates = Certificates(folder)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def ca_file(self) -> str:
        return str(self._certificates.ca_file)

    @property
    def other_ca_file(self) -> str:
        """An authority that did not sign for this server."""
        return str(self._certificates.other_ca_file)

    def start(self) -> None:
        # Each has its own: a server that starts deletes the temporary tables that lie in the folder, whose
        # ever they are.
        temporary = self._folder / "tmp"
        temporary.mkdir()
        common = [
            "--no-defaults",
            f"--user={getpass.getuser()}",
            f"--datadir={self._folder / 'data'}",
            f"--tmpdir={temporary}",
        ]
        made = subprocess.run(
            [
                _program("mariadb-install-db"),
                *common,
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--innodb-log-file-size=16M",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=READY_WITHIN_S,
        )
        assert made.returncode == 0, made.stdout
        (self.port,) = free_ports(1)
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *_with_its_parent(),
                    _program("mariadbd"),
                    *common,
                    f"--socket={self._folder / 's'}",
                    f"--pid-file={self._folder / 'pid'}",
                    f"--bind-address={HOST}",
                    f"--port={self.port}",
                    f"--ssl-ca={self._certificates.ca_file}",
                    f"--ssl-cert={self._certificates.server_file}",
                    f"--ssl-key={self._certificates.key_file}",
                    "--innodb-buffer-pool-size=32M",
                    "--innodb-log-file-size=16M",
                    "--innodb-flush-log-at-trx-commit=0",
                    "--performance-schema=OFF",
                    "--skip-log-bin",
                    "--skip-name-resolve",
                ],
                stdout=log,
                stderr=log,
            )
        self._await_ready()
        self._become_rds()

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=5)

    def root(self) -> Any:
        """A connection with every right, through the socket."""
        return pymysql.connect(user="root", unix_socket=str(self._folder / "s"), autocommit=True)

    def ask(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """What root gets as an answer."""
        with self.root() as connection, connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall())

    def login(self, user: str, password: str, **options: Any) -> Any:
        """A connection over TLS, as a node has it."""
        return pymysql.connect(
            host=HOST,
            port=self.port,
            user=user,
            password=password,
            autocommit=True,
            **({"ssl": {"ca": self.ca_file}} | options),
        )

    def empty(self) -> None:
        """Take away every database and user that tests have made."""
        for (name,) in self.ask("SHOW DATABASES"):
            if name not in ("information_schema", "mysql", "performance_schema", "sys"):
                self.ask(f"DROP DATABASE `{name}`")
        for user, host in self.ask("SELECT User, Host FROM mysql.user WHERE User LIKE 'slurm%%'"):
            self.ask("DROP USER %s@%s", user, host)

    def _await_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline and self._process and self._process.poll() is None:
            with contextlib.suppress(pymysql.MySQLError):
                self.root().close()
                return
            time.sleep(0.05)
        raise RuntimeError("MariaDB did not start:\n" + (self._folder / "log").read_text("utf-8")[-3000:])

    def _become_rds(self) -> None:
        self.ask("CREATE USER %s@'%%' IDENTIFIED BY %s", self.master, self.master_password)
        self.ask(f"GRANT {RDS_MASTER} ON *.* TO %s@'%%' WITH GRANT OPTION", self.master)
        self.ask("CREATE PROCEDURE mysql.rds_kill(IN thread BIGINT) SQL SECURITY DEFINER KILL thread")


class Certificates:
    """A certificate authority, a server certificate for 127.0.0.1 alone, and an authority of strangers."""

    def __init__(self, folder: Path) -> None:
        self.ca_file = folder / "ca.pem"
        self.other_ca_file = folder / "other-ca.pem"
        self.server_file = folder / "server.pem"
        self.key_file = folder / "server-key.pem"
        ca_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self.ca_file.write_bytes(_pem(_certificate("Tests", ca_key, "Tests", ca_key, authority=True)))
        strange_key = ec.generate_private_key(ec.SECP256R1())
        self.other_ca_file.write_bytes(
            _pem(_certificate("Strangers", strange_key, "Strangers", strange_key, authority=True))
        )
        self.server_file.write_bytes(_pem(_certificate("mariadb", server_key, "Tests", ca_key)))
        self.key_file.write_bytes(
            server_key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        self.key_file.chmod(0o600)


def _certificate(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    authority: bool = False,
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if not authority:
        address = x509.IPAddress(ipaddress.ip_address(HOST))
        builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _program(name: str) -> str:
    # Debian keeps servers in /usr/sbin, which is not on everybody's path.
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin") or name


def _with_its_parent() -> list[str]:
    """A server does not outlive a test process that was killed, where the system can see to that."""
    return ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []


@contextlib.contextmanager
def running_mariadb() -> Iterator[MariaDbServer]:
    """The server, started and stopped; skips the test where none is installed."""
    missing = [name for name in PROGRAMS if not Path(_program(name)).is_file()]
    if missing:
        reason = f"{', '.join(missing)} not found: `make setup-services` installs MariaDB"
        if os.environ.get(REQUIRED):
            pytest.fail(reason)
        pytest.skip(reason)
    # A short path: that of a Unix socket has 108 characters at most.
    folder = Path(tempfile.mkdtemp(prefix="mdb-", dir="/tmp"))
    server = MariaDbServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
