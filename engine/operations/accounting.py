"""The accounting password of a project: another one, when somebody may have seen it."""

from __future__ import annotations

from engine.aws import accounting_function, clusters, key_secrets
from engine.errors import RequestError
from engine.model.names import Names
from engine.operations import records
from engine.operations.engine import Engine
from engine.operations.planning import check_backend


class NoCluster(RequestError):
    """The project has no cluster now, which the command needs."""

    code = "NO_CLUSTER"


def rotate_password(engine: Engine, vlab_id: str, project_id: str) -> Names:
    """Give the project's database user another password. The cluster has to be told by a person.

    Repeating it after a failure finishes the change that was begun. A user that was lost is made again.
    Raises   UnknownProject, NoCluster (nothing changed); AccountingError, AccountingUnavailable
    """
    check_backend(engine)
    record = records.record_of(engine, vlab_id, project_id)
    names = engine.names(vlab_id, project_id)
    cluster = clusters.describe_cluster(engine.cloud, cluster_name=names.cluster, stack_name=names.stack)
    secret = key_secrets.find_secret(engine.cloud, names.accounting_secret)
    if not cluster.exists or secret is None or secret.going:
        raise NoCluster(
            f"{record.project} has no cluster, and so no accounting password.",
            hint="`provisioner apply` makes a cluster with a password of its own.",
        )
    function = engine.settings.accounting_function
    engine.reporter.step("Changing the accounting password")
    accounting_function.wake(engine.cloud, function)
    accounting_function.rotate_password(
        engine.cloud,
        function,
        database=names.database,
        user=names.database_user,
        secret_arn=secret.arn,
    )
    return names
