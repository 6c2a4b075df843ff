"""Everything that exists in the local cloud, as one sorted list: what tests compare before and after.

Left out: terminated instances, finished tasks, object versions that are not current, keys that wait for
their deletion, AWS's own keys and policies, automated database snapshots, default parameter groups, and
default resources of other regions. They exist on AWS too, but nobody would say they were left behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.local.accounting import Book
from engine.local.ec2_dependencies import interfaces_in_use
from engine.local.fsx_api import FsxApi
from engine.local.vpc_peering import GONE
from engine.local.world import World

Item = dict[str, Any]
Key = tuple[str, str, str]


class Inventory:
    """`items` gives {service, type, id, name, tags, seeded}; `seeded` are those there at `mark`."""

    def __init__(self, world: World, fsx: FsxApi, accounting: Book):
        self._world = world
        self._fsx = fsx
        self._accounting = accounting
        self._seeded: set[Key] = set()

    def mark(self) -> None:
        """Everything there now counts as seeded."""
        self._seeded = {_key(item) for item in self._walk()}

    def items(self) -> list[Item]:
        """Everything, sorted by service, type and id."""
        found = [item | {"seeded": _key(item) in self._seeded} for item in self._walk()]
        return sorted(found, key=_key)

    def _walk(self) -> Iterator[Item]:
        with self._world.lock:
            yield from self._ec2()
            yield from self._s3()
            yield from self._storage()
            yield from self._databases()
            yield from self._alarms()
            yield from self._access()
            yield from self._keys_and_images()
            yield from self._rest()

    def _ec2(self) -> Iterator[Item]:
        ec2 = self._world.backends.ec2(self._world.region)
        for vpc in ec2.vpcs.values():
            yield _ec2_item("vpc", vpc)
        for subnet in ec2.describe_subnets():
            yield _ec2_item("subnet", subnet)
        for table in ec2.route_tables.values():
            yield _ec2_item("route-table", table)
            for association_id in table._associations:
                yield _item("ec2", "route-table-association", association_id)
            for route in table.routes:
                if not route.local:
                    yield _item("ec2", "route", f"{table.id} {_destination(route)}")
        for by_id in ec2.groups.values():
            for group in by_id.values():
                yield _ec2_item("security-group", group, group.name)
                for rule in [*group.ingress_rules, *group.egress_rules]:
                    yield _ec2_item("security-group-rule", rule)
        for reservation in ec2.reservations.values():
            for instance in reservation.instances:
                if instance.state != "terminated":
                    yield _ec2_item("instance", instance)
        for interface in interfaces_in_use(ec2):
            yield _ec2_item("network-interface", interface)
        yield from self._ways_out(ec2)
        for pair in ec2.key_pairs.values():
            yield _ec2_item("key-pair", pair, pair.key_name)

    def _ways_out(self, ec2: Any) -> Iterator[Item]:
        """Endpoints, peerings and gateways, what filters them and what writes down who uses them."""
        for kind, found in (
            ("vpc-endpoint", ec2.vpc_end_points),
            ("internet-gateway", ec2.internet_gateways),
            ("egress-only-internet-gateway", ec2.egress_only_internet_gateways),
            ("nat-gateway", ec2.nat_gateways),
            ("flow-log", ec2.flow_logs),
        ):
            for resource in found.values():
                yield _ec2_item(kind, resource)
        for connection in ec2.vpc_pcxs.values():
            if connection._status.code not in GONE:
                yield _ec2_item("vpc-peering-connection", connection)
        for acl in ec2.network_acls.values():
            if not acl.default:
                yield _ec2_item("network-acl", acl)

    def _s3(self) -> Iterator[Item]:
        for name, bucket in self._world.backends.s3().buckets.items():
            yield _item("s3", "bucket", name, name, self._bucket_tags(bucket))
            for key in list(bucket.keys):
                if hasattr(bucket.keys[key], "etag"):
                    yield _item("s3", "object", f"{name}/{key}", key)

    def _bucket_tags(self, bucket: Any) -> dict[str, str]:
        tagger = self._world.backends.s3().tagger
        return dict(tagger.get_tag_dict_for_resource(bucket.arn))

    def _storage(self) -> Iterator[Item]:
        efs = self._world.backends.efs(self._world.region)
        for fs_id in efs.file_systems_by_id:
            tags = efs.tagging_service.get_tag_dict_for_resource(fs_id)
            yield _item("efs", "file-system", fs_id, tags.get("Name", ""), tags)
        for target_id in efs.mount_targets_by_id:
            yield _item("efs", "mount-target", target_id)
        for point_id in efs.access_points:
            yield _item("efs", "access-point", point_id)
        store = self._fsx.store(self._world.region)
        for file_system in store.file_systems.values():
            yield _tagged("fsx", "file-system", file_system.id, store.tags[file_system.arn])
        for association in store.associations.values():
            yield _tagged("fsx", "data-repository-association", association.id, store.tags[association.arn])

    def _databases(self) -> Iterator[Item]:
        for name, table in self._world.backends.dynamodb(self._world.region).tables.items():
            tags = {tag["Key"]: tag["Value"] for tag in table.tags or []}
            yield _item("dynamodb", "table", name, name, tags)
        rds = self._world.backends.rds(self._world.region)
        for database in rds.databases.values():
            yield _rds_item("db-instance", database)
        for group in rds.subnet_groups.values():
            yield _rds_item("db-subnet-group", group)
        for group in rds.db_parameter_groups.values():
            if not group.name.startswith("default."):
                yield _rds_item("db-parameter-group", group)
        for snapshot in rds.database_snapshots.values():
            if snapshot.snapshot_type == "manual":
                yield _rds_item("db-snapshot", snapshot)
        for name in list(self._accounting.databases):
            yield _item("accounting", "database", name, name)
        for name in list(self._accounting.users):
            yield _item("accounting", "user", name, name)

    def _alarms(self) -> Iterator[Item]:
        backends, region = self._world.backends, self._world.region
        watch = backends.cloudwatch(region)
        for name, alarm in watch.alarms.items():
            yield _item("cloudwatch", "alarm", name, name, watch.list_tags_for_resource(alarm.alarm_arn))
        for name in watch.dashboards:
            yield _item("cloudwatch", "dashboard", name, name)
        for each in backends.logs(region).filters.metric_filters:
            yield _item("logs", "metric-filter", f"{each['logGroupName']}/{each['filterName']}")
        sns = backends.sns(region)
        for topic in sns.topics.values():
            yield _item("sns", "topic", topic.arn, topic.name, dict(topic._tags))
        for arn in sns.subscriptions:
            yield _item("sns", "subscription", arn)

    def _access(self) -> Iterator[Item]:
        iam = self._world.backends.iam()
        for role in iam.roles.values():
            yield _item("iam", "role", role.name, role.name, _tag_map(role.tags))
            for policy_name in role.policies:
                yield _item("iam", "role-policy", f"{role.name}/{policy_name}", policy_name)
        for policy in iam.managed_policies.values():
            if ":iam::aws:" not in policy.arn:
                yield _item("iam", "policy", policy.arn, policy.name, _tag_map(policy.get_tags()))

    def _keys_and_images(self) -> Iterator[Item]:
        kms = self._world.backends.kms(self._world.region)
        for key in kms.keys.values():
            of_aws = any(alias.startswith("alias/aws/") for alias in key.aliases)
            if not of_aws and key.key_state != "PendingDeletion":
                tags = kms.tagger.get_tag_dict_for_resource(key.id)
                yield _item("kms", "key", key.id, tags.get("Name", ""), tags)
                yield from (_item("kms", "alias", alias, alias) for alias in key.aliases)
        ecr = self._world.backends.ecr(self._world.region)
        for repository in ecr.repositories.values():
            tags = ecr.tagger.get_tag_dict_for_resource(repository.arn)
            yield _item("ecr", "repository", repository.name, repository.name, tags)

    def _rest(self) -> Iterator[Item]:
        backends, region = self._world.backends, self._world.region
        for stack in backends.cloudformation(region).stacks.values():
            yield _item("cloudformation", "stack", stack.name, stack.name, dict(stack.tags))
        for secret in backends.secrets(region).secrets.values():
            if not secret.is_deleted():
                tags = {tag["Key"]: tag["Value"] for tag in secret.tags or []}
                yield _item("secretsmanager", "secret", secret.name, secret.name, tags)
        logs = backends.logs(region)
        for name, group in logs.groups.items():
            yield _item("logs", "log-group", name, name, dict(logs.list_tags_for_resource(group.arn)))
        for function in backends.lambdas(region).list_functions():
            name = function.function_name
            yield _item("lambda", "function", name, name, dict(function.tags))
        yield from self._service()

    def _service(self) -> Iterator[Item]:
        """What requests come through, and what starts functions."""
        backends, region = self._world.backends, self._world.region
        for source in backends.lambdas(region).list_event_source_mappings(None, None):
            yield _item("lambda", "event-source-mapping", source.uuid)
        for queue in backends.queues(region).queues.values():
            yield _item("sqs", "queue", queue.name, queue.name, dict(queue.tags or {}))
        for api in backends.rest_apis(region).apis.values():
            yield _item("apigateway", "rest-api", api.id, api.name, dict(api.tags or {}))
        for bus in backends.events(region).event_buses.values():
            for rule in bus.rules.values():
                yield _item("events", "rule", rule.arn, rule.name)


def _key(item: Item) -> Key:
    return item["service"], item["type"], item["id"]


def _item(service: str, kind: str, id_: str, name: str = "", tags: dict[str, str] | None = None) -> Item:
    return {
        "service": service,
        "type": kind,
        "id": id_,
        "name": name,
        "tags": dict(sorted((tags or {}).items())),
    }


def _tag_map(tags: Any) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags or []}


def _tagged(service: str, kind: str, id_: str, tags: dict[str, str]) -> Item:
    return _item(service, kind, id_, tags.get("Name", ""), tags)


def _destination(route: Any) -> str:
    prefix_list = route.destination_prefix_list
    return str(prefix_list.id if prefix_list else route.destination_cidr_block)


def _rds_item(kind: str, resource: Any) -> Item:
    tags = {tag["Key"]: tag["Value"] for tag in resource.tags}
    return _item("rds", kind, resource.resource_id, resource.resource_id, tags)


def _ec2_item(kind: str, resource: Any, name: str = "") -> Item:
    tags = {tag["key"]: tag["value"] for tag in resource.get_tags()}
    return _item("ec2", kind, str(resource.id), name or tags.get("Name", ""), tags)
