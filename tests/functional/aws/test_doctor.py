"""Doctor on whole ground, and on ground where one thing is wrong: exactly that is found, and what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from moto.core.exceptions import JsonRESTError
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend
from moto.servicequotas.responses import ServiceQuotasResponse

from engine.aws.checks import Check
from engine.local.server import LocalCloud
from engine.model.settings import Settings
from engine.model.tiers import Tier
from engine.operations.doctor import examine_account
from engine.operations.engine import Engine, open_engine
from engine.operations.reporting import Silent

# One cloud for the whole file, so one worker.
pytestmark = pytest.mark.xdist_group("doctor")

PAGE = Path(__file__).parents[3] / "docs" / "doctor.md"
LOCKS, REGISTRY, BUCKET = "locks", "registry", "state-bucket"
# What a project of the largest tier needs; a new account has none of it.
BOUGHT = {"L-1216C47A": 10_000, "L-F7808C92": 5_000}
SERVICES = ("cloudformation", "ec2", "logs", "secretsmanager", "monitoring")
OPTIONAL = ("ssm", "ssmmessages", "elasticfilesystem", "fsx", "sts")

Finding = tuple[str, str, str]
"""subject, name, level"""


@dataclass(frozen=True)
class Ground:
    """The seeded cloud with its backend, and what the tests break in it."""

    cloud: LocalCloud
    engine: Engine
    clients: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, service: str) -> Any:
        """The client of a service: ground.ec2."""
        if service not in self.clients:
            self.clients[service] = self.cloud.client(service)
        return self.clients[service]

    @property
    def backend(self) -> Any:
        """moto's own EC2, for what no call can bring about."""
        return self.cloud.world.backends.ec2(self.cloud.region)

    def tagged(self, call: str, key: str, value: str) -> Any:
        """The resource with that value of the tag provisioner:shared."""
        found = getattr(self.ec2, call)(Filters=[{"Name": "tag:provisioner:shared", "Values": [value]}])
        return found[key][0]

    @property
    def vpc(self) -> str:
        return self.tagged("describe_vpcs", "Vpcs", "vpc")["VpcId"]

    @property
    def route_table(self) -> str:
        return self.tagged("describe_route_tables", "RouteTables", "project-route-table")["RouteTableId"]

    def group(self, *, tag: str = "", name: str = "") -> Any:
        filters = [{"Name": "vpc-id", "Values": [self.vpc]}]
        filters += [{"Name": "tag:provisioner:shared", "Values": [tag]}] if tag else []
        filters += [{"Name": "group-name", "Values": [name]}] if name else []
        return self.ec2.describe_security_groups(Filters=filters)["SecurityGroups"][0]

    def endpoint(self, service: str) -> Any:
        """moto's own object."""
        return next(
            one for one in self.backend.vpc_end_points.values() if one.service_name.endswith("." + service)
        )

    def subnet(self, block: str, *, project: str | None = "proj-1") -> str:
        tags = [{"Key": "provisioner:project", "Value": project}] if project else []
        return self.ec2.create_subnet(
            VpcId=self.vpc,
            CidrBlock=block,
            TagSpecifications=[{"ResourceType": "subnet", "Tags": tags}] if tags else [],
        )["Subnet"]["SubnetId"]

    def examine(self, **settings: Any) -> list[Check]:
        engine = self.engine
        if settings:
            engine = replace(engine, settings=engine.settings.model_copy(update=settings))
        return examine_account(engine)

    def findings(self, **settings: Any) -> dict[Finding, Check]:
        """What is not ok."""
        return {
            (check.subject, check.name, str(check.level)): check
            for check in self.examine(**settings)
            if check.level != "ok"
        }


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory, make_backend: Callable[..., None]) -> Iterator[Ground]:
    """One cloud for all tests: whoever breaks something mends it."""
    with LocalCloud() as cloud:
        settings = Settings(
            endpoint_url=cloud.endpoint, state_bucket=BUCKET, lock_table=LOCKS, registry_table=REGISTRY
        )
        folder = tmp_path_factory.mktemp("home")
        engine = open_engine(settings, base=folder, environ={}, reporter=Silent())
        for code, value in BOUGHT.items():
            cloud.set_quota("ec2", code, value)
        make_backend(engine.cloud, state_bucket=BUCKET, lock_table=LOCKS, registry_table=REGISTRY)
        # Doctor takes the impatient cloud; handed in, its clients are made once for all tests.
        yield Ground(cloud, replace(engine, cloud=engine.cloud.impatient()))


def encrypt(s3: Any) -> None:
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration={"Rules": [rule]})


def block_public_access(s3: Any) -> None:
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    s3.put_public_access_block(Bucket=BUCKET, PublicAccessBlockConfiguration=dict.fromkeys(names, True))


def recover(dynamodb: Any, table: str, *, on: bool) -> None:
    dynamodb.update_continuous_backups(
        TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": on}
    )


# Each breaks one thing, and mends it when it is gone on with.


def versioning_suspended(ground: Ground) -> Iterator[None]:
    ground.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})
    yield
    ground.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})


def encryption_gone(ground: Ground) -> Iterator[None]:
    ground.s3.delete_bucket_encryption(Bucket=BUCKET)
    yield
    encrypt(ground.s3)


def public_access_allowed(ground: Ground) -> Iterator[None]:
    ground.s3.delete_public_access_block(Bucket=BUCKET)
    yield
    block_public_access(ground.s3)


def no_recovery_of(table: str) -> Callable[[Ground], Iterator[None]]:
    def broken(ground: Ground) -> Iterator[None]:
        recover(ground.dynamodb, table, on=False)
        yield
        recover(ground.dynamodb, table, on=True)

    return broken


def vpc_untagged(ground: Ground) -> Iterator[None]:
    vpc, tag = ground.vpc, {"Key": "provisioner:shared", "Value": "vpc"}
    ground.ec2.delete_tags(Resources=[vpc], Tags=[tag])
    yield
    ground.ec2.create_tags(Resources=[vpc], Tags=[tag])


def internet_gateway(ground: Ground) -> Iterator[None]:
    vpc = ground.vpc
    gateway = ground.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ground.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    yield
    ground.ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)


def nat_gateway(ground: Ground) -> Iterator[None]:
    subnet = ground.subnet("10.42.3.0/24", project=None)
    gateway = ground.ec2.create_nat_gateway(SubnetId=subnet)["NatGateway"]["NatGatewayId"]
    yield
    ground.ec2.delete_nat_gateway(NatGatewayId=gateway)
    interfaces = ground.ec2.describe_network_interfaces(Filters=[{"Name": "subnet-id", "Values": [subnet]}])
    for interface in interfaces["NetworkInterfaces"]:
        ground.ec2.delete_network_interface(NetworkInterfaceId=interface["NetworkInterfaceId"])
    ground.ec2.delete_subnet(SubnetId=subnet)


def public_addresses(ground: Ground) -> Iterator[None]:
    subnet = ground.subnet("10.42.3.0/24", project=None)
    ground.ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
    yield
    ground.ec2.delete_subnet(SubnetId=subnet)


def gateway_unrouted(ground: Ground) -> Iterator[None]:
    endpoint, table = ground.endpoint("dynamodb"), ground.route_table
    routed, endpoint.route_table_ids = endpoint.route_table_ids, []
    assert routed == [table]
    yield
    endpoint.route_table_ids = routed


def subnet_of_nobody(ground: Ground) -> Iterator[None]:
    subnet = ground.subnet("10.42.64.0/24", project=None)
    yield
    ground.ec2.delete_subnet(SubnetId=subnet)


def no_route_to_main(ground: Ground) -> Iterator[None]:
    table, block = ground.route_table, ground.cloud.names.main_vpc_cidr
    peering = ground.ec2.describe_vpc_peering_connections()["VpcPeeringConnections"][0]
    ground.ec2.delete_route(RouteTableId=table, DestinationCidrBlock=block)
    yield
    ground.ec2.create_route(
        RouteTableId=table,
        DestinationCidrBlock=block,
        VpcPeeringConnectionId=peering["VpcPeeringConnectionId"],
    )


def peering_is(code: str) -> Callable[[Ground], Iterator[None]]:
    def broken(ground: Ground) -> Iterator[None]:
        (peering,) = ground.backend.vpc_pcxs.values()
        peering._status.code, before = code, peering._status.code
        yield
        peering._status.code = before

    return broken


def endpoint_gone(service: str) -> Callable[[Ground], Iterator[None]]:
    def broken(ground: Ground) -> Iterator[None]:
        endpoint = ground.endpoint(service)
        ground.backend.vpc_end_points.pop(endpoint.id)
        yield
        ground.backend.vpc_end_points[endpoint.id] = endpoint

    return broken


def endpoint_with(service: str, **attributes: Any) -> Callable[[Ground], Iterator[None]]:
    def broken(ground: Ground) -> Iterator[None]:
        endpoint = ground.endpoint(service)
        before = {name: getattr(endpoint, name) for name in attributes}
        for name, value in attributes.items():
            setattr(endpoint, name, value)
        yield
        for name, value in before.items():
            setattr(endpoint, name, value)

    return broken


def nobody_let_in(name: str) -> Callable[[Ground], Iterator[None]]:
    def broken(ground: Ground) -> Iterator[None]:
        group = ground.group(name=name)
        rules = {"GroupId": group["GroupId"], "IpPermissions": group["IpPermissions"]}
        ground.ec2.revoke_security_group_ingress(**rules)
        yield
        ground.ec2.authorize_security_group_ingress(**rules)

    return broken


def let_in(port: int, *, tag: str = "", name: str = "") -> Callable[[Ground], Iterator[None]]:
    def broken(ground: Ground) -> Iterator[None]:
        block = {
            "IpProtocol": "tcp",
            "FromPort": port,
            "ToPort": port,
            "IpRanges": [{"CidrIp": "10.0.0.0/8"}],
        }
        rules = {"GroupId": ground.group(tag=tag, name=name)["GroupId"], "IpPermissions": [block]}
        ground.ec2.authorize_security_group_ingress(**rules)
        yield
        ground.ec2.revoke_security_group_ingress(**rules)

    return broken


def default_acl(ground: Ground) -> str:
    filters = [{"Name": "vpc-id", "Values": [ground.vpc]}, {"Name": "default", "Values": ["true"]}]
    return ground.ec2.describe_network_acls(Filters=filters)["NetworkAcls"][0]["NetworkAclId"]


def acl_lets_projects_meet(ground: Ground) -> Iterator[None]:
    rule = {"NetworkAclId": default_acl(ground), "RuleNumber": 1}
    for egress in (False, True):
        ground.ec2.delete_network_acl_entry(**rule, Egress=egress)
    yield
    for egress in (False, True):
        ground.ec2.create_network_acl_entry(
            **rule, Egress=egress, Protocol="-1", RuleAction="deny", CidrBlock="10.42.64.0/18"
        )


def project_with_another_acl(ground: Ground) -> Iterator[None]:
    subnet = ground.subnet("10.42.64.0/24")
    filters = [{"Name": "vpc-id", "Values": [ground.vpc]}]
    acls = ground.ec2.describe_network_acls(Filters=filters)["NetworkAcls"]
    association = next(
        one["NetworkAclAssociationId"]
        for acl in acls
        for one in acl["Associations"]
        if one["SubnetId"] == subnet
    )
    other = next(acl["NetworkAclId"] for acl in acls if not acl["IsDefault"])
    ground.ec2.replace_network_acl_association(AssociationId=association, NetworkAclId=other)
    yield
    ground.ec2.delete_subnet(SubnetId=subnet)


def database_with(**attributes: Any) -> Callable[[Ground], Iterator[None]]:
    def broken(ground: Ground) -> Iterator[None]:
        databases = ground.cloud.world.backends.rds(ground.cloud.region).databases
        database = databases[ground.engine.settings.accounting_database]
        before = {name: getattr(database, name) for name in attributes}
        for name, value in attributes.items():
            setattr(database, name, value)
        yield
        for name, value in before.items():
            setattr(database, name, value)

    return broken


def quota_of(service: str, code: str, value: float) -> Callable[[Ground], Iterator[None]]:
    def broken(ground: Ground) -> Iterator[None]:
        quotas = ground.cloud.world.quotas
        before = dict(quotas)
        ground.cloud.set_quota(service, code, value)
        yield
        quotas.clear()
        quotas.update(before)

    return broken


Break = Callable[[Ground], Iterator[None]]


def no_packages(ground: Ground) -> Iterator[None]:
    bucket = ground.engine.settings.nodes_bucket
    found = [one["Key"] for one in ground.s3.list_objects_v2(Bucket=bucket)["Contents"]]
    for key in found:
        ground.s3.delete_object(Bucket=bucket, Key=key)
    yield
    for key in found:
        ground.s3.put_object(Bucket=bucket, Key=key, Body=b"")


CASES: list[tuple[Break, Finding, str, str]] = [
    (
        no_packages,
        ("shared ground", "packages for nodes", "warning"),
        "no Mountpoint for alinux2023 in provisioner-nodes-123456789012-us-east-1",
        "put it to packages/alinux2023/x86_64/mount-s3.rpm",
    ),
    # what is broken, the finding, and words of what was found and of what to do
    (versioning_suspended, ("backend", "state bucket versioning", "failed"), "suspended", "bootstrap"),
    (encryption_gone, ("backend", "state bucket encryption", "failed"), "not encrypted", "bootstrap"),
    (public_access_allowed, ("backend", "state bucket public access", "failed"), "not blocked", "bootstrap"),
    (no_recovery_of(LOCKS), ("backend", "lock table recovery", "warning"), "off", "bootstrap"),
    (no_recovery_of(REGISTRY), ("backend", "registry table recovery", "warning"), "off", "bootstrap"),
    # Of what is in the VPC nothing is said then.
    (vpc_untagged, ("shared ground", "shared VPC", "failed"), "no VPC", "Tag the VPC"),
    (internet_gateway, ("network", "private VPC", "failed"), "igw-", "Detach"),
    (nat_gateway, ("network", "private VPC", "failed"), "nat-", "delete NAT"),
    (public_addresses, ("network", "private VPC", "failed"), "subnet-", "Switch off"),
    (endpoint_gone("s3"), ("network", "gateway endpoint s3", "failed"), "not in the VPC", "Create"),
    (
        gateway_unrouted,
        ("network", "gateway endpoint dynamodb", "failed"),
        "not in the projects' route table",
        "Associate",
    ),
    (subnet_of_nobody, ("network", "address ranges", "failed"), "10.42.64.0/24", "address_ranges"),
    (
        no_route_to_main,
        ("network", "route to the main VPC", "failed"),
        "no route",
        "Add a route to 10.0.0.0/16",
    ),
    (peering_is("pending-acceptance"), ("network", "route to the main VPC", "failed"), "pending", "Accept"),
    (
        peering_is("deleted"),
        ("network", "route to the main VPC", "warning"),
        "can't reach head nodes",
        "Peer",
    ),
    *(
        (
            endpoint_gone(service),
            ("endpoints", f"interface endpoint {service}", level),
            "not in",
            "private DNS",
        )
        for services, level in ((SERVICES, "failed"), (OPTIONAL, "warning"))
        for service in services
    ),
    (
        endpoint_with("ec2", private_dns_enabled=False),
        ("endpoints", "interface endpoint ec2", "failed"),
        "private DNS off",
        "Switch on",
    ),
    (
        endpoint_with("logs", state="pending"),
        ("endpoints", "interface endpoint logs", "failed"),
        "is pending",
        "Wait",
    ),
    (
        endpoint_with("monitoring", security_group_ids=[]),
        ("endpoints", "interface endpoint monitoring", "failed"),
        "lets endpoint-access in on 443",
        "Let TCP 443 in from the security group sg-",
    ),
    (
        endpoint_with("secretsmanager", subnet_ids=[]),
        ("endpoints", "interface endpoint secretsmanager", "warning"),
        "projects live in us-east-1a",
        "Add a subnet of us-east-1a",
    ),
    (
        let_in(8080, tag="workflow-access"),
        ("isolation", "workflow-access rules", "failed"),
        "also opens tcp 8080",
        "Take these rules away",
    ),
    (
        nobody_let_in("provisioner-workflow-access"),
        ("isolation", "workflow-access rules", "warning"),
        "lets nobody in",
        "tcp 22 and tcp 8082",
    ),
    (
        let_in(22, name="default"),
        ("isolation", "default security group", "warning"),
        "inbound rules",
        "Remove every rule",
    ),
    (
        acl_lets_projects_meet,
        ("isolation", "default network ACL", "warning"),
        "10.42.64.0/18 may come in",
        "Deny all traffic",
    ),
    (
        project_with_another_acl,
        ("isolation", "default network ACL", "warning"),
        "with another ACL: subnet-",
        "default network ACL",
    ),
    (database_with(engine="mysql"), ("database", "database engine", "failed"), "mysql", "MariaDB"),
    (
        database_with(publicly_accessible=True),
        ("database", "database privacy", "failed"),
        "public address",
        "not publicly accessible",
    ),
    (
        database_with(storage_encrypted=False),
        ("database", "database encryption", "failed"),
        "not encrypted",
        "snapshot",
    ),
    (
        nobody_let_in("provisioner-accounting"),
        ("database", "database reachable", "failed"),
        "lets accounting-access in on 3306",
        "Let TCP 3306 in",
    ),
    *(
        (quota_of(service, code, value), ("quotas", name, "warning"), found, f"Service Quotas: {service}, ")
        for service, code, value, name, found in (
            ("vpc", "L-29B6F2EB", 10, "interface endpoints", "10 of 10 used"),
            ("vpc", "L-407747CB", 2, "subnets", "2 of 2 used; one more project needs 1"),
            ("vpc", "L-E79EC296", 9, "security groups", "of 9 used; one more project needs up to 5"),
            ("iam", "L-FE177D64", 2, "IAM roles", "of 2 used; one more project of tier"),
            ("iam", "L-6E65F664", 1, "IAM instance profiles", "of 1 used; one more project of tier"),
            ("vpc", "L-2AFB9258", 4, "security groups per interface", "5 of 4 carried by each head node"),
            ("vpc", "L-0EA8095F", 2, "security group rules", "2 of 2 used in the fullest group"),
            ("vpc", "L-2AEEBF1A", 4, "network ACL rules", "4 of 4 used"),
            ("ec2", "L-1216C47A", 5, "running Standard vCPUs", "tier mixed-prod-mpi needs up to 7682"),
            ("ec2", "L-F7808C92", 0, "running HPC vCPUs", "tier prod-mpi-hpc needs up to 3840"),
            ("fsx", "L-8F1B9C74", 1000, "Lustre capacity", "0 of 1000 GiB used; one more project needs 1200"),
            ("fsx", "L-FD6F2F22", 0, "Lustre file systems", "0 of 0 used"),
            ("elasticfilesystem", "L-848C634D", 0, "EFS file systems", "0 of 0 used"),
            (
                "cloudformation",
                "L-0485CB21",
                2,
                "CloudFormation stacks",
                "1 of 2 used; one more project needs 2",
            ),
        )
    ),
]


def test_on_whole_ground_all_is_well(ground: Ground) -> None:
    checks = ground.examine()

    assert [check for check in checks if check.level != "ok"] == []
    assert all(check.ok and check.found and not check.hint and not check.error for check in checks)
    names = [(check.subject, check.name) for check in checks]
    assert len(set(names)) == len(names) > 40
    groups = next(check for check in checks if check.name == "security groups per interface")
    assert groups.found == "5 of 5 carried by each head node: none to spare"


@pytest.mark.parametrize(
    ("broken", "finding", "found", "hint"), CASES, ids=[" ".join(finding[1:]) for _, finding, *_ in CASES]
)
def test_one_thing_is_broken(ground: Ground, broken: Break, finding: Finding, found: str, hint: str) -> None:
    with contextmanager(broken)(ground):
        findings = ground.findings()

    assert list(findings) == [finding]
    assert found in findings[finding].found
    assert hint in findings[finding].hint


def test_an_endpoint_group_that_lets_nobody_in_is_said_of_every_endpoint(ground: Ground) -> None:
    with contextmanager(nobody_let_in("provisioner-endpoints"))(ground):
        findings = ground.findings()

    assert set(findings) == {
        *(("endpoints", f"interface endpoint {service}", "failed") for service in SERVICES),
        *(("endpoints", f"interface endpoint {service}", "warning") for service in OPTIONAL),
    }


def test_ranges_outside_of_the_vpc(ground: Ground) -> None:
    findings = ground.findings(address_ranges=("10.99.0.0/16",))

    assert "10.99.0.0/16 is not inside the VPC" in findings["network", "address ranges", "failed"].found


def test_few_subnets_left(ground: Ground) -> None:
    """Both what the registry says and what stands in the VPC counts."""
    held = {"pk": {"S": "BLOCK"}, "sk": {"S": "10.42.64.0/24"}}
    item = {
        **held,
        "cidr": held["sk"],
        "project": {"S": "lab-1/proj-1"},
        "token": {"N": "1"},
        "claimed_at": {"S": "2026-01-01T00:00:00+00:00"},
    }
    ground.dynamodb.put_item(TableName=REGISTRY, Item=item)
    subnet = ground.subnet("10.42.65.0/24")
    try:
        findings = ground.findings(address_ranges=("10.42.64.0/23",))
        plenty = ground.examine()
    finally:
        ground.dynamodb.delete_item(TableName=REGISTRY, Key=held)
        ground.ec2.delete_subnet(SubnetId=subnet)

    assert list(findings) == [("network", "project subnets left", "warning")]
    (left,) = findings.values()
    assert left.found == "0 of 2"
    assert "Release projects" in left.hint
    assert next(check.found for check in plenty if check.name == "project subnets left") == "190 of 192"


def test_quotas_that_may_not_be_read_are_warnings_with_the_defaults(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Any) -> str:
        raise JsonRESTError(
            "AccessDeniedException", "not authorized to perform servicequotas:ListServiceQuotas"
        )

    monkeypatch.setattr(ServiceQuotasResponse, "list_service_quotas", refuse)
    findings = ground.findings()

    assert {(subject, level) for subject, _, level in findings} == {("quotas", "warning")}
    # Those of IAM are asked for elsewhere.
    assert len(findings) == 12
    subnets = findings["quotas", "subnets", "warning"]
    assert subnets.found == (
        "could not be read; 2 of 200 used; one more project needs 1, which is AWS's default"
    )
    assert subnets.error == "ACCESS_DENIED"
    assert "permission" in subnets.hint


def test_what_may_not_be_looked_at_is_said_and_stops_nothing(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise EC2ClientError("UnauthorizedOperation", "You are not authorized to perform this operation.")

    # GIVEN credentials that may not see NAT gateways and instances
    monkeypatch.setattr(EC2Backend, "describe_nat_gateways", refuse)
    monkeypatch.setattr(EC2Backend, "describe_instances", refuse)
    findings = ground.findings()

    # THEN a check that can fail fails, one that only ever warns is a warning
    assert set(findings) == {
        ("network", "private VPC", "failed"),
        ("quotas", "running Standard vCPUs", "warning"),
        ("quotas", "running HPC vCPUs", "warning"),
    }
    assert {check.error for check in findings.values()} == {"ACCESS_DENIED"}


REST_API = {
    "jwks_url": "https://sso.example.org/certs",
    "jwt_issuer": "https://sso.example.org",
    "jwt_audience": "slurm-rest",
}


def test_where_the_rest_api_is_on_its_package_is_looked_for(ground: Ground) -> None:
    subject = ("shared ground", "packages for nodes", "warning")
    bucket = ground.engine.settings.nodes_bucket
    x86_64, arm64 = [f"packages/alinux2023/{name}/haproxy.rpm" for name in ("x86_64", "arm64")]
    ground.s3.delete_object(Bucket=bucket, Key=x86_64)
    try:
        (one_left,) = [one for one in ground.examine(**REST_API) if one.name == "packages for nodes"]
        ground.s3.delete_object(Bucket=bucket, Key=arm64)
        none_left = ground.findings(**REST_API)
        without_the_api = ground.findings()
    finally:
        for key in (x86_64, arm64):
            ground.s3.put_object(Bucket=bucket, Key=key, Body=b"")

    assert one_left.found == "Mountpoint for alinux2023 on x86_64 and arm64, HAProxy for alinux2023 on arm64"
    assert list(none_left) == [subject]
    assert none_left[subject].found == f"no HAProxy for alinux2023 in {bucket}"
    assert f"put it to {x86_64}" in none_left[subject].hint
    assert "mount-s3" not in none_left[subject].hint
    assert without_the_api == {}


def test_without_the_backend_what_is_in_it_is_not_looked_at(ground: Ground) -> None:
    nowhere = {"given_state_bucket": "no-bucket", "lock_table": "no-locks", "registry_table": "no-registry"}
    checks = ground.examine(**nowhere)

    assert [check.name for check in checks if not check.ok] == [
        "state bucket no-bucket",
        "lock table no-locks",
        "registry table no-registry",
    ]
    names = {check.name for check in checks}
    assert not names & {"state bucket versioning", "lock table recovery", "project subnets left"}


def with_spot_queues(ground: Ground) -> list[Check]:
    resource = {"name": "any", "instance_types": ["c7a.48xlarge"], "max_count": 3}
    queue = {"name": "spot", "spot": True, "placement_group": False, "compute_resources": [resource]}
    tier = Tier.model_validate({"name": "cheap", "description": "Spot instances alone.", "queues": [queue]})
    return examine_account(replace(ground.engine, catalogue=(*ground.engine.catalogue, tier)))


def test_spot_queues_are_held_against_the_quota_of_spot_instances(ground: Ground) -> None:
    (found,) = [check for check in with_spot_queues(ground) if check.level != "ok"]
    assert (found.subject, found.name, found.level) == ("quotas", "spot Standard vCPUs", "warning")
    assert found.found == "0 of 5 vCPUs used; one more project of tier cheap needs up to 576"
    assert "(L-34B43A08)" in found.hint


def test_the_page_lists_every_check(ground: Ground) -> None:
    """docs/doctor.md: each check under its subject, its level among those that it can come out with."""
    rows = page_rows()
    settings = ground.engine.settings
    found = {(check.subject, general(check.name, settings)) for check in with_spot_queues(ground)}

    # Of the service there is nothing to look at here: tests/functional/aws/test_dead_letters.py.
    assert {(subject, name) for subject, name in rows if subject not in ("tools", "service")} == found
    for _, (subject, name, level), *_ in CASES:
        assert level in rows[subject, general(name, settings)], (subject, name)


def page_rows() -> dict[tuple[str, str], str]:
    """(subject, name) -> the level column of docs/doctor.md."""
    rows, subject = {}, ""
    for line in PAGE.read_text("utf-8").splitlines():
        if line.startswith("## "):
            subject = line.removeprefix("## ").lower()
        elif row := re.match(r"\| `(?P<name>[^`]+)` \| [^|]+ \| (?P<level>[a-z, ]+) \| [^|]+ \|$", line):
            rows[subject, row["name"]] = row["level"]
    return rows


def general(name: str, settings: Settings) -> str:
    """A check's name with NAME in place of what the settings say."""
    for value in settings.values().values():
        if isinstance(value, str) and name.endswith(" " + value):
            return name.removesuffix(value) + "NAME"
    return name
