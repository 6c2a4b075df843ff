"""The name of everything a project owns, derived from its two ids alone.

Names can be computed again at any time, on any machine: recovery after a crash finds by name what
was made. Two projects never share a name, because each name carries a hash over both ids:
`a-b/c` and `a/b-c`, or `Lab/x` and `lab/x`, differ in it although they read alike.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass

from engine.errors import FieldProblem, InvalidSettings, InvalidSpec

ID_PATTERN = r"^[A-Za-z0-9]([A-Za-z0-9-]{0,62}[A-Za-z0-9])?$"
ID_ALLOWED = "1 to 64 letters (a-z, A-Z), digits and '-', with a letter or digit at both ends"
ACCOUNT_PATTERN = r"^[0-9]{12}$"

MAX_ID_LENGTH = 64
_MAX_SLUG_LENGTH = 11
_HASH_LENGTH = 10


@dataclass(frozen=True)
class Names:
    """The names of one project.

    project     "vlab/project", for people
    cluster     ParallelCluster cluster: at most 40 characters, since table names in the accounting
                database are built from it; also the Name tag of subnet and file systems, the EC2 key
                pair and the folder of the generated workspace
    stack       the CloudFormation stack around the cluster; the cluster is a stack of its own, so
                the two must differ
    database    Slurm accounting database, ^[0-9a-z_]+$
    database_user      the only database user that may use it, and that may use nothing else: at most 32
                       characters, which MySQL clients still count on; ends like the database does
    accounting_secret  Secrets Manager name of that user's password
    bucket      the project's own S3 bucket; carries the account, as bucket names are global
    key_pair    EC2 key pair of the administrators, who sign in as the image's own user
    key_secret  Secrets Manager name of its private half
    user_key_pair, user_key_secret   the same for the workflow's user; a secret of its own, so that whoever
                reads the one need not be able to read the other
    job_log_group   CloudWatch log group of the project's job records
    authorized_keys_key   key, in the nodes bucket, of the public keys that open the workflow's user
    state_key   S3 key of the Terraform state; keeps the ids as they are, upper case too
    Source      ParallelCluster 3.16 schema (cluster and database names); S3 user guide, "Bucket naming rules"
    """

    vlab_id: str
    project_id: str
    project: str
    cluster: str
    stack: str
    database: str
    database_user: str
    accounting_secret: str
    bucket: str
    key_pair: str
    key_secret: str
    user_key_pair: str
    user_key_secret: str
    authorized_keys_key: str
    lustre: str
    efs: str
    subnet: str
    job_log_group: str
    state_key: str
    directory: str

    @property
    def review_key(self) -> str:
        """S3 key, beside the state, of the last review of the project's plan."""
        return self.state_key.removesuffix("terraform.tfstate") + "review.json"


def names_for(vlab_id: str, project_id: str, *, account_id: str) -> Names:
    """The names of a project in an account.

    account_id   12 digits
    Raises       InvalidSpec for an id that breaks the rule, InvalidSettings for such an account
    """
    _check_ids(vlab_id, project_id)
    _check_account(account_id)
    vlab, proj = _slug(vlab_id), _slug(project_id)
    digest = _hash(vlab_id, project_id)
    cluster = f"pc-{vlab}-{proj}-{digest}"
    return Names(
        vlab_id=vlab_id,
        project_id=project_id,
        project=f"{vlab_id}/{project_id}",
        cluster=cluster,
        stack=f"{cluster}-stack",
        database=cluster.replace("-", "_"),
        database_user=f"slurm_{digest}",
        accounting_secret=f"provisioner/{cluster}/accounting",
        bucket=f"pc-{account_id}-{vlab}-{proj}-{digest}",
        key_pair=cluster,
        key_secret=f"provisioner/{cluster}/ssh-key",
        user_key_pair=f"{cluster}-user",
        user_key_secret=f"provisioner/{cluster}/user-key",
        authorized_keys_key=f"projects/{cluster}/authorized_keys",
        lustre=cluster,
        efs=cluster,
        subnet=cluster,
        job_log_group=f"/provisioner/{cluster}/jobs",
        state_key=f"projects/{vlab_id}/{project_id}/terraform.tfstate",
        directory=cluster,
    )


def split_project(text: str) -> tuple[str, str]:
    """A project as people type it, "vlab/project", as its two ids.

    Raises   InvalidSpec when the text is not two valid ids around one '/'
    """
    vlab_id, slash, project_id = text.partition("/")
    if not slash:
        raise InvalidSpec(
            f"{text[:200]!r} does not name a project.",
            [FieldProblem("project", "has no '/'", "the two ids with a '/' between them", "lab-1/proj-1")],
            hint="`provisioner list` shows the projects there are.",
        )
    _check_ids(vlab_id, project_id)
    return vlab_id, project_id


def id_problem(text: str) -> str | None:
    """What is wrong with an id, in plain words; None when nothing is."""
    if not text:
        return "is empty"
    if text != text.strip():
        return f"{text[:80]!r} has white space at its beginning or end"
    strange = re.search(r"[^A-Za-z0-9-]", text)
    if strange:
        return f"{text[:80]!r} contains {strange.group()!r}"
    if len(text) > MAX_ID_LENGTH:
        return f"has {len(text)} characters"
    if text.startswith("-") or text.endswith("-"):
        return f"{text!r} has a '-' at its beginning or end"
    return None


def _check_ids(vlab_id: str, project_id: str) -> None:
    problems = [
        FieldProblem(field, problem, ID_ALLOWED, f"{field}: {example}")
        for field, value, example in (
            ("vlab_id", vlab_id, "lab-1"),
            ("project_id", project_id, "proj-1"),
        )
        if (problem := id_problem(value))
    ]
    if problems:
        raise InvalidSpec("These ids do not name a project.", problems)


def _check_account(account_id: str) -> None:
    if not re.fullmatch(ACCOUNT_PATTERN, account_id, re.ASCII):
        raise InvalidSettings(
            "Without a valid account no names can be made.",
            [
                FieldProblem(
                    "account_id", f"{account_id[:80]!r} is not an account", "12 digits", "123456789012"
                )
            ],
        )


def _slug(text: str) -> str:
    """The readable part: lower case, no '--', at most 11 characters, no '-' at either end.

    An id starts with a letter or digit, so a slug is never empty.
    """
    return re.sub(r"-+", "-", text.lower())[:_MAX_SLUG_LENGTH].rstrip("-")


def _hash(vlab_id: str, project_id: str) -> str:
    """10 characters of a-z2-7 (50 bits) over both ids; JSON keeps the border between them."""
    encoded = json.dumps([vlab_id, project_id], ensure_ascii=True, separators=(",", ":")).encode("ascii")
    return base64.b32encode(hashlib.sha256(encoded).digest()).decode("ascii").lower()[:_HASH_LENGTH]
