"""The cloud itself: seed, inventory, counters, its own routes, and its manners as a server."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.error
import urllib.request

import pytest

from engine.local.server import LocalCloud
from engine.local.shared_names import SharedNames


def ask(cloud, method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{cloud.endpoint}/_local/{path}", data=data, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


def test_the_shared_ground_is_there(cloud, ground):
    def tagged(call, key, value):
        return call(Filters=[{"Name": "tag:provisioner:shared", "Values": [value]}])[key]

    vpc = tagged(ground.ec2.describe_vpcs, "Vpcs", "vpc")[0]
    assert vpc["CidrBlock"] == "10.42.0.0/16"
    for attribute in ("enableDnsSupport", "enableDnsHostnames"):
        found = ground.ec2.describe_vpc_attribute(VpcId=vpc["VpcId"], Attribute=attribute)
        assert found[attribute[0].upper() + attribute[1:]]["Value"] is True
    assert len(tagged(ground.ec2.describe_route_tables, "RouteTables", "project-route-table")) == 1
    for role in ("endpoint-access", "accounting-access"):
        assert len(tagged(ground.ec2.describe_security_groups, "SecurityGroups", role)) == 1
    services = {one["ServiceName"] for one in ground.ec2.describe_vpc_endpoints()["VpcEndpoints"]}
    needed = {"s3", "dynamodb", "cloudformation", "ec2", "logs", "secretsmanager"}
    assert {f"com.amazonaws.us-east-1.{name}" for name in needed} <= services
    database = cloud.client("rds").describe_db_instances(DBInstanceIdentifier="provisioner-slurm-accounting")[
        "DBInstances"
    ][0]
    assert (database["Engine"], database["Endpoint"]["Port"]) == ("mariadb", 3306)
    master = json.loads(
        cloud.client("secretsmanager").get_secret_value(SecretId=database["MasterUserSecret"]["SecretArn"])[
            "SecretString"
        ]
    )
    assert set(master) == {"username", "password"}
    function = cloud.client("lambda").get_function_configuration(FunctionName="provisioner-accounting")
    assert function["Environment"]["Variables"]["ACCOUNTING_DATABASE_HOST"] == database["Endpoint"]["Address"]
    assert ground.service_token().startswith("arn:aws:lambda:us-east-1:123456789012:function:")
    assert len(ground.s3.list_objects_v2(Bucket=cloud.names.bucket)["Contents"]) == 3
    # AND all of it counts as seeded, none of it as calls
    assert cloud.left_over() == []
    assert cloud.calls() == {}


def test_names_of_the_seed_can_be_chosen():
    names = SharedNames(public_bucket="open-data", accounting_function="acme-accounting")
    with LocalCloud(names=names) as cloud:
        assert cloud.client("lambda").get_function_configuration(FunctionName="acme-accounting")
        assert cloud.client("s3").list_objects_v2(Bucket="open-data")["KeyCount"] == 3


def test_inventory_and_calls_see_what_is_made(cloud, ground):
    ground.bucket("mine")
    ground.s3.put_object(Bucket="mine", Key="a/b", Body=b"1")
    ground.s3.list_objects_v2(Bucket="mine")
    ground.subnet()
    assert [one.split(" ", 2)[:2] for one in cloud.left_over()] == [
        ["ec2", "subnet"],
        ["s3", "bucket"],
        ["s3", "object"],
    ]
    assert cloud.calls() == {"ec2:CreateSubnet": 1, "s3:CreateBucket": 1, "s3:PutObject": 1}
    # AND a call that is refused does not count
    with pytest.raises(Exception, match="Conflict"):
        ground.subnet()
    assert ask(cloud, "GET", "calls")["ec2:CreateSubnet"] == 1
    assert ask(cloud, "GET", "inventory") == cloud.inventory()


def test_durations_can_be_set_while_it_runs(cloud, ground):
    assert ask(cloud, "POST", "durations", {"fsx_create_s": 1})["fsx_create_s"] == 1
    fs_id = ground.lustre(ground.subnet(), ground.group("lustre", open_ports=(988,)))["FileSystemId"]
    cloud.advance(1)
    found = ground.fsx.describe_file_systems(FileSystemIds=[fs_id])["FileSystems"][0]
    assert found["Lifecycle"] == "AVAILABLE"


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("POST", "durations", {"no_such_s": 1}, 400),
        ("POST", "durations", {"fsx_create_s": -1}, 400),
        ("POST", "failures", {"cluster": "*", "operation": "explode"}, 400),
        ("POST", "failures", {"cluster": "*", "operation": "create", "failure_code": "Nope"}, 400),
        ("POST", "failures", {"operation": "create"}, 400),
        ("GET", "nothing", None, 404),
        ("GET", "lustre/fs-00000000000000000", None, 404),
    ],
)
def test_bad_requests_to_the_console_are_refused(cloud, method, path, body, code):
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(cloud, method, path, body)
    assert refused.value.code == code


def test_failures_are_listed_and_can_be_taken_back(cloud):
    ask(cloud, "POST", "failures", {"cluster": "*", "operation": "create", "times": 2})
    assert ask(cloud, "GET", "failures")[0]["failure_code"] == "HeadNodeBootstrapFailure"
    ask(cloud, "DELETE", "failures")
    assert ask(cloud, "GET", "failures") == []


def test_it_listens_on_loopback_only(cloud):
    assert cloud.endpoint.startswith("http://127.0.0.1:")
    assert cloud._server.server_address[0] == "127.0.0.1"


def test_one_at_a_time_per_process_and_nothing_stays(cloud, ground):
    from moto.ec2.models import EC2Backend

    with pytest.raises(RuntimeError, match="another local cloud"):
        LocalCloud().start()
    patched = EC2Backend.delete_subnet
    ground.bucket("mine")
    cloud.stop()
    assert EC2Backend.delete_subnet is not patched
    with LocalCloud(seeded=False) as empty:
        assert "mine" not in [b["Name"] for b in empty.client("s3").list_buckets()["Buckets"]]


def test_who_listens_is_told_when_an_answer_was_sent(cloud):
    s3 = cloud.client("s3")
    heard: list[str] = []
    with (
        cloud.heard(lambda request: heard.append(f"asked {request.operation}")),
        cloud.heard(lambda request: heard.append(f"answered {request.operation}"), answered=True),
    ):
        s3.create_bucket(Bucket="told-of")
        wait_for(lambda: len(heard) == 2)
    s3.delete_bucket(Bucket="told-of")
    assert heard == ["asked CreateBucket", "answered CreateBucket"]


def test_a_cloud_at_rest_wakes_with_what_it_holds_at_its_address():
    # GIVEN a cloud at rest: no thread of it runs, so its process could be copied
    with LocalCloud(seeded=False) as cloud:
        before, client = threading.active_count(), cloud.client("s3")
        client.create_bucket(Bucket="kept")
        address = cloud.endpoint
        cloud.rest()
        wait_for(lambda: threading.active_count() <= before - 2)

        # WHEN it wakes THEN everything is as it was, also for who has been connected
        cloud.wake()
        assert cloud.endpoint == address
        assert [one["Name"] for one in client.list_buckets()["Buckets"]] == ["kept"]
        # AND what is there can be made the beginning
        cloud.begin_here()
        assert (cloud.calls(), cloud.left_over()) == ({}, [])


def wait_for(condition):
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)


def test_who_asks_first_whether_to_send_a_body_is_answered_before_it(cloud):
    # boto3 does so with each object that it writes, and waits for a second.
    asked = "PUT /bucket/key HTTP/1.1\r\nHost: s3\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    with socket.create_connection(("127.0.0.1", cloud.port), timeout=10) as sender:
        sender.sendall(asked.encode())
        assert sender.recv(100).startswith(b"HTTP/1.1 100 Continue")
        sender.sendall(b"body")
        assert sender.recv(100).startswith(b"HTTP/1.1 404")
