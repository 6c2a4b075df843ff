"""The whole environment of a Terraform process: nothing is inherited that could change what a run means."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

# Settings of the caller's that reach a private registry or wait longer for one, and mean nothing else.
# The rest of TF_* goes: TF_CLI_ARGS_plan=-destroy turns a plan round, TF_WORKSPACE and TF_DATA_DIR pick
# another state, TF_VAR_* fill variables behind the spec's back, TF_REATTACH_PROVIDERS shares a provider
# between projects, and TF_LOG writes requests and responses, secrets included, to places we do not look at.
_KEPT = ("TF_REGISTRY_CLIENT_TIMEOUT", "TF_REGISTRY_DISCOVERY_RETRY", "TF_PROVIDER_DOWNLOAD_RETRY")
_KEPT_PREFIX = "TF_TOKEN_"


def terraform_environment(
    base: Mapping[str, str], *, cli_config: Path, aws: Mapping[str, str], local: bool
) -> dict[str, str]:
    """What Terraform runs with: the caller's PATH, HOME, proxies and so on, minus what would mislead it.

    base        the caller's environment
    cli_config  Terraform's CLI configuration file, absolute
    aws         AWS_* variables of the settings; they win over the caller's
    local       the cloud runs on this machine: none of the caller's AWS_* variables, profiles or
                credential files is used, so that a slip cannot reach a real account
    """
    environment = {name: value for name, value in base.items() if _is_kept(name, local=local)}
    if local:
        environment |= {
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
    return environment | {
        "TF_IN_AUTOMATION": "1",
        "TF_INPUT": "0",
        "CHECKPOINT_DISABLE": "1",
        "TF_CLI_CONFIG_FILE": str(cli_config),
        **aws,
    }


def _is_kept(name: str, *, local: bool) -> bool:
    if name.startswith("TF_"):
        return name in _KEPT or name.startswith(_KEPT_PREFIX)
    return not (local and name.startswith("AWS_"))
