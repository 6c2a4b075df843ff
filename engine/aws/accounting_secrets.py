"""The secrets of Slurm's accounting: the database master's, and one password for each project.

A project's password is the whole text of its secret, since ParallelCluster hands it to slurmdbd as it
is. A new one waits as AWSPENDING until the database has taken it, so that one of the two versions
always opens the database, however far a change of password came.

Source   AWS Secrets Manager user guide, "Lambda rotation functions": create, set, test and finish;
         API reference: the first version of a secret becomes AWSCURRENT whatever stages are named
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass

from botocore.exceptions import ClientError

from engine.aws.failures import aws_errors, error_code
from engine.aws.session import Cloud
from engine.errors import AccountingError
from engine.model.secret import Secret

_CURRENT = "AWSCURRENT"
_PENDING = "AWSPENDING"


@dataclass(frozen=True)
class Login:
    """A database account that can be used."""

    user: str
    password: Secret


@dataclass(frozen=True)
class Version:
    """One version of a project's password."""

    id: str
    password: Secret


def read_master(cloud: Cloud, arn: str) -> Login:
    """The database master, from the secret that RDS manages: {"username": ..., "password": ...}.

    Raises   AccountingError when the secret holds something else; AccessDenied, Unreachable
    """
    with aws_errors("reading the secret of the accounting database's master", secret=True):
        text = cloud.secretsmanager.get_secret_value(SecretId=arn).get("SecretString", "")
    try:
        content = json.loads(text)
        return Login(user=str(content["username"]), password=Secret(str(content["password"])))
    except (ValueError, KeyError, TypeError):
        # None of them is told or chained: they quote the text.
        raise AccountingError(
            "The secret of the accounting database's master is not JSON with username and password.",
            hint="Let RDS manage the master's password (manage_master_user_password).",
        ) from None


class PasswordSecret:
    """The password of one project's database user.

    Its methods raise   AccessDenied, Unreachable, BackendError
    """

    def __init__(self, cloud: Cloud, arn: str) -> None:
        self._secrets = cloud.secretsmanager
        self._arn = arn

    def current(self) -> Version | None:
        """The password that the cluster reads; None before the first."""
        version = self._stages().get(_CURRENT)
        return self._read(version) if version else None

    def pending(self) -> Version | None:
        """The password of a change that did not come to its end; None when there is none."""
        stages = self._stages()
        version = stages.get(_PENDING)
        if version is None or version == stages.get(_CURRENT):
            return None
        return self._read(version)

    def propose(self, password: Secret) -> Version:
        """Keep a new password beside the current one; the very first is current at once."""
        version = str(uuid.uuid4())
        with aws_errors(f"writing a new password to {self._arn}", secret=True):
            self._secrets.put_secret_value(
                SecretId=self._arn,
                ClientRequestToken=version,
                SecretString=password.reveal(),
                VersionStages=[_PENDING],
            )
        return Version(version, password)

    def promote(self, version: Version) -> None:
        """Make a proposed password the current one. Repeating it is fine."""
        current = self._stages().get(_CURRENT)
        if current != version.id:
            self._move(_CURRENT, to=version.id, away_from=current)
        if self._stages().get(_PENDING) == version.id:
            self._move(_PENDING, to=None, away_from=version.id)

    def _stages(self) -> dict[str, str]:
        """Stage -> id of the version that has it; each stage is on one version at most."""
        with aws_errors(f"looking at the secret {self._arn}", secret=True):
            versions = self._secrets.describe_secret(SecretId=self._arn).get("VersionIdsToStages", {})
        return {stage: version for version, stages in versions.items() for stage in stages}

    def _read(self, version: str) -> Version | None:
        with aws_errors(f"reading the secret {self._arn}", secret=True):
            try:
                found = self._secrets.get_secret_value(SecretId=self._arn, VersionId=version)
            except ClientError as error:
                # A version is announced before it has a value when something else rotates the secret.
                if error_code(error) == "ResourceNotFoundException":
                    return None
                raise
        text = found.get("SecretString")
        return Version(version, Secret(text)) if text else None

    def _move(self, stage: str, *, to: str | None, away_from: str | None) -> None:
        where = {"MoveToVersionId": to, "RemoveFromVersionId": away_from}
        with aws_errors(f"moving {stage} in the secret {self._arn}", secret=True):
            self._secrets.update_secret_version_stage(
                SecretId=self._arn,
                VersionStage=stage,
                **{name: version for name, version in where.items() if version},
            )
