"""The settings' defaults and the rules they keep."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from engine.errors import FieldProblem, InvalidSettings
from engine.model.setting_sources import as_text
from engine.model.settings import LOCAL_ACCOUNT, Settings, load_settings, setting_docs

AWS = {"cloud": "aws", "account_id": "210987654321"}


def load(**flags: Any) -> Settings:
    return load_settings(flags=flags).settings


def refused(**flags: Any) -> FieldProblem:
    with pytest.raises(InvalidSettings) as raised:
        load(**flags)
    (problem,) = raised.value.problems
    return problem


def test_defaults_of_the_local_cloud() -> None:
    assert Settings().values() == {
        "cloud": "local",
        "region": "us-east-1",
        "account_id": "123456789012",
        "endpoint_url": None,
        "availability_zone": "us-east-1a",
        "state_bucket": "provisioner-state-123456789012-us-east-1",
        "lock_table": "provisioner-terraform-locks",
        "lock_wait_s": 30,
        "aws_attempts": 3,
        "purge_grace_days": 7,
        "registry_table": "provisioner-registry",
        "operations_queue": "provisioner-operations.fifo",
        "event_bus": None,
        "tracing": False,
        "address_prefix_length": 24,
        "address_ranges": ("10.42.64.0/18", "10.42.128.0/17"),
        "public_bucket": "provisioner-public-123456789012-us-east-1",
        "nodes_bucket": "provisioner-nodes-123456789012-us-east-1",
        "user_name": "sim",
        "user_uid": 2000,
        "user_group": "project",
        "user_gid": 2000,
        "jwks_url": None,
        "jwt_issuer": None,
        "jwt_audience": None,
        "slurm_rest_port": 8082,
        "accounting_database": "provisioner-slurm-accounting",
        "accounting_function": "provisioner-accounting",
        "pcluster_version": "3.16.1",
        "pcluster_provider_stack": "parallelcluster-provider-3-16-1",
        "permissions_boundary": None,
        "custom_ami": None,
        "custom_amis": (),
        "os": "alinux2023",
        "head_node_instance_type": "t3.medium",
        "tiers": None,
        "prices": None,
        "lab_max_clusters": 0,
        "lab_max_vcpus": 0,
        "lab_max_usd_per_hour": 0,
        "project_tags": {},
        "required_tags": (),
        "allowed_instance_types": (),
        "policies": None,
        "plan_approval": "none",
        "plan_days": 30,
        "log_retention_days": 90,
        "job_record_retention_days": 365,
        "job_record_tail_bytes": 16384,
        "terraform": None,
        "provider_reuse": "auto",
        "parallel_projects": "auto",
        "workspaces_dir": "workspaces/projects",
        "home": ".provisioner",
        "s3_use_path_style": True,
    }
    assert load() == Settings()


def test_defaults_that_hang_on_other_settings_follow_them() -> None:
    settings = load(**AWS, region="eu-central-1", pcluster_version="3.15.0")
    assert settings.availability_zone == "eu-central-1a"
    assert settings.state_bucket == "provisioner-state-210987654321-eu-central-1"
    assert settings.public_bucket == "provisioner-public-210987654321-eu-central-1"
    assert settings.nodes_bucket == "provisioner-nodes-210987654321-eu-central-1"
    assert settings.pcluster_provider_stack == "parallelcluster-provider-3-15-0"
    assert settings.s3_use_path_style is False


def test_what_was_given_wins_over_what_would_be_derived() -> None:
    settings = load(
        cloud="aws",
        availability_zone="us-east-1c",
        state_bucket="states",
        public_bucket="open.data",
        pcluster_provider_stack="provider",
        s3_use_path_style=True,
    )
    assert settings.availability_zone == "us-east-1c"
    assert (settings.state_bucket, settings.public_bucket) == ("states", "open.data")
    assert settings.pcluster_provider_stack == "provider"
    assert settings.s3_use_path_style is True
    assert load(account_id="210987654321").require_account() == "210987654321"


class TestAccount:
    def test_without_it_names_that_carry_it_are_not_known(self) -> None:
        settings = load(cloud="aws")
        assert settings.account_id is None
        assert settings.values()["state_bucket"] is None
        assert settings.values()["public_bucket"] is None
        assert settings.values()["nodes_bucket"] is None
        for read in (
            settings.require_account,
            lambda: settings.state_bucket,
            lambda: settings.public_bucket,
            lambda: settings.nodes_bucket,
        ):
            with pytest.raises(InvalidSettings, match="account") as raised:
                read()
            assert "PROVISIONER_ACCOUNT_ID" in raised.value.hint
            assert "sign in" in raised.value.hint

    def test_aws_fills_it_in(self) -> None:
        settings = load(cloud="aws", region="eu-west-1", lock_table="locks").with_account("210987654321")
        assert settings.require_account() == "210987654321"
        assert settings.state_bucket == "provisioner-state-210987654321-eu-west-1"
        assert settings.lock_table == "locks"
        assert settings.s3_use_path_style is False

    def test_a_bucket_that_was_given_stays(self) -> None:
        settings = load(cloud="aws", state_bucket="states").with_account("210987654321")
        assert settings.state_bucket == "states"
        assert settings.public_bucket == "provisioner-public-210987654321-us-east-1"

    def test_what_was_changed_by_copy_stays(self) -> None:
        settings = load(cloud="aws").model_copy(update={"endpoint_url": "http://127.0.0.1:5000"})
        assert settings.with_account("210987654321").endpoint_url == "http://127.0.0.1:5000"

    def test_defaults_follow_what_was_changed_by_copy(self) -> None:
        settings = load(cloud="aws").model_copy(update={"region": "eu-west-1"})
        assert settings.with_account("210987654321").availability_zone == "eu-west-1a"

    def test_another_account_than_the_one_set_is_refused(self) -> None:
        with pytest.raises(InvalidSettings, match="belong to account 111111111111"):
            load(**AWS).with_account("111111111111")
        assert load(**AWS).with_account("210987654321") == load(**AWS)

    def test_the_public_bucket_cannot_turn_out_to_be_the_state_bucket(self) -> None:
        settings = load(cloud="aws", public_bucket="provisioner-state-210987654321-us-east-1")
        with pytest.raises(InvalidSettings, match="public_bucket"):
            settings.with_account("210987654321")

    @pytest.mark.parametrize("account", ["1", "12345678901a", "1234567890123"])
    def test_it_has_twelve_digits(self, account: str) -> None:
        assert refused(account_id=account).path == "account_id"
        with pytest.raises(InvalidSettings):
            load(cloud="aws").with_account(account)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("region", "us-gov-west-1"),
        ("region", "eusc-de-east-1"),
        ("region", "us-isob-east-1"),
        ("availability_zone", "us-east-1f"),
        ("availability_zone", "us-east-1-bos-1a"),
        ("endpoint_url", "http://127.0.0.1:5000"),
        ("endpoint_url", "https://[::1]:5000"),
        ("endpoint_url", "http://moto"),
        ("state_bucket", "a.b-c1"),
        ("lock_table", "a_b.C-1"),
        ("address_prefix_length", 20),
        ("address_prefix_length", 27),
        ("address_ranges", ("10.0.0.0/24",)),
        ("address_ranges", ["172.16.0.0/12", "192.168.0.0/16", "10.0.0.0/8"]),
        ("accounting_database", "a"),
        ("accounting_function", "Acme_accounting-2"),
        ("pcluster_version", "3.9.10"),
        ("permissions_boundary", "arn:aws:iam::210987654321:policy/org/boundary"),
        ("custom_ami", "ami-12345678"),
        ("custom_ami", "ami-0123456789abcdef0"),
        ("project_tags", {"obp:costcenter:vlabid": "{vlab_id}", "SBO_Billing": "hpc:{project_id}", "x": "É"}),
        ("custom_amis", ("3.16.1=ami-12345678", "3.15.0=ami-0123456789abcdef0", "3.14.0=none")),
        ("os", "ubuntu2404"),
        ("head_node_instance_type", "m7i-flex.large"),
        ("log_retention_days", 0),
        ("log_retention_days", 3653),
        ("terraform", "/usr/local/bin/tofu"),
        ("parallel_projects", "auto"),
        ("parallel_projects", "64"),
    ],
)
def test_good_values_are_kept(name: str, value: Any) -> None:
    kept = load(**{name: value}).values()[name]
    assert kept == (tuple(value) if isinstance(value, list) else value)


def test_a_number_of_projects_is_written_with_or_without_quotes() -> None:
    assert load(parallel_projects=4) == load(parallel_projects="4")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cloud", "gcp"),
        ("region", "us-east"),
        ("region", "US-EAST-1"),
        ("region", "us-east-1a"),
        ("region", "us-east-1\n"),
        ("account_id", 123456789012),
        ("availability_zone", "us-west-2a"),
        ("availability_zone", "us-east-1"),
        ("availability_zone", "us-east-12a"),
        ("endpoint_url", "127.0.0.1:5000"),
        ("endpoint_url", "ftp://host"),
        ("endpoint_url", "http://host/path"),
        ("endpoint_url", "http://host?x"),
        ("state_bucket", "ab"),
        ("state_bucket", "a" * 64),
        ("state_bucket", "Upper"),
        ("state_bucket", "a_b"),
        ("state_bucket", "-ab"),
        ("state_bucket", "a..b"),
        ("state_bucket", "a.-b"),
        ("state_bucket", "10.0.0.1"),
        ("state_bucket", "xn--abc"),
        ("public_bucket", "abc-s3alias"),
        ("public_bucket", "abc--ol-s3"),
        ("lock_table", "a/b"),
        ("lock_table", "ab"),
        ("address_prefix_length", 19),
        ("address_prefix_length", 28),
        ("address_prefix_length", "x"),
        ("address_prefix_length", True),
        ("accounting_database", "A"),
        ("accounting_database", "a--b"),
        ("accounting_database", "a-"),
        ("accounting_database", "1a"),
        ("accounting_database", "a" * 64),
        ("accounting_function", "a b"),
        ("accounting_function", "arn:aws:lambda:eu-west-3:123456789012:function:f"),
        ("accounting_function", "a" * 65),
        ("pcluster_version", "2.11.0"),
        ("pcluster_version", "3.16"),
        ("pcluster_version", 3.16),
        ("pcluster_provider_stack", "1a"),
        ("permissions_boundary", "boundary"),
        ("permissions_boundary", "arn:aws:iam::210987654321:policy/*"),
        ("custom_ami", "ami-1"),
        ("os", "alinux2"),
        ("os", "rocky9"),
        ("head_node_instance_type", "big"),
        ("log_retention_days", 91),
        ("log_retention_days", -1),
        ("terraform", ""),
        ("parallel_projects", "0"),
        ("parallel_projects", "65"),
        ("parallel_projects", "all"),
        ("parallel_projects", True),
        ("workspaces_dir", " "),
        ("home", "a\x00b"),
        ("s3_use_path_style", "maybe"),
        ("s3_use_path_style", 1),
    ],
)
def test_bad_values_are_refused(name: str, value: Any) -> None:
    problem = refused(**{name: value})
    assert problem.path == name
    assert problem.problem.endswith(f"(from flag --{name.replace('_', '-')})")
    assert problem.allowed
    assert str(problem).isprintable()


class TestProjectTags:
    @pytest.mark.parametrize(
        ("tags", "at", "said"),
        [
            ({"a": ""}, "project_tags.a", "is empty"),
            ({"a": "{owner}"}, "project_tags.a", "contains '{'"),
            ({"a": "${vlab_id}"}, "project_tags.a", "contains '$'"),
            ({"a": " b"}, "project_tags.a", "white space"),
            ({"a": "b" * 257}, "project_tags.a", "has 257 characters"),
            ({"a": "b" * 190 + "{vlab_id}-"}, "project_tags.a", None),
            ({"a": "b" * 193 + "{vlab_id}"}, "project_tags.a", "has 257 characters where the ids"),
            ({"aws:a": "b"}, "project_tags['aws:a']", "reserved prefix"),
            ({"Provisioner:a": "b"}, "project_tags['Provisioner:a']", "reserved prefix"),
            ({"Name": "b"}, "project_tags.Name", "set by the provisioner"),
            ({"a=b": "c"}, "project_tags['a=b']", "contains '='"),
            ({"a,b": "c"}, "project_tags['a,b']", "contains ','"),
            ({"Team": "a", "team": "b"}, "project_tags", "in upper and lower case alone"),
            ({"a": 1}, "project_tags.a", "put it in quotes"),
            ({f"key-{number}": "a" for number in range(15)}, "project_tags", "has 15 entries"),
            ("a", "project_tags", "must be a mapping"),
        ],
    )
    def test_they_keep_to_the_rules_of_a_specs_tags(self, tags: Any, at: str, said: str | None) -> None:
        if said is None:
            assert load(project_tags=tags).project_tags == tags
            return
        problem = refused(project_tags=tags)
        assert problem.path == at and said in problem.problem
        assert problem.allowed

    def test_the_environment_has_them_as_pairs(self) -> None:
        given = {"obp:costcenter:vlabid": "{vlab_id}", "b": "c=d"}
        text = "obp:costcenter:vlabid={vlab_id}, b = c=d"
        for sources in (
            {"environ": {"PROVISIONER_PROJECT_TAGS": text}},
            {"environ": {"PROVISIONER_PROJECT_TAGS": as_text(given)}},
            {"flags": {"project_tags": text}},
        ):
            assert load_settings(**sources).settings.project_tags == given

    @pytest.mark.parametrize("text", ["a", "a=b,c", "a=b,a=c"])
    def test_what_is_no_pairs_is_refused(self, text: str) -> None:
        assert refused(project_tags=text).path == "project_tags"


class TestBlocks:
    @pytest.mark.parametrize(
        ("blocks", "said"),
        [
            (("8.8.8.0/24",), "not private"),
            (("172.32.0.0/16",), "not private"),
            (("0.0.0.0/0",), "not private"),
            (("10.0.0.1/24",), "did you mean 10.0.0.0/24?"),
            (("10.0.0.0",), "not an IPv4 block"),
            (("fd00::/64",), "not an IPv4 block"),
            (("10.0.0.0/255.255.0.0",), "did you mean 10.0.0.0/16?"),
            (("10.0.0.0/33",), "not an IPv4 block"),
            (("10.0.0.0/25",), "no room for a /24"),
            (("10.0.0.0/16", "10.0.255.0/24"), "10.0.0.0/16 and 10.0.255.0/24 overlap"),
            (("10.0.0.0/24", "10.1.0.0/24", "10.0.0.0/24"), "overlap"),
            ([], "is empty"),
        ],
    )
    def test_wrong_address_ranges(self, blocks: Any, said: str) -> None:
        problem = refused(address_ranges=blocks)
        assert problem.path.startswith("address_ranges")
        assert said in problem.problem

    def test_a_range_must_hold_one_subnet_of_the_chosen_size(self) -> None:
        assert load(address_prefix_length=26, address_ranges=("10.0.0.0/26",))
        assert (
            "no room for a /25" in refused(address_prefix_length=25, address_ranges=("10.0.0.0/26",)).problem
        )

    @given(st.lists(st.tuples(st.integers(0, 2**24 - 1), st.integers(9, 24)), min_size=1, max_size=4))
    def test_ranges_are_taken_when_no_address_is_in_two_of_them(self, blocks: list[tuple[int, int]]) -> None:
        networks = [
            ipaddress.IPv4Network((0x0A000000 + offset, length), strict=False) for offset, length in blocks
        ]
        apart = sum(network.num_addresses for network in networks) == sum(
            network.num_addresses for network in ipaddress.collapse_addresses(networks)
        )
        texts = tuple(str(network) for network in networks)
        if apart:
            assert load(address_ranges=texts).address_ranges == texts
        else:
            assert "overlap" in refused(address_ranges=texts).problem


class TestCombinations:
    def test_the_two_tables_differ(self) -> None:
        assert refused(lock_table="one", registry_table="one").path == "registry_table"
        assert refused(lock_table="provisioner-registry").path == "registry_table"

    def test_the_two_buckets_differ(self) -> None:
        assert refused(state_bucket="one", public_bucket="one").path == "public_bucket"
        derived = f"provisioner-state-{LOCAL_ACCOUNT}-us-east-1"
        assert refused(public_bucket=derived).path == "public_bucket"
        assert load(state_bucket="one", public_bucket=derived).public_bucket == derived

    def test_nobody_writes_what_root_on_the_nodes_installs(self) -> None:
        assert refused(nodes_bucket="one", public_bucket="one").path == "nodes_bucket"
        assert refused(nodes_bucket="one", state_bucket="one").path == "nodes_bucket"
        derived = f"provisioner-public-{LOCAL_ACCOUNT}-us-east-1"
        assert refused(nodes_bucket=derived).path == "nodes_bucket"

    @pytest.mark.parametrize("name", ["root", "ec2-user", "slurm", "Sim", "1sim", "a" * 32, "sim:x", ""])
    def test_the_workflows_user_is_nobody_else(self, name: str) -> None:
        assert refused(user_name=name).path == "user_name"
        assert refused(user_group=name).path == "user_group"

    @pytest.mark.parametrize("number", [0, 1000, 60000, -1])
    def test_its_ids_are_no_others(self, number: int) -> None:
        assert refused(user_uid=number).path == "user_uid"
        assert refused(user_gid=number).path == "user_gid"

    def test_a_system_without_public_image_needs_one(self) -> None:
        assert "no public image" in refused(os="rocky8").problem
        assert load(os="rocky8", custom_ami="ami-12345678").os == "rocky8"

    def test_an_endpoint_may_stand_in_for_aws(self) -> None:
        assert (
            load(cloud="aws", endpoint_url="http://127.0.0.1:5000/").endpoint_url == "http://127.0.0.1:5000"
        )


def test_a_password_in_an_endpoint_is_not_repeated() -> None:
    with pytest.raises(InvalidSettings) as raised:
        load(endpoint_url="http://user:canary@host")
    assert "canary" not in str(raised.value) + repr(raised.value.details)
    assert "credentials" in str(raised.value)


def test_settings_are_frozen_and_strict() -> None:
    with pytest.raises(ValidationError):
        Settings().region = "eu-west-1"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Settings(regio="eu-west-1")  # type: ignore[call-arg]
    assert Settings(state_bucket="states").state_bucket == "states"
    assert Settings() == load()


def test_every_setting_is_documented() -> None:
    docs = {doc.name: doc for doc in setting_docs()}
    assert list(docs) == list(Settings().values())
    assert all(doc.description.endswith(".") and doc.default and doc.type for doc in docs.values())
    assert docs["cloud"].type == "local or aws"
    assert docs["address_prefix_length"].type == "whole number"
    assert docs["address_ranges"].type == "list"
    assert docs["s3_use_path_style"].type == "true or false"
    assert docs["region"].type == "text"
    assert docs["state_bucket"].default == "`provisioner-state-<account>-<region>`"
    assert docs["state_bucket"].environment == "PROVISIONER_STATE_BUCKET"
    assert docs["custom_ami"].default == "none"
    assert docs["lock_table"].default == "`provisioner-terraform-locks`"


REST_API = {
    "jwks_url": "https://sso.example.org/realms/science/protocol/openid-connect/certs",
    "jwt_issuer": "https://sso.example.org/realms/science",
    "jwt_audience": "slurm-rest",
}


def test_the_rest_api_takes_three_settings() -> None:
    assert load_settings(file=REST_API).settings.has_rest_api
    assert not load_settings().settings.has_rest_api


@pytest.mark.parametrize("left_out", REST_API)
def test_a_part_of_the_rest_api_says_what_is_missing(left_out: str) -> None:
    given = {name: value for name, value in REST_API.items() if name != left_out}
    with pytest.raises(InvalidSettings, match=f"{left_out} not set beside"):
        load_settings(file=given)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("jwks_url", "http://sso.example.org/certs"),
        ("jwks_url", "http://localhost.example.org/certs"),
        ("jwks_url", "https://user:secret@sso.example.org/certs"),
        ("jwks_url", "file:///etc/passwd"),
        ("jwt_issuer", 'https://sso" -m found'),
        ("jwt_audience", "slurm rest"),
        ("jwt_audience", "a\nb"),
        ("slurm_rest_port", 6820),
        ("slurm_rest_port", 80),
    ],
)
def test_what_the_filter_could_not_hold_is_refused(setting: str, value: object) -> None:
    with pytest.raises(InvalidSettings, match=setting) as refused:
        load_settings(file={**REST_API, setting: value})
    assert "secret" not in str(refused.value)
