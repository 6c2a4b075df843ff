"""The shared ground projects stand on: VPC, security groups, accounting database, provider stack, data.

The engine finds it and never makes it. The generated workspace finds the same things with data sources;
looking here first turns a Terraform error in the middle of a plan into a list of what is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from engine.aws.accounting_function import ACTIVE, INACTIVE, PENDING, function_state
from engine.aws.buckets import locate_bucket
from engine.aws.checks import Check, NotLookedFor, Probe, error_check, run_probes
from engine.aws.failures import aws_errors, error_code
from engine.aws.session import Cloud
from engine.aws.stacks import find_stack
from engine.errors import SharedGroundBusy, SharedGroundMissing, WrongRegion
from engine.model import tags

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef
    from mypy_boto3_rds.type_defs import DBInstanceTypeDef

SUBJECT = "shared ground"

# RDS user guide, "Viewing Amazon RDS DB instance status": in these the database takes connections as usual,
_DATABASE_SERVES = frozenset(
    {
        "available",
        "backing-up",
        "configuring-enhanced-monitoring",
        "configuring-iam-database-auth",
        "configuring-log-exports",
        "storage-initialization",
        "storage-optimization",
    }
)
# in these it may not, and RDS comes out of them by itself: its maintenance window, minor upgrades, growing
# storage and the rotation of its password bring most of them, and nobody has done anything wrong. The others
# (stopped, failed, storage-full, incompatible-..., inaccessible-...) wait for a person.
_DATABASE_PASSES = frozenset(
    {
        "converting-to-vpc",
        "creating",
        "maintenance",
        "modifying",
        "moving-to-vpc",
        "rebooting",
        "renaming",
        "resetting-master-credentials",
        "starting",
        "storage-config-upgrade",
        "upgrading",
    }
)
_STACK_STANDS = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"})
# What a failed creation ends in is of no use: ROLLBACK_IN_PROGRESS is not among them.
_STACK_PASSES = frozenset(
    {
        "CREATE_IN_PROGRESS",
        "UPDATE_IN_PROGRESS",
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "UPDATE_ROLLBACK_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
    }
)
_WAIT = "Nothing need be done: operations wait for it."
_START = {"stopped": "Start it in RDS.", "stopping": "Start it in RDS once it is stopped."}


@dataclass(frozen=True)
class SharedGround:
    """Ids, names and addresses of the shared ground; accounting_awake: its function needs no waking up."""

    vpc_id: str
    vpc_cidr: str
    route_table_id: str
    endpoint_security_group_id: str
    accounting_security_group_id: str
    workflow_security_group_id: str
    accounting_host: str
    accounting_port: int
    accounting_function: str
    accounting_awake: bool
    service_token: str
    public_bucket: str
    nodes_bucket: str


def find_shared_ground(
    cloud: Cloud,
    *,
    accounting_database: str,
    accounting_function: str,
    pcluster_version: str,
    pcluster_provider_stack: str,
    public_bucket: str,
    nodes_bucket: str,
) -> SharedGround:
    """Find everything, each exactly once and fit for use.

    accounting_database      RDS instance identifier
    accounting_function      name of the Lambda function that makes the projects' databases and users
    pcluster_version         release that the stack is of
    pcluster_provider_stack  name of the stack with ParallelCluster's custom resource
    public_bucket            bucket with the data all projects share
    nodes_bucket             bucket of what nodes fetch
    Raises  SharedGroundMissing listing each thing that is missing, doubtful or not ready, and what to do
            about it; SharedGroundBusy where all that is wrong passes by itself; Unreachable and AccessDenied
            when AWS could not be asked at all
    """
    survey = _Survey(
        cloud,
        accounting_database,
        accounting_function,
        pcluster_version,
        pcluster_provider_stack,
        {"public": public_bucket, "nodes": nodes_bucket},
    )
    problems: list[Check] = []
    for probe in survey.probes():
        try:
            probe.look()
        except NotLookedFor:
            # The missing VPC is in the list already; what should be inside it adds nothing.
            continue
        except (SharedGroundMissing, SharedGroundBusy, WrongRegion) as error:
            problems.append(error_check(SUBJECT, probe.name, error))
    if problems:
        raise _trouble(cloud.region, problems)
    return survey.result()


def examine_shared_ground(
    cloud: Cloud,
    *,
    accounting_database: str,
    accounting_function: str,
    pcluster_version: str,
    pcluster_provider_stack: str,
    public_bucket: str,
    nodes_bucket: str,
) -> list[Check]:
    """The same looks for `doctor`: one Check each, never an error; without the VPC none of what is in it."""
    survey = _Survey(
        cloud.impatient(),
        accounting_database,
        accounting_function,
        pcluster_version,
        pcluster_provider_stack,
        {"public": public_bucket, "nodes": nodes_bucket},
    )
    return run_probes(SUBJECT, survey.probes())


class _Survey:
    """The looks, each made once; later ones use what earlier ones found."""

    def __init__(
        self,
        cloud: Cloud,
        database: str,
        function: str,
        version: str,
        stack: str,
        buckets: Mapping[str, str],
    ) -> None:
        self._cloud = cloud
        self._database_name = database
        self._function_name = function
        self._version = version
        self._stack_name = stack
        self._buckets = buckets

    def probes(self) -> list[Probe]:
        looks: list[tuple[str, Callable[[], str]]] = [
            ("shared VPC", lambda: "{} {}".format(*self.vpc)),
            ("VPC DNS", self.look_at_dns),
            ("route table of projects", lambda: self.route_table),
            ("security group endpoint-access", lambda: self.endpoint_group),
            ("security group accounting-access", lambda: self.accounting_group),
            ("security group workflow-access", lambda: self.workflow_group),
            (
                f"accounting database {self._database_name}",
                lambda: "{}:{}".format(*self.database),
            ),
            (f"accounting function {self._function_name}", lambda: self.function),
            (f"provider stack {self._stack_name}", lambda: self.service_token),
            (f"public bucket {self._buckets['public']}", lambda: self._bucket("public", "the public data")),
            (f"nodes bucket {self._buckets['nodes']}", lambda: self._bucket("nodes", "what nodes fetch")),
        ]
        return [Probe(name, look) for name, look in looks]

    def result(self) -> SharedGround:
        vpc_id, vpc_cidr = self.vpc
        host, port = self.database
        return SharedGround(
            vpc_id=vpc_id,
            vpc_cidr=vpc_cidr,
            route_table_id=self.route_table,
            endpoint_security_group_id=self.endpoint_group,
            accounting_security_group_id=self.accounting_group,
            workflow_security_group_id=self.workflow_group,
            accounting_host=host,
            accounting_port=port,
            accounting_function=self._function_name,
            accounting_awake=self.function == ACTIVE,
            service_token=self.service_token,
            public_bucket=self._buckets["public"],
            nodes_bucket=self._buckets["nodes"],
        )

    @cached_property
    def vpc(self) -> tuple[str, str]:
        with aws_errors("looking for the shared VPC"):
            pages = self._cloud.ec2.get_paginator("describe_vpcs").paginate(Filters=_tagged(tags.SHARED_VPC))
            found = {vpc["VpcId"]: vpc["CidrBlock"] for page in pages for vpc in page["Vpcs"]}
        vpc_id = _only(list(found), what="VPC", value=tags.SHARED_VPC)
        return vpc_id, found[vpc_id]

    def look_at_dns(self) -> str:
        # Without both, nodes cannot find the endpoints and ParallelCluster refuses the configuration.
        vpc_id = self._in_vpc()[0]["Values"][0]
        with aws_errors(f"looking at the DNS settings of {vpc_id}"):
            ec2 = self._cloud.ec2
            support = ec2.describe_vpc_attribute(VpcId=vpc_id, Attribute="enableDnsSupport")
            hostnames = ec2.describe_vpc_attribute(VpcId=vpc_id, Attribute="enableDnsHostnames")
        off = []
        if not support["EnableDnsSupport"].get("Value"):
            off.append("DNS resolution")
        if not hostnames["EnableDnsHostnames"].get("Value"):
            off.append("DNS hostnames")
        if off:
            raise SharedGroundMissing(
                f"The shared VPC {vpc_id} has {' and '.join(off)} switched off.",
                hint=f"Switch on {' and '.join(off)} in the VPC's settings.",
            )
        return "resolution and hostnames are on"

    @cached_property
    def route_table(self) -> str:
        filters: list[FilterTypeDef] = [*_tagged(tags.SHARED_ROUTE_TABLE), *self._in_vpc()]
        with aws_errors("looking for the route table of projects"):
            pages = self._cloud.ec2.get_paginator("describe_route_tables").paginate(Filters=filters)
            found = [table["RouteTableId"] for page in pages for table in page["RouteTables"]]
        return _only(found, what="route table", value=tags.SHARED_ROUTE_TABLE)

    @cached_property
    def endpoint_group(self) -> str:
        return self._security_group(tags.SHARED_ENDPOINT_ACCESS)

    @cached_property
    def accounting_group(self) -> str:
        return self._security_group(tags.SHARED_ACCOUNTING_ACCESS)

    @cached_property
    def workflow_group(self) -> str:
        return self._security_group(tags.SHARED_WORKFLOW_ACCESS)

    @cached_property
    def database(self) -> tuple[str, int]:
        name = self._database_name
        instance = self._describe_database(name)
        status = instance.get("DBInstanceStatus", "unknown")
        endpoint = instance.get("Endpoint", {})
        if status in _DATABASE_PASSES:
            raise SharedGroundBusy(f"The accounting database {name} is {status}.", hint=_WAIT)
        if status not in _DATABASE_SERVES or "Address" not in endpoint:
            raise SharedGroundMissing(
                f"The accounting database {name} is {status}, and does not come out of that by itself.",
                hint=_START.get(status, "Look at it in the RDS console; its events say why."),
            )
        return endpoint["Address"], endpoint.get("Port", 3306)

    @cached_property
    def function(self) -> str:
        name = self._function_name
        state = function_state(self._cloud, name)
        if state is None:
            raise SharedGroundMissing(
                f"There is no accounting function {name}.",
                hint="Set up the shared ground's accounting, or name another function in the settings "
                "(accounting_function).",
            )
        if state == PENDING:
            raise SharedGroundBusy(f"The accounting function {name} is {state}.", hint=_WAIT)
        if state not in (ACTIVE, INACTIVE):
            raise SharedGroundMissing(
                f"The accounting function {name} is {state}.", hint="Apply the shared ground again."
            )
        return state

    @cached_property
    def service_token(self) -> str:
        name = self._stack_name
        stack = find_stack(self._cloud, name)
        if stack is None:
            raise SharedGroundMissing(
                f"There is no ParallelCluster provider stack {name}.",
                hint=f"Add {self._version} to `pcluster_versions` of workspaces/shared and apply it "
                "(docs/setup.md, 7), or name the stack of that release in the settings "
                "(pcluster_provider_stack).",
            )
        status = stack["StackStatus"]
        if status in _STACK_PASSES:
            raise SharedGroundBusy(f"The ParallelCluster provider stack {name} is {status}.", hint=_WAIT)
        if status not in _STACK_STANDS:
            raise SharedGroundMissing(
                f"The ParallelCluster provider stack {name} is {status}.",
                hint="Look at its events in CloudFormation, and repair it there.",
            )
        outputs = {output.get("OutputKey"): output.get("OutputValue") for output in stack.get("Outputs", [])}
        token = outputs.get("ServiceToken")
        if not token:
            raise SharedGroundMissing(
                f"The stack {name} has no output ServiceToken: it is not a ParallelCluster provider stack.",
                hint="Name the right stack in the settings (pcluster_provider_stack).",
            )
        return token

    def _bucket(self, role: str, content: str) -> str:
        name = self._buckets[role]
        found = locate_bucket(self._cloud, name)
        if found is None:
            raise SharedGroundMissing(
                f"There is no bucket {name} with {content}.",
                hint=f"Apply workspaces/shared, or name another in the settings ({role}_bucket).",
            )
        if found.region != self._cloud.region:
            raise WrongRegion(
                f"The {role} bucket {name} stands in {found.region}, not in {self._cloud.region}: "
                "projects can reach buckets of their own region only.",
                hint=f"Name a bucket of this region in the settings ({role}_bucket).",
            )
        return name

    def _security_group(self, value: str) -> str:
        filters: list[FilterTypeDef] = [*_tagged(value), *self._in_vpc()]
        with aws_errors(f"looking for the security group {value}"):
            pages = self._cloud.ec2.get_paginator("describe_security_groups").paginate(Filters=filters)
            found = [group["GroupId"] for page in pages for group in page["SecurityGroups"]]
        return _only(found, what="security group", value=value)

    def _in_vpc(self) -> list[FilterTypeDef]:
        try:
            return [{"Name": "vpc-id", "Values": [self.vpc[0]]}]
        except SharedGroundMissing as error:
            raise NotLookedFor("It can only be looked for in the shared VPC.") from error

    def _describe_database(self, name: str) -> DBInstanceTypeDef:
        with aws_errors(f"looking for the accounting database {name}"):
            try:
                return self._cloud.rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
            except ClientError as error:
                if error_code(error) not in {"DBInstanceNotFound", "DBInstanceNotFoundFault"}:
                    raise
                raise SharedGroundMissing(
                    f"There is no accounting database {name}.",
                    hint="Create the RDS instance, or name another in the settings (accounting_database).",
                ) from error


def _trouble(region: str, problems: list[Check]) -> SharedGroundMissing | SharedGroundBusy:
    """The one error that tells of everything."""
    listed = "".join(f"\n  - {problem.found} {problem.hint}".rstrip() for problem in problems)
    details = {"missing": [problem.to_dict() for problem in problems]}
    if all(problem.ok for problem in problems):
        return SharedGroundBusy(
            f"AWS is at work on the shared ground in {region}:{listed}",
            hint="That passes by itself: run this again later. `provisioner doctor` says how far it is.",
            details=details,
        )
    return SharedGroundMissing(
        f"The shared ground in {region} is not complete:{listed}",
        hint="Set up what is listed, then run `provisioner doctor`. "
        "For the local cloud: `provisioner local down`, then `provisioner local up`.",
        details=details,
    )


def _tagged(value: str) -> list[FilterTypeDef]:
    return [{"Name": f"tag:{tags.SHARED}", "Values": [value]}]


def _only(found: list[str], *, what: str, value: str) -> str:
    if len(found) == 1:
        return found[0]
    tag = f"{tags.SHARED} = {value}"
    if not found:
        raise SharedGroundMissing(
            f"There is no {what} with the tag {tag}.", hint=f"Tag the {what} that projects use."
        )
    raise SharedGroundMissing(
        f"There is more than one {what} with the tag {tag}: {', '.join(sorted(found))}.",
        hint="Take the tag off all but one.",
    )
