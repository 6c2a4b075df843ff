"""Whether an account has all that projects stand on, looked at from the outside; nothing is changed."""

from __future__ import annotations

from engine.aws.addresses import list_claims
from engine.aws.checks import Check, Level, error_check
from engine.aws.doctor.backend import examine_keeping
from engine.aws.doctor.capacity import examine_quotas
from engine.aws.doctor.database import examine_database
from engine.aws.doctor.endpoints import examine_endpoints
from engine.aws.doctor.isolation import examine_isolation
from engine.aws.doctor.network import examine_network
from engine.aws.doctor.network_reading import Network, read_network
from engine.aws.doctor.node_packages import examine_node_packages
from engine.aws.doctor.service import examine_service
from engine.aws.preflight import examine_backend
from engine.aws.session import Cloud
from engine.aws.shared_ground import examine_shared_ground
from engine.errors import TerraformMissing
from engine.model.settings import Settings
from engine.operations.engine import Engine
from engine.operations.planning import ground_names

_TOOLS = "tools"


def examine(engine: Engine) -> list[Check]:
    """Every check, in the order in which to mend what is wrong; none stops the others.

    What cannot be looked at since something else is missing is left out: that is among the findings.
    """
    return _examine_tools(engine) + examine_account(engine)


def examine_account(engine: Engine) -> list[Check]:
    """The checks of the account, without those of this machine."""
    settings = engine.settings
    # A person waits for this: short time limits, and questions put together.
    cloud = engine.cloud.impatient()
    backend = examine_backend(
        cloud,
        account_id=settings.require_account(),
        state_bucket=settings.state_bucket,
        lock_table=settings.lock_table,
        registry_table=settings.registry_table,
    )
    if not backend[0].ok:
        return backend  # the account does not answer: nothing else would
    network = read_network(cloud)
    return [
        *backend,
        *examine_keeping(
            cloud,
            state_bucket=settings.state_bucket,
            lock_table=settings.lock_table,
            registry_table=settings.registry_table,
            standing={check.name for check in backend if check.ok},
        ),
        *examine_shared_ground(cloud, **ground_names(engine)),
        *examine_node_packages(
            cloud, nodes_bucket=settings.nodes_bucket, os=settings.os, rest_api=settings.has_rest_api
        ),
        *(_examine_network(cloud, network, settings) if network else []),
        *examine_quotas(
            cloud,
            network,
            region=settings.region,
            tiers=engine.catalogue,
            head_node=settings.head_node_instance_type,
        ),
        *examine_service(cloud, operations_queue=settings.operations_queue),
    ]


def _examine_network(cloud: Cloud, network: Network, settings: Settings) -> list[Check]:
    return [
        *examine_network(
            network,
            address_ranges=settings.address_ranges,
            prefix_length=settings.address_prefix_length,
            claims=lambda: list(list_claims(cloud, settings.registry_table)),
        ),
        *examine_endpoints(
            network,
            region=settings.region,
            availability_zone=settings.availability_zone,
            address_ranges=settings.address_ranges,
        ),
        *examine_isolation(network, address_ranges=settings.address_ranges),
        *examine_database(cloud, network, accounting_database=settings.accounting_database),
    ]


def _examine_tools(engine: Engine) -> list[Check]:
    try:
        found = engine.toolchain
    except TerraformMissing as error:
        return [error_check(_TOOLS, "terraform", error)]
    mirror = str(found.provider_mirror or "from the registry, when first needed")
    return [
        Check(_TOOLS, "terraform", Level.OK, f"{found.product} {found.version} at {found.binary}"),
        Check(_TOOLS, "aws provider", Level.OK, mirror),
    ]
