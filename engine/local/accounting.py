"""The accounting database that stands behind the RDS instance: a real MariaDB, or a small stand-in.

The accounting function's own code runs against either, through its `Server`. What exists is kept in
a book in both cases, since the inventory tells it.
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from engine.accounting.database import LOCK_TIMEOUT_S, MariaDb, Place, Server
from engine.accounting.handler import Connect
from engine.aws.accounting_secrets import Login
from engine.errors import AccountingError, AccountingUnavailable
from engine.local.ports import port_open
from engine.local.secret_versions import current_text
from engine.local.world import World
from engine.model.secret import Secret


@dataclass(frozen=True)
class RealMariaDb:
    """A MariaDB server on this machine, and the user of it that may do what RDS's master may."""

    place: Place
    master: Login


@dataclass
class Book:
    """databases by name; users by name, each with its password and the one database it has."""

    databases: set[str] = field(default_factory=set)
    users: dict[str, tuple[Secret, str]] = field(default_factory=dict)
    locks: defaultdict[str, threading.Lock] = field(default_factory=lambda: defaultdict(threading.Lock))


class StandIn:
    """A server that keeps nothing but its book; see engine.accounting.database.Server."""

    def __init__(self, book: Book, master: str) -> None:
        self._book = book
        self._master = master

    @contextmanager
    def alone(self, project: str) -> Iterator[None]:
        lock = self._book.locks[project]
        if not lock.acquire(timeout=LOCK_TIMEOUT_S):
            raise AccountingUnavailable(f"Others are at work on the accounting of {project}.")
        try:
            yield
        finally:
            lock.release()

    def is_master(self, user: str) -> bool:
        return user == self._master

    def create_database(self, name: str) -> bool:
        new = name not in self._book.databases
        self._book.databases.add(name)
        return new

    def drop_database(self, name: str) -> bool:
        found = name in self._book.databases
        self._book.databases.discard(name)
        return found

    def ensure_user(self, user: str, password: Secret, *, database: str) -> bool:
        new = user not in self._book.users
        self._book.users[user] = (password, database)
        return new

    def accepts(self, user: str, password: Secret, *, database: str) -> bool:
        if database not in self._book.databases:
            raise AccountingError(f"There is no database {database}.")
        return self._book.users.get(user) == (password, database)

    def drop_user(self, user: str) -> bool:
        return self._book.users.pop(user, None) is not None


class Mirrored(StandIn):
    """A real server, with the book kept of what was done to it."""

    def __init__(self, book: Book, master: str, real: Server) -> None:
        super().__init__(book, master)
        self._real = real

    @contextmanager
    def alone(self, project: str) -> Iterator[None]:
        with self._real.alone(project):
            yield

    def create_database(self, name: str) -> bool:
        new = self._real.create_database(name)
        super().create_database(name)
        return new

    def drop_database(self, name: str) -> bool:
        found = self._real.drop_database(name)
        super().drop_database(name)
        return found

    def ensure_user(self, user: str, password: Secret, *, database: str) -> bool:
        new = self._real.ensure_user(user, password, database=database)
        super().ensure_user(user, password, database=database)
        return new

    def accepts(self, user: str, password: Secret, *, database: str) -> bool:
        return self._real.accepts(user, password, database=database)

    def drop_user(self, user: str) -> bool:
        found = self._real.drop_user(user)
        super().drop_user(user)
        return found


class AccountingDatabase:
    """What answers at the address of the region's RDS instances.

    real   None for the stand-in
    """

    def __init__(self, world: World, real: RealMariaDb | None = None) -> None:
        self._world = world
        self._real = real
        self.book = Book()

    def way_of(self, function: Any) -> Connect:
        """How a Lambda function (moto's) reaches it, with the network of the function in between."""

        @contextmanager
        def connect(place: Place, login: Login) -> Iterator[Server]:
            with self._world.lock:
                instance = self._instance(function.region, place.host, place.port)
                if instance is None or not self._let_in(function, instance):
                    raise AccountingUnavailable(
                        f"The accounting database {place.host}:{place.port} does not answer."
                    )
                if login != self._master_of(function.region, instance):
                    raise AccountingUnavailable("The accounting database refuses the login of its master.")
            with self._open(login.user) as server:
                yield server

        return connect

    def accepts(self, user: str, password: str, database: str) -> bool:
        """Whether a head node can log in to this database."""
        with self._open("") as server:
            try:
                return server.accepts(user, Secret(password), database=database)
            except AccountingError:
                return False

    def answers_at(self, region: str, uri: str) -> bool:
        """Whether an RDS instance has this address; host, or host:port."""
        host, _, port = uri.partition(":")
        return self._instance(region, host, int(port or 3306)) is not None

    @contextmanager
    def _open(self, master: str) -> Iterator[Server]:
        if self._real is None:
            yield StandIn(self.book, master)
            return
        login = self._real.master
        with MariaDb(self._real.place, login.user, login.password) as real:
            yield Mirrored(self.book, master, real)

    def _instance(self, region: str, host: str, port: int) -> Any:
        instances = self._world.backends.rds(region).databases.values()
        return next((one for one in instances if one.address == host and int(one.port) == port), None)

    def _let_in(self, function: Any, instance: Any) -> bool:
        """The function is in the database's VPC, and security groups let it through on both sides."""
        network = function.vpc_config
        if not network or not network.get("SubnetIds"):
            return False
        ec2, port = self._world.backends.ec2(function.region), int(instance.port)
        own, others = network.get("SecurityGroupIds") or [], instance.vpc_security_group_ids
        here = ec2.get_subnet(network["SubnetIds"][0])
        there = ec2.get_subnet(instance.db_subnet_group.subnets[0]["SubnetIdentifier"])
        return port_open(ec2, others, port, egress=False, peers=own, cidr=here.cidr_block) and port_open(
            ec2, own, port, egress=True, peers=others, cidr=there.cidr_block
        )

    def _master_of(self, region: str, instance: Any) -> Login:
        """The master's login: in the secret that RDS manages, or as it was given."""
        if not instance.manage_master_user_password:
            return Login(instance.master_username, Secret(instance.master_user_password or ""))
        arn = instance.master_user_secret.secret_arn
        content = json.loads(current_text(self._world.backends.secrets(region), arn) or "{}")
        return Login(content["username"], Secret(content["password"]))
