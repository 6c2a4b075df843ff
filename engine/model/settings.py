"""The settings: what an installation says about its account, its shared ground and its conventions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo

from engine.errors import FieldProblem, InvalidSettings
from engine.model import setting_values as rules
from engine.model.documents import Document, Unreadable, read_document
from engine.model.fields import Allowed, Strict, field_problems, refused
from engine.model.instance_types import INSTANCE_TYPE_ALLOWED, instance_type
from engine.model.setting_sources import DEFAULT, Given, SettingKind, collect
from engine.model.setting_values import Derived
from engine.model.wording import Path, counted, shown

LOCAL_ACCOUNT = "123456789012"

# Not `provisioner settings`: it cannot show settings that are refused. Each problem names its own source.
_HINT = "docs/settings.md says what each setting means and takes."


_PROVIDER_STACK = "parallelcluster-provider-"


class Settings(Strict):
    """Where and how projects are made. Frozen; lists are tuples.

    The two bucket names carry the account by default. With cloud=aws the account may be known only
    once AWS was asked (`with_account`); until then reading such a name raises InvalidSettings.
    Raises   pydantic's ValidationError when built from bad values; `load_settings` makes it InvalidSettings
    """

    cloud: Literal["local", "aws"] = Field(
        default="local", description="Where to work: the local cloud on this machine, or a real account."
    )
    region: rules.Region = Field(
        default="us-east-1", description="AWS region of everything.", examples=["eu-central-1"]
    )
    account_id: Annotated[
        rules.AccountId | None,
        Allowed("12 digits, in quotes"),
        Derived(f"`{LOCAL_ACCOUNT}` in the local cloud, else the one that is signed in"),
    ] = Field(
        default_factory=lambda data: LOCAL_ACCOUNT if data["cloud"] == "local" else None,
        description="AWS account; the engine refuses to work in any other.",
        examples=["210987654321"],
    )
    endpoint_url: Annotated[rules.EndpointUrl | None, Allowed("http(s)://host:port")] = Field(
        default=None,
        description="Where AWS's APIs answer, if not at their public addresses.",
        examples=["http://127.0.0.1:5000"],
    )
    availability_zone: Annotated[
        str, Allowed("a zone of the region: the region and a letter"), Derived("the region and `a`")
    ] = Field(
        default_factory=lambda data: data["region"] + "a",
        description="Zone of every project's subnet; FSx for Lustre must be offered there.",
        examples=["us-east-1b"],
    )
    given_state_bucket: Annotated[
        rules.BucketName | None,
        Allowed("a bucket's name"),
        Derived("`provisioner-state-<account>-<region>`"),
    ] = Field(
        default=None,
        alias="state_bucket",
        description="S3 bucket of Terraform's states.",
        examples=["acme-provisioner-state"],
    )
    lock_table: rules.TableName = Field(
        default="provisioner-terraform-locks", description="DynamoDB table of Terraform's state locks."
    )
    lock_wait_s: Annotated[int, Field(ge=0, le=3600), Allowed("a whole number from 0 to 3600")] = Field(
        default=30, description="Seconds to wait for a state that somebody else has locked, then to give up."
    )
    purge_grace_days: Annotated[int, Field(ge=1, le=90), Allowed("a whole number from 1 to 90")] = Field(
        default=7,
        description="Days for which the data of a project that is to be purged is still kept, and can be "
        "kept for good with `provisioner keep`.",
    )
    aws_attempts: Annotated[
        int, Field(ge=1, le=20), Allowed("a whole number from 1 to 20"), Derived("8; 3 in the local cloud")
    ] = Field(
        default_factory=lambda data: 3 if data["cloud"] == "local" else 8,
        description="How often the engine makes a call to AWS that is throttled, not answered or met by an "
        "error of AWS's own, before it gives up.",
    )
    registry_table: rules.TableName = Field(
        default="provisioner-registry",
        description="DynamoDB table of projects and of the addresses they hold.",
        validate_default=True,
    )
    operations_queue: rules.QueueName = Field(
        default="provisioner-operations.fifo",
        description="SQS FIFO queue between the service's API and its workers.",
    )
    event_bus: rules.EventBus | None = Field(
        default=None,
        description="EventBridge bus that is told of each phase of every operation; nobody where left out.",
        examples=["default"],
    )
    tracing: Annotated[bool, Allowed("true or false")] = Field(
        default=False,
        description="Whether the service's functions write X-Ray traces; needs the extra `tracing`.",
    )
    address_prefix_length: Annotated[int, Field(ge=20, le=27), Allowed("a whole number from 20 to 27")] = (
        Field(default=24, description="Size of a project's subnet: 24 has 251 usable addresses, 27 has 27.")
    )
    address_ranges: rules.AddressRanges = Field(
        default=("10.42.64.0/18", "10.42.128.0/17"),
        description="Blocks of the shared VPC from which each project gets a subnet.",
        examples=[["10.42.64.0/18"]],
    )
    given_public_bucket: Annotated[
        rules.BucketName | None,
        Allowed("a bucket's name"),
        Derived("`provisioner-public-<account>-<region>`"),
    ] = Field(
        default=None,
        alias="public_bucket",
        description="S3 bucket of the data that all projects share, seen at /data/project/public.",
        examples=["acme-open-data"],
    )
    given_nodes_bucket: Annotated[
        rules.BucketName | None,
        Allowed("a bucket's name"),
        Derived("`provisioner-nodes-<account>-<region>`"),
    ] = Field(
        default=None,
        alias="nodes_bucket",
        description="S3 bucket of what nodes cannot fetch from the Internet: packages, keys of those who may "
        "sign in.",
        examples=["acme-provisioner-nodes"],
    )
    user_name: rules.UserName = Field(
        default="sim", description="The workflow's user on every node, without any privilege."
    )
    user_uid: rules.PosixId = Field(
        default=2000,
        description="User id of that user. Files on storage that outlives a cluster belong to it: never "
        "change it once there are projects.",
    )
    user_group: rules.UserName = Field(
        default="project", description="Group of that user, to which a project's shared files belong."
    )
    user_gid: rules.PosixId = Field(
        default=2000, description="Group id of that group; the same holds for it."
    )
    jwks_url: rules.JwksUrl | None = Field(
        default=None,
        description="Where the identity provider publishes the keys that sign tokens. Together with "
        "jwt_issuer and jwt_audience it gives every cluster Slurm's REST API.",
        examples=["https://sso.example.org/realms/science/protocol/openid-connect/certs"],
    )
    jwt_issuer: rules.Claim | None = Field(
        default=None,
        description="`iss` of the tokens that the REST API takes.",
        examples=["https://sso.example.org/realms/science"],
    )
    jwt_audience: rules.Claim | None = Field(
        default=None,
        description="`aud` that these tokens must have, alone or among others.",
        examples=["slurm-rest"],
        validate_default=True,
    )
    slurm_rest_port: Annotated[
        int, Field(ge=1024, le=65535), Allowed("a port from 1024 to 65535, none of Slurm's own")
    ] = Field(
        default=8082,
        description="TCP port of the REST API on head nodes; the same as workspaces/shared lets in.",
    )
    accounting_database: rules.DatabaseInstance = Field(
        default="provisioner-slurm-accounting",
        description="RDS instance that holds Slurm's accounting databases.",
    )
    accounting_function: rules.FunctionName = Field(
        default="provisioner-accounting",
        description="Lambda function that makes each project's accounting database and its user.",
    )
    pcluster_version: rules.PclusterVersion = Field(
        default="3.16.1",
        description="ParallelCluster release of new clusters; a cluster keeps the release it was made with, "
        "until it is released and applied again.",
        examples=["3.16.1"],
    )
    pcluster_provider_stack: Annotated[
        rules.StackName, Derived("`parallelcluster-provider-` and the version with `-`")
    ] = Field(
        default_factory=lambda data: _PROVIDER_STACK + _hyphened(data["pcluster_version"]),
        description="CloudFormation stack of ParallelCluster's custom-resource provider. Clusters of another "
        "release look for the same name with their version at its end.",
        examples=["parallelcluster-provider-3-16-1"],
    )
    permissions_boundary: Annotated[
        rules.PolicyArn | None, Allowed("the ARN of a managed policy of the account")
    ] = Field(
        default=None,
        description="IAM policy that bounds every role of a cluster; the same as modules/pcluster-provider "
        "demands, where it demands one.",
        examples=["arn:aws:iam::210987654321:policy/boundary"],
    )
    custom_ami: Annotated[rules.ImageId | None, Allowed("an AMI id")] = Field(
        default=None,
        description="Image of all nodes; ParallelCluster's own where left out. It is one of "
        "`pcluster_version`: ParallelCluster refuses an image of another release.",
        examples=["ami-0123456789abcdef0"],
    )
    custom_amis: rules.ReleaseImages = Field(
        default=(),
        description="Images of running clusters that keep another release than `pcluster_version`, as "
        "`RELEASE=AMI`, or `RELEASE=none` where they run on ParallelCluster's own; `custom_ami` where a "
        "release is not named.",
        examples=[["3.16.1=ami-0123456789abcdef0", "3.15.0=none"]],
    )
    os: Annotated[str, Allowed("one of " + ", ".join(rules.OPERATING_SYSTEMS))] = Field(
        default="alinux2023",
        description="Operating system of all nodes. rocky8 and rocky9 need a custom_ami.",
        examples=["alinux2023"],
    )
    head_node_instance_type: Annotated[str, AfterValidator(instance_type), Allowed(INSTANCE_TYPE_ALLOWED)] = (
        Field(
            default="t3.medium",
            description="Head node of projects whose spec names none.",
            examples=["t3.large"],
        )
    )
    tiers: Annotated[rules.Folder | None, Allowed("a path")] = Field(
        default=None,
        description="YAML file of tiers: added to the built-in ones, or in place of those of the same name.",
        examples=["tiers.yaml"],
    )
    prices: Annotated[rules.Folder | None, Allowed("a path")] = Field(
        default=None,
        description="YAML file of prices, as `provisioner prices` writes it: it goes before the built-in "
        "table in cost estimates.",
        examples=["prices.yaml"],
    )
    lab_max_clusters: rules.Limit = Field(
        default=0, description="Most clusters of one virtual lab at a time; 0 is no limit."
    )
    lab_max_vcpus: rules.Limit = Field(
        default=0,
        description="Most vCPUs of all clusters of one virtual lab, with every node running; 0 is no limit.",
    )
    lab_max_usd_per_hour: rules.Limit = Field(
        default=0,
        description="Most that all clusters of one virtual lab may cost, in USD per hour by the price table, "
        "with every node running; 0 is no limit.",
    )
    project_tags: rules.ProjectTags = Field(
        default={},
        description="Tags on all that every project owns, beside the `tags` of its spec, which win where "
        "both have a key. `{vlab_id}` and `{project_id}` in a value stand for the project's.",
        examples=[{"cost-center": "4711", "acme:project": "{vlab_id}/{project_id}"}],
    )
    required_tags: rules.Words = Field(
        default=(),
        description="Keys of tags that everything must have, beside the project's own; a spec gives them in "
        "`tags`, `project_tags` to all projects.",
        examples=[["cost-center"]],
    )
    allowed_instance_types: rules.Words = Field(
        default=(),
        description="Instance types that nodes may have, with `*` for any characters; all where left out.",
        examples=[["t3.*", "c7i.*"]],
    )
    policies: Annotated[rules.Folder | None, Allowed("a path")] = Field(
        default=None,
        description="Folder of policies that every plan must keep to: Rego, run by conftest, and checks for "
        "checkov. The tool must be on the machine.",
        examples=["policies"],
    )
    plan_approval: Literal["none", "required"] = Field(
        default="none",
        description="Whether `apply` takes any plan, or only a saved one that somebody approved. What the "
        "service is asked for is approved by whoever may call it.",
    )
    plan_days: Annotated[int, Field(ge=1, le=90), Allowed("a whole number from 1 to 90")] = Field(
        default=30,
        description="How long a saved plan may be applied. The state bucket deletes it then, once "
        "`provisioner bootstrap` was run.",
    )
    log_retention_days: rules.RetentionDays = Field(
        default=90, description="How long CloudWatch keeps the clusters' logs; 0 is for ever."
    )
    job_record_retention_days: rules.RetentionDays = Field(
        default=365, description="How long CloudWatch keeps the record of a finished job; 0 is for ever."
    )
    job_record_tail_bytes: Annotated[
        int, Field(ge=0, le=65536), Allowed("a whole number from 0 to 65536")
    ] = Field(
        default=16384,
        description="How much of the end of a job's output, and of its errors, its record holds.",
    )
    terraform: Annotated[rules.Folder | None, Allowed("a path"), Derived("found on the machine")] = Field(
        default=None,
        description="Path of the terraform or tofu binary.",
        examples=["/usr/local/bin/tofu"],
    )
    provider_reuse: Literal["auto", "off"] = Field(
        default="auto",
        description="Whether one AWS provider process serves all Terraform commands of a run, and describes "
        "only the resource types in use; off leaves it to Terraform, which takes three times as long.",
    )
    parallel_projects: rules.Parallel = Field(
        default="auto",
        description="How many projects commands for many work on at a time; auto is one for each core, less "
        "where memory is short (350 MB each).",
        examples=["4"],
    )
    workspaces_dir: rules.Folder = Field(
        default="workspaces/projects", description="Folder of the generated workspaces."
    )
    home: rules.Folder = Field(
        default=".provisioner", description="The engine's own folder: local cloud, downloads, logs."
    )
    s3_use_path_style: Annotated[bool, Allowed("true or false"), Derived("true in the local cloud")] = Field(
        default_factory=lambda data: data["cloud"] == "local",
        description="Bucket in the path of S3's address instead of its host name.",
    )

    @field_validator("availability_zone")
    @classmethod
    def _in_the_region(cls, zone: str, info: ValidationInfo) -> str:
        region = info.data.get("region")
        # A local zone names its place between region and letter: us-west-2-lax-1a.
        if region and not re.fullmatch(re.escape(region) + r"(-[a-z]{3}-[0-9])?[a-z]", zone):
            raise refused(f"{shown(zone)} is not a zone of {region}", example=f"availability_zone: {region}b")
        return zone

    @field_validator("registry_table")
    @classmethod
    def _apart_from_the_locks(cls, table: str, info: ValidationInfo) -> str:
        if table == info.data.get("lock_table"):
            raise refused(f"{shown(table)} is the lock table, too", allowed="a table of its own")
        return table

    @field_validator("address_ranges")
    @classmethod
    def _with_room(cls, ranges: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        longest = info.data.get("address_prefix_length", 32)
        for text in ranges:
            if rules.network(text).prefixlen > longest:
                raise refused(f"{text} has no room for a /{longest}", allowed=f"prefixes up to /{longest}")
        return ranges

    @field_validator("given_public_bucket")
    @classmethod
    def _apart_from_the_states(cls, bucket: str | None, info: ValidationInfo) -> str | None:
        state = info.data.get("given_state_bucket") or _bucket_name("state", info.data)
        if bucket is not None and bucket == state:
            # Nodes may read the public bucket, and states are nobody's to read.
            raise refused(f"{shown(bucket)} is the state bucket, too", allowed="a bucket of its own")
        return bucket

    @field_validator("given_nodes_bucket")
    @classmethod
    def _apart_from_the_others(cls, bucket: str | None, info: ValidationInfo) -> str | None:
        if bucket is None:
            return bucket
        for purpose, alias in (("state", "state_bucket"), ("public", "public_bucket")):
            # What root on the nodes runs comes from here: nobody but administrators may write to it.
            if bucket == (info.data.get(f"given_{alias}") or _bucket_name(purpose, info.data)):
                raise refused(f"{shown(bucket)} is the {purpose} bucket, too", allowed="a bucket of its own")
        return bucket

    @field_validator("jwt_audience")
    @classmethod
    def _with_the_other_two(cls, audience: str | None, info: ValidationInfo) -> str | None:
        if "jwks_url" not in info.data or "jwt_issuer" not in info.data:
            return audience  # one of them is refused already
        given = {
            "jwks_url": info.data["jwks_url"],
            "jwt_issuer": info.data["jwt_issuer"],
            "jwt_audience": audience,
        }
        missing = [name for name, value in given.items() if value is None]
        if missing and len(missing) < len(given):
            # Without one of them every token of the identity provider would do, or none.
            there = " and ".join(name for name in given if name not in missing)
            raise refused(
                f"{' and '.join(missing)} not set beside {there}",
                allowed="jwks_url, jwt_issuer and jwt_audience together, or none of them",
            )
        return audience

    @field_validator("slurm_rest_port")
    @classmethod
    def _not_slurms(cls, port: int) -> int:
        # ParallelCluster's slurm.conf: slurmd 6818, slurmdbd 6819, slurmctld 6820 to 6829.
        if 6817 <= port <= 6829:
            raise refused(f"{port} is one of Slurm's own ports")
        return port

    @field_validator("os")
    @classmethod
    def _with_an_image(cls, os: str, info: ValidationInfo) -> str:
        if os not in rules.OPERATING_SYSTEMS:
            raise refused(f"{shown(os)} is not one of the choices")
        if os in rules.WITHOUT_PUBLIC_IMAGE and not info.data.get("custom_ami"):
            raise refused(f"{os} has no public image", allowed="another system, or custom_ami beside it")
        return os

    @property
    def state_bucket(self) -> str:
        """Bucket of Terraform's states.

        Raises   InvalidSettings while the account is unknown and no bucket was named
        """
        return self.given_state_bucket or f"provisioner-state-{self.require_account()}-{self.region}"

    @property
    def public_bucket(self) -> str:
        """Bucket of the shared data.

        Raises   InvalidSettings while the account is unknown and no bucket was named
        """
        return self.given_public_bucket or f"provisioner-public-{self.require_account()}-{self.region}"

    @property
    def nodes_bucket(self) -> str:
        """Bucket of what nodes fetch.

        Raises   InvalidSettings while the account is unknown and no bucket was named
        """
        return self.given_nodes_bucket or f"provisioner-nodes-{self.require_account()}-{self.region}"

    @property
    def has_rest_api(self) -> bool:
        """Whether clusters get Slurm's REST API."""
        return self.jwks_url is not None

    def require_account(self) -> str:
        """The account, 12 digits.

        Raises   InvalidSettings while it is unknown
        """
        if self.account_id is None:
            raise InvalidSettings(
                "The AWS account is not known.",
                [
                    FieldProblem(
                        "account_id", "is not set", "12 digits, in quotes", 'account_id: "210987654321"'
                    )
                ],
                hint="Set account_id or PROVISIONER_ACCOUNT_ID, or sign in so that the engine can ask AWS.",
            )
        return self.account_id

    def with_account(self, account_id: str) -> Settings:
        """The same settings in the account that AWS says the credentials belong to.

        Raises   InvalidSettings when another account was set, or when a bucket's name clashes now
        """
        if self.account_id == account_id:
            return self
        if self.account_id is not None:
            raise InvalidSettings(
                f"The credentials belong to account {account_id}.",
                [FieldProblem("account_id", f"is set to {self.account_id}")],
                hint="Sign in to the other account, or correct account_id.",
            )
        given = self.model_dump(by_alias=True, exclude_unset=True)
        return _validated({**given, "account_id": account_id}, lambda _: "", {})

    def of_release(self, version: str) -> Settings:
        """The same settings for a cluster of that ParallelCluster release, made by that release's provider.

        Its image is that of the release in `custom_amis`: a running cluster can take no other one, and
        ParallelCluster accepts none that was built for another release than its own. A release that is not
        named there has `custom_ami`, which is the old image still where nobody has exchanged it.
        Its provider stack has the name of the settings' one with the version in it exchanged; a name that
        does not end in its version is that of one release alone, and the default name is taken.
        """
        if version == self.pcluster_version:
            return self
        stack, ours = self.pcluster_provider_stack, _hyphened(self.pcluster_version)
        start = stack.removesuffix(ours) if stack.endswith(ours) else _PROVIDER_STACK
        images = dict(pair.split("=") for pair in self.custom_amis)
        image = images.get(version, self.custom_ami)
        return self.model_copy(
            update={
                "pcluster_version": version,
                "pcluster_provider_stack": start + _hyphened(version),
                "custom_ami": None if image == "none" else image,
            }
        )

    def values(self) -> dict[str, Any]:
        """Setting -> effective value, in the order of the documentation; None where not known yet."""
        effective: dict[str, Any] = {}
        for name, attribute in _attributes().items():
            effective[name] = getattr(self, attribute)
        for name in ("state_bucket", "public_bucket", "nodes_bucket") if self.account_id else ():
            effective[name] = getattr(self, name)
        return effective


@dataclass(frozen=True)
class EffectiveSettings:
    """Settings, and for each of them where its value came from.

    sources   setting -> "default", "file <path>", "environment <variable>" or "flag --<name>"
    """

    settings: Settings
    sources: Mapping[str, str]

    def with_account(self, account_id: str, *, source: str = "credentials") -> EffectiveSettings:
        """See Settings.with_account; the source of an account that was not set is then `source`."""
        settings = self.settings.with_account(account_id)
        if self.settings.account_id is not None:
            return replace(self, settings=settings)
        return EffectiveSettings(settings, {**self.sources, "account_id": source})


@dataclass(frozen=True)
class SettingDoc:
    """One setting as the documentation shows it; `default` and `description` are Markdown."""

    name: str
    type: str
    default: str
    description: str

    @property
    def environment(self) -> str:
        return f"PROVISIONER_{self.name.upper()}"


class SettingsFile(dict[str, Any]):
    """The values of a settings file, which remember their lines."""

    def __init__(self, document: Document):
        super().__init__(document.value or {})
        self.document = document


def parse_settings(text: str, *, source: str) -> SettingsFile:
    """The settings file in a YAML or JSON text; names and values are checked by `load_settings`.

    source   the file's path, for messages
    Raises   InvalidSettings when the text is not one mapping; an empty one is
    """
    try:
        document = read_document(text)
    except Unreadable as error:
        raise _invalid(error.problems, source) from None
    if not isinstance(document.value, dict | None):
        raise _invalid(
            [FieldProblem("document", "must be a mapping of settings", "", "region: us-east-1")], source
        )
    return SettingsFile(document)


def load_settings(
    *,
    file: Mapping[str, Any] | None = None,
    file_source: str = "",
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> EffectiveSettings:
    """Merge defaults, file, environment and flags, the later ones winning, and check the result.

    file      what `parse_settings` gives, or any mapping; None when there is no file
    environ   PROVISIONER_<NAME>; lists, and KEY=VALUE of mappings, separated by commas; an empty variable
              counts as not set. AWS_REGION, then AWS_DEFAULT_REGION, give the region where PROVISIONER_REGION
              does not
    flags     setting -> value or text; None and () count as not given
    Raises    InvalidSettings with everything that is wrong at once, each with its source
    """
    given, problems = collect(
        _kinds(), file=file or {}, file_source=file_source, environ=environ or {}, flags=flags or {}
    )
    document = file.document if isinstance(file, SettingsFile) else Document(None)
    from_file = f"file {file_source}"
    texts = {path: text for path, text in document.texts.items() if _source(given, path) == from_file}

    def where(path: Path) -> str:
        source = _source(given, path)
        line = document.lines.get(path) if source == from_file else None
        return f" (from {source}, line {line})" if line else f" (from {source})"

    settings = None
    try:
        settings = _validated({name: one.value for name, one in given.items()}, where, texts)
    except InvalidSettings as error:
        problems += error.problems
    if settings is None or problems:
        raise _invalid(problems)
    sources = {name: given[name].source if name in given else DEFAULT for name in _attributes()}
    return EffectiveSettings(settings, sources)


def setting_docs() -> list[SettingDoc]:
    """Every setting with its type, default and meaning, in the order of `Settings`."""
    return [
        SettingDoc(
            name=field.alias or attribute,
            type=_type_text(field),
            default=_default_text(field),
            description=field.description or "",
        )
        for attribute, field in Settings.model_fields.items()
    ]


def _attributes() -> dict[str, str]:
    """Setting -> attribute of Settings that holds what was given for it."""
    return {field.alias or attribute: attribute for attribute, field in Settings.model_fields.items()}


def _kinds() -> dict[str, SettingKind]:
    return {field.alias or attribute: _kind(field) for attribute, field in Settings.model_fields.items()}


def _kind(field: FieldInfo) -> SettingKind:
    annotation = field.annotation
    if annotation is bool:
        return SettingKind.BOOLEAN
    if annotation is int:
        return SettingKind.WHOLE_NUMBER
    if get_origin(annotation) is dict:
        return SettingKind.MAPPING
    return SettingKind.LIST if get_origin(annotation) is tuple else SettingKind.TEXT


def _type_text(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        return " or ".join(get_args(field.annotation))
    return _kind(field).value


def _default_text(field: FieldInfo) -> str:
    derived = next((item.text for item in field.metadata if isinstance(item, Derived)), None)
    if derived:
        return derived
    default = field.default
    if default is None or default in ((), {}):
        return "none"
    return f"`{', '.join(default) if isinstance(default, tuple) else default}`"


def _hyphened(version: str) -> str:
    """A version as a stack's name can hold it."""
    return version.replace(".", "-")


def _bucket_name(purpose: str, data: Mapping[str, Any]) -> str | None:
    account, region = data.get("account_id"), data.get("region")
    return f"provisioner-{purpose}-{account}-{region}" if account and region else None


def _source(given: Mapping[str, Given], path: Path) -> str:
    return given[str(path[0])].source if path and path[0] in given else DEFAULT


def _validated(
    values_given: Mapping[str, Any], where: Callable[[Path], str], texts: Mapping[Path, str]
) -> Settings:
    try:
        return Settings.model_validate(values_given)
    except ValidationError as error:
        raise _invalid(field_problems(Settings, error, where=where, texts=texts)) from None


def _invalid(problems: list[FieldProblem], source: str = "") -> InvalidSettings:
    count, problems = counted(problems)
    place = f" in {source}" if source else ""
    return InvalidSettings(f"The settings{place} have {count}.", problems, hint=_HINT)
