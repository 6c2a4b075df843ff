"""A project's own database and user on a real server: made, repeated, kept apart, changed, removed."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pymysql
import pytest

from engine.accounting import database, projects
from engine.aws.accounting_secrets import PasswordSecret
from engine.model.secret import Secret
from tests.functional.accounting.conftest import Ask, Function, Project

pytestmark = pytest.mark.xdist_group("mariadb")


def refuses(connection: Any, ask: Ask, statement: str) -> None:
    # 1044, 1045, 1142, 1227: the ways in which MariaDB says that a right is missing.
    with pytest.raises(pymysql.MySQLError) as caught:
        ask(connection, statement)
    assert caught.value.args[0] in (1044, 1045, 1142, 1227), caught.value


def logs_in(function: Function, project: Project, password: str) -> bool:
    try:
        function.login(project, password).close()
    except pymysql.OperationalError as error:
        assert error.args[0] == 1045
        return False
    return True


def test_a_project_gets_its_database_and_a_user_that_can_use_it(function: Function, ask: Ask) -> None:
    project = function.made()

    assert re.fullmatch("[A-Za-z0-9]{40}", function.password(project))
    with function.login(project, database=project.database) as node:
        ask(node, "CREATE TABLE pc_job_table (id INT PRIMARY KEY, name TINYTEXT)")
        ask(node, "INSERT INTO pc_job_table VALUES (1, 'spikes')")
        # slurmdbd makes its database itself where it is missing
        ask(node, f"CREATE DATABASE IF NOT EXISTS {project.database}")
    assert function.server.ask("SHOW CREATE DATABASE " + project.database)[0][1].count("utf8mb4") == 2


def test_repeating_changes_nothing(function: Function) -> None:
    project = function.made()
    before = function.password(project), function.server.ask(f"SHOW GRANTS FOR {project.user}")

    assert function.call(project, "database", "create") == "ensured"
    assert function.call(project, "user", "create") == "ensured"
    assert function.call(project, "user", "update", tf={"action": "update", "prev_input": {}}) == "ensured"

    assert (function.password(project), function.server.ask(f"SHOW GRANTS FOR {project.user}")) == before
    assert len(function.secrets.list_secret_version_ids(SecretId=project.secret_arn)["Versions"]) == 1


def test_a_running_cluster_is_never_refused_while_its_user_is_ensured(function: Function) -> None:
    """Privileges that are right are not taken and given back: in between slurmdbd would be refused."""
    project = function.made()
    asked: list[str] = []
    run = database.MariaDb._run

    def watch(self: Any, statement: str, *values: object) -> Any:
        asked.append(statement)
        return run(self, statement, *values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database.MariaDb, "_run", watch)
        function.call(project, "user", "create")
    assert asked and not [one for one in asked if one.startswith(("REVOKE", "GRANT", "DROP"))]


def test_underscores_are_no_wildcards(function: Function, ask: Ask) -> None:
    """Unescaped, `pc_a_b_q` in a GRANT would be the pattern that `pcxaxbxq` matches."""
    project = function.made("pc_a_b_q")
    assert function.call(Project("pcxaxbxq", "", ""), "database", "create") == "created"
    function.server.ask("CREATE TABLE pcxaxbxq.pc_job_table (id INT)")

    with function.login(project) as node:
        refuses(node, ask, "SELECT * FROM pcxaxbxq.pc_job_table")
        assert {name for (name,) in ask(node, "SHOW DATABASES")} == {"information_schema", "pc_a_b_q"}


def test_a_project_sees_and_gets_nothing_but_its_own(function: Function, ask: Ask) -> None:
    one, other = function.made(), function.made()
    function.server.ask(f"CREATE TABLE {other.database}.pc_job_table (id INT)")

    with function.login(one) as node:
        assert {name for (name,) in ask(node, "SHOW DATABASES")} == {"information_schema", one.database}
        for statement in (
            f"SELECT * FROM {other.database}.pc_job_table",
            f"USE {other.database}",
            f"SHOW TABLES FROM {other.database}",
            f"DROP DATABASE {other.database}",
            f"CREATE DATABASE {one.database}_2",
            "CREATE DATABASE whatever",
            "SELECT * FROM mysql.user",
            "CREATE USER slurm_friend IDENTIFIED BY 'x'",
            f"GRANT SELECT ON {one.database}.* TO {other.user}",
            f"ALTER USER {other.user} IDENTIFIED BY 'x'",
            "SET GLOBAL general_log = ON",
        ):
            refuses(node, ask, statement)
        tables = ask(node, "SELECT table_schema FROM information_schema.tables")
        assert (other.database,) not in tables
        # No other project's sessions either
        assert {user for (user,) in ask(node, "SELECT user FROM information_schema.processlist")} == {
            one.user
        }


def test_without_tls_the_right_password_is_refused(function: Function) -> None:
    project = function.made()
    with pytest.raises(pymysql.OperationalError) as caught:
        function.server.login(project.user, function.password(project), ssl=None, ssl_disabled=True)
    assert caught.value.args[0] == 1045


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"ACCOUNTING_DATABASE_HOST": "localhost"}, "certificate is not the one expected"),
        ({"ACCOUNTING_CA_FILE": "other"}, "certificate is not the one expected"),
        ({"ACCOUNTING_CA_FILE": "/nowhere.pem"}, "cannot be used"),
        ({"ACCOUNTING_CA_FILE": __file__}, "cannot be used"),
        ({"ACCOUNTING_DATABASE_PORT": "1"}, "ACCOUNTING_UNAVAILABLE"),
        ({"ACCOUNTING_DATABASE_PORT": "mysql"}, "ACCOUNTING_DATABASE_PORT is no port"),
        ({"ACCOUNTING_MASTER_SECRET_ARN": ""}, "ACCOUNTING_MASTER_SECRET_ARN is not set"),
        ({"AWS_SECRET_ACCESS_KEY": ""}, "AWS_SECRET_ACCESS_KEY is not set"),
    ],
)
def test_a_wrong_set_up_is_named(function: Function, wrong: dict[str, str], said: str) -> None:
    project = function.project()
    if wrong.get("ACCOUNTING_CA_FILE") == "other":
        wrong = {"ACCOUNTING_CA_FILE": function.server.other_ca_file}
    function.environ |= wrong
    assert said in function.refused(project, "database", "create")


def test_a_stale_master_secret_asks_for_another_try(function: Function) -> None:
    function.set_master(function.server.master, "yesterday")
    told = function.refused(function.project(), "database", "create")
    assert told.startswith("ACCOUNTING_UNAVAILABLE") and "yesterday" not in told


def extra_rights(function: Function, project: Project) -> None:
    function.server.ask(f"GRANT SELECT ON *.* TO {project.user} WITH GRANT OPTION")


def another_database(function: Function, project: Project) -> None:
    function.server.ask("CREATE DATABASE pc_other")
    function.server.ask(f"GRANT ALL ON pc_other.* TO {project.user}")


def a_role(function: Function, project: Project) -> None:
    function.server.ask("CREATE ROLE `50%reader`")
    function.server.ask(f"GRANT `50%reader` TO {function.server.master} WITH ADMIN OPTION")
    function.server.ask(f"GRANT `50%reader` TO {project.user}")


def another_host(function: Function, project: Project) -> None:
    function.server.ask(f"CREATE USER {project.user}@'10.42.%' IDENTIFIED BY 'x'")
    function.server.ask(f"GRANT SELECT ON *.* TO {project.user}@'10.42.%'")


def fewer_rights(function: Function, project: Project) -> None:
    function.server.ask(f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {project.user}")


def plain_connections(function: Function, project: Project) -> None:
    function.server.ask(f"ALTER USER {project.user} REQUIRE NONE")


def another_password(function: Function, project: Project) -> None:
    function.server.ask(f"ALTER USER {project.user} IDENTIFIED BY 'x'")


def locked(function: Function, project: Project) -> None:
    function.server.ask(f"ALTER USER {project.user} ACCOUNT LOCK PASSWORD EXPIRE")


Change = Callable[[Function, Project], None]


@pytest.mark.parametrize(
    "change",
    [
        extra_rights,
        another_database,
        a_role,
        another_host,
        fewer_rights,
        plain_connections,
        another_password,
        locked,
    ],
    ids=lambda change: change.__name__,
)
def test_whatever_the_user_has_become_it_is_put_right(function: Function, change: Change) -> None:
    project = function.made()
    right = function.server.ask(f"SHOW GRANTS FOR {project.user}")
    change(function, project)

    assert function.call(project, "user", "create") == "ensured"

    assert function.server.ask(f"SHOW GRANTS FOR {project.user}") == right
    hosts = function.server.ask("SELECT Host FROM mysql.user WHERE User = %s", project.user)
    assert hosts == [("%",)]
    function.login(project, database=project.database).close()
    function.server.ask("DROP ROLE IF EXISTS `50%reader`")


def test_a_deleted_user_comes_back_with_its_password(function: Function) -> None:
    project = function.made()
    password = function.password(project)
    function.server.ask(f"DROP USER {project.user}")
    assert function.call(project, "user", "create") == "created"
    assert function.password(project) == password and logs_in(function, project, password)


def test_a_user_without_its_database_is_not_called_made(function: Function) -> None:
    assert "ACCOUNTING_FAILED" in function.refused(function.project(), "user", "create")


def test_rotation(function: Function) -> None:
    project = function.made()
    old = function.password(project)

    assert function.call(project, "user", "rotate") == "rotated"

    new = function.password(project)
    assert new != old
    assert logs_in(function, project, new) and not logs_in(function, project, old)
    assert function.call(project, "user", "rotate") == "rotated"
    assert function.password(project) not in (old, new)


class Killed(BaseException):
    """The function's process is gone."""


STEPS: list[tuple[type, str]] = [
    (PasswordSecret, "propose"),
    (database.MariaDb, "ensure_user"),
    (database.MariaDb, "accepts"),
    (PasswordSecret, "_move"),
    (PasswordSecret, "promote"),
]


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step[1])
@pytest.mark.parametrize("first", [True, False], ids=["first-password", "rotation"])
def test_an_interruption_is_made_good_by_the_next_call(
    function: Function, step: tuple[type, str], done: bool, first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = function.project() if first else function.made()
    function.call(project, "database", "create")
    old = None if first else function.password(project)
    owner, name = step
    original = getattr(owner, name)

    def die(*args: Any, **kwargs: Any) -> Any:
        if done:
            original(*args, **kwargs)
        raise Killed

    # WHEN the function dies at a step of a change of password
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(owner, name, die)
        function.call(project, "user", "create" if first else "rotate")

    # THEN one of the versions opens the database, if there was a user to begin with
    if not first:
        stages = ("AWSCURRENT", "AWSPENDING")
        assert any(logs_in(function, project, text) for text in versions(function, project, stages))

    # AND what is called next ends it: the secret's current password is the one that works
    function.call(project, "user", "update" if first else "rotate")
    assert logs_in(function, project, function.password(project))
    assert under_way(function, project) == []
    assert old is None or (function.password(project) != old and not logs_in(function, project, old))


def versions(function: Function, project: Project, stages: tuple[str, ...]) -> list[str]:
    found = function.secrets.describe_secret(SecretId=project.secret_arn)["VersionIdsToStages"]
    return [
        function.secrets.get_secret_value(SecretId=project.secret_arn, VersionId=version)["SecretString"]
        for version, labels in found.items()
        if set(labels) & set(stages)
    ]


def under_way(function: Function, project: Project) -> list[str]:
    """Passwords that are proposed and not current."""
    return [
        text for text in versions(function, project, ("AWSPENDING",)) if text != function.password(project)
    ]


@pytest.mark.parametrize(("action", "outcome"), [("rotate", "rotated"), ("create", "rotated")])
def test_a_rotation_that_was_interrupted_is_finished_not_begun_anew(
    function: Function, action: str, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = function.made()

    def die(*_: Any) -> Any:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(PasswordSecret, "promote", die)
        function.call(project, "user", "rotate")
    proposed = under_way(function, project)

    assert function.call(project, "user", action) == outcome
    assert [function.password(project)] == proposed


@pytest.mark.parametrize("master", ["like RDS's", "with KILL"])
def test_removal_ends_sessions_and_keeps_the_database(function: Function, ask: Ask, master: str) -> None:
    if master == "with KILL":
        function.server.ask("CREATE OR REPLACE USER admin2@'%' IDENTIFIED BY 'x'")
        function.server.ask("GRANT ALL ON *.* TO admin2@'%' WITH GRANT OPTION")
        function.set_master("admin2", "x")
    project, other = function.made(), function.made()
    node, bystander = function.login(project, database=project.database), function.login(other)
    ask(node, "CREATE TABLE pc_job_table (id INT)")
    ask(node, "INSERT INTO pc_job_table VALUES (7)")
    password = function.password(project)

    assert function.call(project, "user", "delete") == "removed"

    with pytest.raises(pymysql.MySQLError):
        ask(node, "SELECT 1")
    assert not logs_in(function, project, password)
    assert ask(bystander, "SELECT 1") == [(1,)]
    assert function.server.ask(f"SELECT id FROM {project.database}.pc_job_table") == [(7,)]

    # Again is fine, and the records are there for the user of a next cluster
    assert function.call(project, "user", "delete") == "absent"
    assert function.call(project, "user", "create") == "created"
    with function.login(project, database=project.database) as node:
        assert ask(node, "SELECT id FROM pc_job_table") == [(7,)]

    # A purge drops the database, and only that one
    function.call(project, "user", "delete")
    assert function.call(project, "database", "delete") == "removed"
    assert function.call(project, "database", "delete") == "absent"
    assert function.server.ask("SHOW DATABASES LIKE 'pc\\_%%'") == [(other.database,)]
    if master == "with KILL":
        function.server.ask("DROP USER admin2")


def test_a_session_left_by_an_interrupted_removal_is_ended_by_the_next(function: Function, ask: Ask) -> None:
    project = function.made()
    node = function.login(project)
    function.server.ask(f"DROP USER {project.user}")
    assert ask(node, "SELECT 1") == [(1,)]

    assert function.call(project, "user", "delete") == "absent"
    with pytest.raises(pymysql.MySQLError):
        ask(node, "SELECT 1")


def test_calls_at_the_same_time(function: Function) -> None:
    """Two for each of 20 projects at once: each project ends with the one password of its secret."""
    made = [function.project() for _ in range(20)]
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda one: function.call(one, "database", "create"), made * 2))
        outcomes = list(pool.map(lambda one: function.call(one, "user", "create"), made * 2))
        rotated = list(pool.map(lambda one: function.call(one, "user", "rotate"), [made[0]] * 4))

    assert sorted(outcomes) == ["created"] * 20 + ["ensured"] * 20
    assert rotated == ["rotated"] * 4
    for project in made:
        assert logs_in(function, project, function.password(project))
        assert under_way(function, project) == []


def test_a_lock_that_does_not_come_free_is_told(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    project = function.project()
    monkeypatch.setattr(database, "LOCK_TIMEOUT_S", 1)
    with function.server.root() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, 1)", (project.database,))
        told = function.refused(project, "database", "create")
    assert told.startswith("ACCOUNTING_UNAVAILABLE") and "Others have been at work" in told


def test_no_password_is_ever_told(
    function: Function, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The server quotes the statement it does not understand, and that holds the password."""
    caplog.set_level(logging.DEBUG)
    project = function.made()
    monkeypatch.setattr(projects, "new_password", lambda: Secret("canary' 31337"))
    monkeypatch.setattr(pymysql.connections.Connection, "_escape_string", lambda self, text: text)
    told = function.refused(project, "user", "rotate")

    assert under_way(function, project) == ["canary' 31337"]
    assert "1064" in told
    for text in (told, caplog.text):
        for secret in ("canary", "31337", function.password(project), function.server.master_password):
            assert secret not in text


def until_sessions_have_ended(function: Function, *users: str) -> None:
    deadline = time.monotonic() + 60
    listed = "SELECT id FROM information_schema.processlist WHERE user IN %s"
    while left := function.server.ask(listed, users):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def test_no_password_is_in_the_slow_query_log(function: Function, ask: Ask) -> None:
    """The server's log goes to CloudWatch. Here every statement is a slow one, written to a table."""
    usual = function.server.ask(
        "SELECT @@GLOBAL.slow_query_log, @@GLOBAL.long_query_time, @@GLOBAL.log_output"
    )[0]
    change = "SET GLOBAL slow_query_log = %s, long_query_time = %s, log_output = %s"
    function.server.ask(change, 1, 0, "TABLE")
    try:
        project = function.made()
        function.call(project, "user", "rotate")
        # A node's own statements stay in it.
        with function.login(project) as node:
            ask(node, "SELECT 'a node'")
        # The server answers before it writes its log, and ends a session after.
        until_sessions_have_ended(function, project.user, function.server.master)
        written = str(function.server.ask("SELECT sql_text FROM mysql.slow_log"))
    finally:
        function.server.ask(change, *usual)
    assert "a node" in written
    assert function.password(project) not in written
    assert "IDENTIFIED" not in written
