"""The accounting function takes what the engine asks, and nothing else."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from engine.accounting.request import Action, Request, Resource, parse_request
from engine.errors import AccountingRefused
from engine.model.names import names_for

NAMES = names_for("lab-1", "proj-1", account_id="123456789012")
SECRET_ARN = f"arn:aws:secretsmanager:eu-west-3:123456789012:secret:{NAMES.accounting_secret}-AbC123"
USER = {
    "resource": "user",
    "database": NAMES.database,
    "user": NAMES.database_user,
    "secret_arn": SECRET_ARN,
    "tf": {"action": "create", "prev_input": None},
}
DATABASE = {"resource": "database", "database": NAMES.database, "tf": {"action": "create"}}


def test_what_terraform_asks() -> None:
    assert parse_request(DATABASE) == Request(Resource.DATABASE, Action.CREATE, NAMES.database)
    assert parse_request(USER) == Request(
        Resource.USER, Action.CREATE, NAMES.database, NAMES.database_user, SECRET_ARN
    )
    for action in ("update", "delete"):
        assert parse_request(USER | {"tf": {"action": action, "prev_input": USER}}).action == action


def test_what_the_engine_asks() -> None:
    event = {key: value for key, value in USER.items() if key != "tf"}
    assert parse_request(event | {"action": "rotate"}).action is Action.ROTATE


@pytest.mark.parametrize("vlab_id", ["lab-1", "0", "a" * 64, "abcdefghij-k", "X--y"])
@pytest.mark.parametrize("account", ["arn:aws", "arn:aws-cn", "arn:aws-us-gov"])
def test_every_name_the_engine_makes_is_taken(vlab_id: str, account: str) -> None:
    names = names_for(vlab_id, "p" * 64, account_id="123456789012")
    arn = f"{account}:secretsmanager:us-gov-west-1:123456789012:secret:{names.accounting_secret}-abcdef"
    event = {"database": names.database, "user": names.database_user, "secret_arn": arn}
    assert parse_request(USER | event).user == names.database_user


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a" * 65,
        "Pc_1",
        "pc-1",
        "pc`; DROP DATABASE mysql; -- ",
        "pc' OR '1'='1",
        "pc\\",
        "pc%",
        "pc.mysql",
        "pc\n",
        "pc_1 ",
        "ｐｃ",
        "mysql",
        "sys",
        "innodb",
        "test",
        "information_schema",
        "performance_schema",
        None,
        7,
        ["pc_1"],
        {"$ne": ""},
    ],
)
def test_refused_databases(name: object) -> None:
    with pytest.raises(AccountingRefused):
        parse_request(DATABASE | {"database": name})


@pytest.mark.parametrize(
    "name",
    [
        "",
        "root",
        "admin",
        "rdsadmin",
        "slurm",
        "slurm_" + "a" * 27,
        "slurm_x'@'%' IDENTIFIED BY 'x'; -- ",
        "Slurm_fzz74kmepm",
        "slurm_fzz74kmepm\n",
        "slurm_zzzzzzzzzz",
        "slurm_zz74kmepm",
        None,
        7,
    ],
)
def test_refused_users(name: object) -> None:
    with pytest.raises(AccountingRefused):
        parse_request(USER | {"user": name})


@pytest.mark.parametrize(
    "arn",
    [
        "",
        NAMES.accounting_secret,
        SECRET_ARN.replace("/accounting-", "/ssh-key-"),
        SECRET_ARN.replace("provisioner/", "other/"),
        SECRET_ARN.replace("proj-1", "proj-2"),
        SECRET_ARN.replace("secretsmanager", "s3"),
        SECRET_ARN.replace("-AbC123", ""),
        SECRET_ARN + "/../x",
        SECRET_ARN + "\n",
        None,
    ],
)
def test_refused_secrets(arn: object) -> None:
    with pytest.raises(AccountingRefused):
        parse_request(USER | {"secret_arn": arn})


@pytest.mark.parametrize(
    "event",
    [
        None,
        "create",
        [],
        {},
        DATABASE | {"resource": "table"},
        DATABASE | {"tf": {"action": "drop"}},
        DATABASE | {"tf": "create"},
        DATABASE | {"tf": None},
        DATABASE | {"action": "rotate"},
        {key: value for key, value in USER.items() if key != "user"},
    ],
)
def test_refused_events(event: object) -> None:
    with pytest.raises(AccountingRefused):
        parse_request(event)


def test_nothing_is_renamed() -> None:
    def update(**before: Any) -> dict[str, Any]:
        return USER | {"tf": {"action": "update", "prev_input": USER | before}}

    with pytest.raises(AccountingRefused, match="database is not renamed"):
        parse_request(update(database="pc_old_fzz74kmepm"))
    with pytest.raises(AccountingRefused, match="user is not renamed"):
        parse_request(update(user="slurm_epm"))
    # A secret that was made anew is another one with the same name.
    assert parse_request(update(secret_arn=SECRET_ARN.replace("AbC123", "xyz789"))).secret_arn == SECRET_ARN


def test_a_refusal_does_not_repeat_what_it_refuses() -> None:
    with pytest.raises(AccountingRefused) as caught:
        parse_request(USER | {"secret_arn": "hunter2"})
    assert "hunter2" not in caught.value.message


def test_a_request_cannot_be_changed_once_it_is_checked() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        parse_request(DATABASE).database = "mysql"  # type: ignore[misc]
