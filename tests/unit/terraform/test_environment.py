"""The environment Terraform runs in."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.terraform.environment import terraform_environment

CONFIG = Path("/home/alice/.provisioner/terraformrc")
CALLER = {
    "PATH": "/usr/bin",
    "HOME": "/home/alice",
    "HTTPS_PROXY": "http://proxy:3128",
    "AWS_PROFILE": "production",
    "AWS_SESSION_TOKEN": "token",
    "AWS_ENDPOINT_URL": "http://elsewhere",
}


@pytest.mark.parametrize(
    "leftover",
    [
        "TF_LOG",
        "TF_LOG_PATH",
        "TF_LOG_PROVIDER",
        "TF_CLI_ARGS",
        "TF_CLI_ARGS_plan",
        "TF_WORKSPACE",
        "TF_DATA_DIR",
        "TF_VAR_public",
        "TF_REATTACH_PROVIDERS",
        "TF_STATE_PERSIST_INTERVAL",
    ],
)
def test_what_would_change_a_run_is_left_behind(leftover: str) -> None:
    environment = terraform_environment(CALLER | {leftover: "x"}, cli_config=CONFIG, aws={}, local=False)

    assert leftover not in environment


def test_nobody_is_asked_and_nobody_is_told() -> None:
    environment = terraform_environment(CALLER, cli_config=CONFIG, aws={}, local=False)

    assert environment["TF_IN_AUTOMATION"] == "1"
    assert environment["TF_INPUT"] == "0"
    assert environment["CHECKPOINT_DISABLE"] == "1"
    assert environment["TF_CLI_CONFIG_FILE"] == str(CONFIG)
    assert environment["HTTPS_PROXY"] == "http://proxy:3128"
    assert environment["PATH"] == "/usr/bin"


def test_a_private_registry_stays_reachable() -> None:
    environment = terraform_environment(
        {"TF_TOKEN_registry_example": "t"}, cli_config=CONFIG, aws={}, local=True
    )

    assert environment["TF_TOKEN_registry_example"] == "t"


def test_on_aws_the_callers_credentials_serve_and_the_settings_win() -> None:
    aws = {"AWS_ENDPOINT_URL": "http://settings", "AWS_REGION": "us-east-1"}

    environment = terraform_environment(CALLER, cli_config=CONFIG, aws=aws, local=False)

    assert environment["AWS_PROFILE"] == "production"
    assert environment["AWS_ENDPOINT_URL"] == "http://settings"


def test_a_local_cloud_never_sees_the_callers_account() -> None:
    # GIVEN a caller signed in to a real account
    # WHEN
    environment = terraform_environment(
        CALLER, cli_config=CONFIG, aws={"AWS_REGION": "us-east-1"}, local=True
    )

    # THEN neither variables nor files nor the metadata service lead there
    assert {name for name in environment if name.startswith("AWS_")} == {
        "AWS_REGION",
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_EC2_METADATA_DISABLED",
    }
    assert environment["AWS_CONFIG_FILE"] == environment["AWS_SHARED_CREDENTIALS_FILE"] == "/dev/null"
