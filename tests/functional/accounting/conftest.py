"""The accounting function as Lambda runs it: a real MariaDB, and Secrets Manager over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from engine.accounting.handler import FunctionFailed, serve
from engine.local.server import LocalCloud
from tests.functional.aws.conftest import service_models_read_once  # noqa: F401 - used by each test
from tests.functional.mariadb import MariaDbServer


@dataclass(frozen=True)
class Project:
    """A project's names; its secret is there and has no value, as Terraform leaves it."""

    database: str
    user: str
    secret_arn: str

    def event(self, resource: str, action: str, **more: Any) -> dict[str, Any]:
        named = {"user": self.user, "secret_arn": self.secret_arn} if resource == "user" else {}
        how = {"action": action} if action == "rotate" else {"tf": {"action": action, "prev_input": None}}
        return {"resource": resource, "database": self.database} | named | how | more


class Function:
    """The function with its environment; `call` is one invocation."""

    def __init__(self, cloud: LocalCloud, server: MariaDbServer) -> None:
        self.server = server
        self.secrets = cloud.client("secretsmanager")
        self.environ = {
            "ACCOUNTING_DATABASE_HOST": server.host,
            "ACCOUNTING_DATABASE_PORT": str(server.port),
            "ACCOUNTING_CA_FILE": server.ca_file,
            "AWS_REGION": cloud.region,
            "AWS_ENDPOINT_URL": cloud.endpoint,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
        }
        self.set_master(server.master, server.master_password)

    def set_master(self, user: str, password: str) -> None:
        content = json.dumps({"username": user, "password": password})
        made = self.secrets.create_secret(Name=f"rds!{user}-{self.new_name()}", SecretString=content)
        self.environ["ACCOUNTING_MASTER_SECRET_ARN"] = made["ARN"]

    def new_name(self) -> str:
        return self.secrets.get_random_password(PasswordLength=8, ExcludePunctuation=True)[
            "RandomPassword"
        ].lower()

    def project(self, database: str | None = None) -> Project:
        database = database or f"pc_lab_1_{self.new_name()}"
        cluster = database.replace("_", "-")
        secret = self.secrets.create_secret(Name=f"provisioner/{cluster}/accounting")
        return Project(database, f"slurm_{database.rsplit('_', 1)[1]}", secret["ARN"])

    def call(self, project: Project, resource: str, action: str, **more: Any) -> str:
        answer = serve(project.event(resource, action, **more), self.environ)
        assert set(answer) == {"resource", "name", "outcome"}
        assert answer["resource"] == resource
        return answer["outcome"]

    def made(self, database: str | None = None) -> Project:
        """A project with its database and its user."""
        project = self.project(database)
        assert self.call(project, "database", "create") == "created"
        assert self.call(project, "user", "create") == "created"
        return project

    def refused(self, project: Project, resource: str, action: str, **more: Any) -> str:
        with pytest.raises(FunctionFailed) as caught:
            self.call(project, resource, action, **more)
        return str(caught.value)

    def password(self, project: Project) -> str:
        """What a node of the cluster gets from the secret."""
        return str(
            self.secrets.get_secret_value(SecretId=project.secret_arn, VersionStage="AWSCURRENT")[
                "SecretString"
            ]
        )

    def login(self, project: Project, password: str | None = None, **options: Any) -> Any:
        return self.server.login(project.user, password or self.password(project), **options)


@pytest.fixture(scope="module")
def secrets_manager() -> Iterator[LocalCloud]:
    with LocalCloud(seeded=False) as cloud:
        yield cloud


@pytest.fixture
def function(secrets_manager: LocalCloud, mariadb: MariaDbServer) -> Iterator[Function]:
    yield Function(secrets_manager, mariadb)
    mariadb.empty()


Ask = Callable[[Any, str], list[tuple[Any, ...]]]


@pytest.fixture
def ask() -> Ask:
    """Run a statement on a connection and give its rows."""

    def run(connection: Any, statement: str) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    return run
