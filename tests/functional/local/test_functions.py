"""Lambda's Invoke of the accounting function: the real code, in this process, as AWS answers it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from engine.aws.accounting_function import rotate_password, wake
from engine.aws.session import Cloud
from engine.errors import AccountingError, AccountingUnavailable
from engine.local.calls import FUNCTION_KEY
from tests.functional.local.conftest import CLUSTER

DATABASE = CLUSTER.replace("-", "_")


def accounts(cloud) -> list[str]:
    return [line for line in cloud.left_over() if line.startswith("accounting ")]


def test_a_project_gets_its_database_and_its_user(cloud, ground):
    secret = ground.secret()
    assert ground.accounting("database", "create") == {
        "resource": "database",
        "name": DATABASE,
        "outcome": "created",
    }
    assert ground.accounting("user", "create", secret)["outcome"] == "created"
    assert ground.accounting("user", "create", secret)["outcome"] == "ensured"
    # What nobody takes away again is seen as left over
    assert accounts(cloud) == [f"accounting database {DATABASE}", "accounting user slurm_proj"]
    assert cloud.calls()["lambda:Invoke"] == 3
    # AND goes
    ground.accounting("user", "delete", secret)
    ground.accounting("database", "delete")
    assert accounts(cloud) == []


def test_a_secret_gives_out_the_version_that_is_current_now(cloud, ground):
    secret = ground.secret()
    ground.accounting("database", "create")
    ground.accounting("user", "create", secret)
    read = cloud.client("secretsmanager").get_secret_value
    before = read(SecretId=secret)["SecretString"]
    event = {
        "resource": "user",
        "action": "rotate",
        "database": DATABASE,
        "user": "slurm_proj",
        "secret_arn": secret,
    }
    cloud.client("lambda").invoke(FunctionName="provisioner-accounting", Payload=json.dumps(event))
    assert (
        read(SecretId=secret)["SecretString"]
        == read(SecretId=secret, VersionStage="AWSCURRENT")["SecretString"]
    )
    assert read(SecretId=secret)["SecretString"] != before


def test_an_error_is_an_answer_with_function_error(cloud, ground):
    failed = ground.accounting("user", "delete", "arn:nothing")
    assert failed["errorType"] == "FunctionFailed"
    assert failed["errorMessage"].startswith("ACCOUNTING_REFUSED: ")
    assert failed["stackTrace"]


def test_many_calls_at_once_do_not_wait_for_each_other(cloud, ground):
    """The function calls the cloud in turn: a call that held the lock would wait for ever."""
    names = [f"pc-lab-{number}" for number in range(6)]
    secrets = [ground.secret(name) for name in names]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda name: ground.accounting("database", "create", cluster=name), names))
        made = pool.map(
            lambda one: ground.accounting("user", "create", one[0], one[1]), zip(secrets, names, strict=True)
        )
        assert {answer["outcome"] for answer in made} == {"created"}


def test_what_a_function_asks_is_told_apart_from_what_its_caller_asks(cloud, ground):
    secret = ground.secret()
    ground.accounting("database", "create")
    heard: list[tuple[bool, str]] = []
    with cloud.heard(lambda request: heard.append((request.signer == FUNCTION_KEY, request.operation))):
        ground.accounting("user", "create", secret)
    assert [operation for by_function, operation in heard if not by_function] == ["Invoke"]
    assert {"GetSecretValue", "PutSecretValue"} <= {
        operation for by_function, operation in heard if by_function
    }


def test_kinds_of_invocation(cloud):
    call = cloud.client("lambda").invoke
    event = json.dumps({"resource": "database", "database": DATABASE, "tf": {"action": "create"}})
    name = "provisioner-accounting"
    assert call(FunctionName=name, InvocationType="DryRun", Payload=event)["StatusCode"] == 204
    assert accounts(cloud) == []
    assert call(FunctionName=name, InvocationType="Event", Payload=event)["StatusCode"] == 202
    assert accounts(cloud) == [f"accounting database {DATABASE}"]
    arn = cloud.client("lambda").get_function_configuration(FunctionName=name)["FunctionArn"]
    assert call(FunctionName=arn, Qualifier="$LATEST", Payload=event)["StatusCode"] == 200
    with pytest.raises(ClientError, match="InvalidRequestContent"):
        call(FunctionName=name, Payload=b"{no json")
    with pytest.raises(ClientError, match="ResourceNotFound"):
        call(FunctionName="no-such-function", Payload=event)


@pytest.mark.parametrize("missing", ["network", "group", "rule", "address"])
def test_the_function_must_reach_the_database(cloud, ground, missing):
    functions, name = cloud.client("lambda"), "provisioner-accounting"
    configuration = functions.get_function_configuration(FunctionName=name)
    groups = configuration["VpcConfig"]["SecurityGroupIds"]
    subnets = configuration["VpcConfig"]["SubnetIds"]
    if missing == "network":
        functions.update_function_configuration(
            FunctionName=name, VpcConfig={"SubnetIds": [], "SecurityGroupIds": []}
        )
    elif missing == "group":
        other = ground.group("others")
        functions.update_function_configuration(
            FunctionName=name, VpcConfig={"SubnetIds": subnets, "SecurityGroupIds": [other]}
        )
    elif missing == "rule":
        database = cloud.client("rds").describe_db_instances()["DBInstances"][0]
        for group in database["VpcSecurityGroups"]:
            found = ground.ec2.describe_security_groups(GroupIds=[group["VpcSecurityGroupId"]])
            ground.ec2.revoke_security_group_ingress(
                GroupId=group["VpcSecurityGroupId"],
                IpPermissions=found["SecurityGroups"][0]["IpPermissions"],
            )
    else:
        variables = configuration["Environment"]["Variables"] | {"ACCOUNTING_DATABASE_HOST": "elsewhere"}
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
    assert groups
    assert ground.accounting("database", "create")["errorMessage"].startswith("ACCOUNTING_UNAVAILABLE")


def test_a_master_secret_that_does_not_fit(cloud, ground):
    secrets = cloud.client("secretsmanager")
    master = next(one for one in secrets.list_secrets()["SecretList"] if one["Name"].startswith("rds!"))
    other = secrets.create_secret(
        Name="mine", SecretString=json.dumps({"username": "provisioner", "password": "guess"})
    )
    functions, name = cloud.client("lambda"), "provisioner-accounting"
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    assert variables["ACCOUNTING_MASTER_SECRET_ARN"] == master["ARN"]
    variables["ACCOUNTING_MASTER_SECRET_ARN"] = other["ARN"]
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
    assert "refuses the login" in ground.accounting("database", "create")["errorMessage"]


def test_a_function_that_was_idle_for_weeks_is_woken_up(cloud, ground):
    name = "provisioner-accounting"
    ours = Cloud(region=cloud.region, endpoint_url=cloud.endpoint, local=True)
    assert not wake(ours, name, sleep=cloud.advance)

    function = cloud.world.backends.lambdas(cloud.region).get_function(name)
    function.state = "Inactive"
    # A call fails and makes it come up; boto3 calls again at once, and that fails, too
    with pytest.raises(ClientError, match="ResourceConflict"):
        cloud.client("lambda").invoke(FunctionName=name, Payload=b"{}")
    function.state = "Inactive"

    assert wake(ours, name, sleep=cloud.advance)
    assert ground.accounting("database", "create")["outcome"] == "created"

    function.state = "Failed"
    assert not wake(ours, name, sleep=cloud.advance)
    # AND one that never comes back, or falls asleep again at each call, is not waited for without end
    for state in ("Pending", "Inactive"):
        function.state = state
        with pytest.raises(AccountingUnavailable, match=f"is {state}"):
            wake(ours, name, sleep=lambda _: None, patience_s=0)


def test_the_engine_rotates_and_is_told_why_not(cloud, ground):
    ours, name = Cloud(region=cloud.region, endpoint_url=cloud.endpoint, local=True), "provisioner-accounting"
    secret = ground.secret()
    names = {"database": DATABASE, "user": "slurm_proj", "secret_arn": secret}
    ground.accounting("database", "create")
    ground.accounting("user", "create", secret)
    read = cloud.client("secretsmanager").get_secret_value
    before = read(SecretId=secret)["SecretString"]

    rotate_password(ours, name, **names)
    assert read(SecretId=secret)["SecretString"] != before

    with pytest.raises(AccountingError, match="ACCOUNTING_REFUSED: ") as refused:
        rotate_password(ours, name, **names | {"user": "root"})
    assert not refused.value.retryable and refused.value.exit_code == 7
    functions = cloud.client("lambda")
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    variables["ACCOUNTING_DATABASE_HOST"] = "elsewhere"
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
    with pytest.raises(AccountingUnavailable) as unavailable:
        rotate_password(ours, name, **names)
    assert unavailable.value.retryable


def test_a_stopped_database_answers_nobody(cloud, ground):
    ground.accounting("database", "create")
    cloud.client("rds").stop_db_instance(DBInstanceIdentifier=cloud.names.accounting_database)
    assert "errorMessage" in ground.accounting("database", "create")
    # AND serves again once it is started
    cloud.client("rds").start_db_instance(DBInstanceIdentifier=cloud.names.accounting_database)
    cloud.advance(cloud.world.durations.rds_create_s + cloud.world.durations.rds_modify_s)
    assert ground.accounting("database", "create")["name"] == DATABASE
