"""Default < file < environment < flag, and nothing unknown passes unseen."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import FieldProblem, InvalidSettings
from engine.model.settings import Settings, load_settings, parse_settings


def refused(**sources: Any) -> list[FieldProblem]:
    with pytest.raises(InvalidSettings) as raised:
        load_settings(**sources)
    # No command is advised that reads the same settings, and would fail in the same way.
    assert "docs/settings.md" in raised.value.hint and "`provisioner" not in raised.value.hint
    return raised.value.problems


@given(file=st.booleans(), environment=st.booleans(), flag=st.booleans())
def test_the_later_source_wins(file: bool, environment: bool, flag: bool) -> None:
    effective = load_settings(
        file={"lock_table": "from-file"} if file else None,
        file_source="p.yaml",
        environ={"PROVISIONER_LOCK_TABLE": "from-environment"} if environment else {},
        flags={"lock_table": "from-flag"} if flag else {},
    )
    value, source = next(
        found
        for given_it, *found in (
            (flag, "from-flag", "flag --lock-table"),
            (environment, "from-environment", "environment PROVISIONER_LOCK_TABLE"),
            (file, "from-file", "file p.yaml"),
            (True, "provisioner-terraform-locks", "default"),
        )
        if given_it
    )
    assert effective.settings.lock_table == value
    assert effective.sources["lock_table"] == source


def test_every_setting_has_a_source() -> None:
    effective = load_settings(file={"state_bucket": "states"}, file_source="p.yaml")
    assert list(effective.sources) == list(Settings().values())
    assert effective.sources["state_bucket"] == "file p.yaml"
    assert effective.settings.state_bucket == "states"
    assert effective.sources["availability_zone"] == "default"


class TestRegion:
    @pytest.mark.parametrize(
        ("environ", "region", "source"),
        [
            ({}, "eu-west-1", "file p.yaml"),
            ({"AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-2", "environment AWS_DEFAULT_REGION"),
            (
                {"AWS_REGION": "eu-west-3", "AWS_DEFAULT_REGION": "eu-west-2"},
                "eu-west-3",
                "environment AWS_REGION",
            ),
            (
                {"PROVISIONER_REGION": "eu-north-1", "AWS_REGION": "eu-west-3"},
                "eu-north-1",
                "environment PROVISIONER_REGION",
            ),
            ({"AWS_REGION": "", "PROVISIONER_REGION": ""}, "eu-west-1", "file p.yaml"),
        ],
    )
    def test_it_is_also_taken_from_awss_own_variables(
        self, environ: dict[str, str], region: str, source: str
    ) -> None:
        effective = load_settings(file={"region": "eu-west-1"}, file_source="p.yaml", environ=environ)
        assert (effective.settings.region, effective.sources["region"]) == (region, source)
        assert effective.settings.availability_zone == f"{region}a"

    def test_a_flag_wins_over_them(self) -> None:
        effective = load_settings(environ={"AWS_REGION": "eu-west-3"}, flags={"region": "us-west-2"})
        assert effective.sources["region"] == "flag --region"
        assert effective.settings.region == "us-west-2"


class TestText:
    """Values of the environment, and of flags given as text."""

    def test_values_get_their_types(self) -> None:
        settings = load_settings(
            environ={
                "PROVISIONER_ADDRESS_PREFIX_LENGTH": "26",
                "PROVISIONER_ADDRESS_RANGES": " 10.0.0.0/16, 10.1.0.0/16 ,",
                "PROVISIONER_S3_USE_PATH_STYLE": "No",
                "PROVISIONER_ACCOUNT_ID": "000000000012",
            },
            flags={"log_retention_days": "365"},
        ).settings
        assert settings.address_prefix_length == 26
        assert settings.address_ranges == ("10.0.0.0/16", "10.1.0.0/16")
        assert settings.s3_use_path_style is False
        assert settings.account_id == "000000000012"
        assert settings.log_retention_days == 365
        assert load_settings(flags={"address_ranges": "10.9.0.0/16"}).settings.address_ranges == (
            "10.9.0.0/16",
        )

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("true", True),
            ("1", True),
            ("on", True),
            ("YES", True),
            ("false", False),
            ("0", False),
            ("off", False),
        ],
    )
    def test_booleans(self, text: str, value: bool) -> None:
        settings = load_settings(environ={"PROVISIONER_S3_USE_PATH_STYLE": text}).settings
        assert settings.s3_use_path_style is value

    @pytest.mark.parametrize(
        ("variable", "text"),
        [
            ("PROVISIONER_ADDRESS_PREFIX_LENGTH", "24.0"),
            ("PROVISIONER_ADDRESS_PREFIX_LENGTH", "9" * 5000),
            ("PROVISIONER_ADDRESS_PREFIX_LENGTH", "２４"),
            ("PROVISIONER_S3_USE_PATH_STYLE", "perhaps"),
        ],
    )
    def test_a_text_that_stands_for_no_value_is_refused(self, variable: str, text: str) -> None:
        (problem,) = refused(environ={variable: text})
        assert problem.path == variable.removeprefix("PROVISIONER_").lower()
        assert f"(from environment {variable})" in problem.problem

    def test_an_empty_variable_counts_as_not_set(self) -> None:
        effective = load_settings(environ={"PROVISIONER_LOCK_TABLE": "", "PROVISIONER_NONSENSE": ""})
        assert effective.sources["lock_table"] == "default"

    def test_flags_that_were_not_given_do_not_count(self) -> None:
        effective = load_settings(
            file={"address_ranges": ["10.0.0.0/16"]},
            file_source="p.yaml",
            flags={"region": None, "address_ranges": ()},
        )
        assert effective.sources["region"] == "default"
        assert effective.settings.address_ranges == ("10.0.0.0/16",)


class TestUnknown:
    def test_a_setting_of_the_file(self) -> None:
        (problem,) = refused(file={"stateBucket": "x"}, file_source="p.yaml")
        assert problem.path == "stateBucket"
        assert problem.problem == "is not a known setting; did you mean state_bucket? (from file p.yaml)"

    def test_a_setting_that_is_like_no_other(self) -> None:
        (problem,) = refused(file={"zzz": "x"}, file_source="p.yaml")
        assert "did you mean" not in problem.problem
        assert problem.allowed.startswith("one of cloud, region, account_id")

    @pytest.mark.parametrize(
        "variable",
        ["PROVISIONER_STATEBUCKET", "PROVISIONER_state_bucket", "PROVISIONER_State_Bucket"],
    )
    def test_a_variable(self, variable: str) -> None:
        (problem,) = refused(environ={variable: "canary"})
        assert problem.path == variable
        assert "did you mean PROVISIONER_STATE_BUCKET?" in problem.problem
        assert "canary" not in str(problem)

    def test_a_flag(self) -> None:
        (problem,) = refused(flags={"regoin": "x"})
        assert (problem.path, "did you mean region?" in problem.problem) == ("regoin", True)

    def test_the_attribute_behind_a_setting_is_no_setting(self) -> None:
        (problem,) = refused(file={"given_state_bucket": "x"}, file_source="p.yaml")
        assert "did you mean state_bucket?" in problem.problem

    def test_variables_of_others_and_internal_ones_are_passed_over(self) -> None:
        environ = {"PROVISIONER_INTERNAL_TOKEN": "x", "HOME": "/", "provisioner_x": "y", "PROVISIONERX": "z"}
        assert load_settings(environ=environ).settings == Settings()


def test_all_problems_of_all_sources_are_said_at_once() -> None:
    found = refused(
        file={"regio": "x", "os": "dos"},
        file_source="p.yaml",
        environ={"PROVISIONER_X": "1", "PROVISIONER_REGION": "nowhere"},
        flags={"log_retention_days": 2},
    )
    assert [problem.path for problem in found] == [
        "regio",
        "PROVISIONER_X",
        "region",
        "os",
        "log_retention_days",
    ]
    assert [problem.problem.rsplit("(from ")[-1] for problem in found] == [
        "file p.yaml)",
        "environment)",
        "environment PROVISIONER_REGION)",
        "file p.yaml)",
        "flag --log-retention-days)",
    ]


class TestFile:
    def test_yaml_and_json(self) -> None:
        assert parse_settings("region: eu-west-1\n", source="p") == {"region": "eu-west-1"}
        assert parse_settings('{"region": "eu-west-1"}', source="p") == {"region": "eu-west-1"}

    @pytest.mark.parametrize("text", ["", "# nothing yet\n"])
    def test_an_empty_one_says_nothing(self, text: str) -> None:
        assert parse_settings(text, source="p") == {}

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("- region", "must be a mapping"),
            ("region: a: b", "line 1"),
            ("region: a\nregion: b", "region: is given more than once (lines 1 and 2)"),
        ],
    )
    def test_another_text_is_refused(self, text: str, said: str) -> None:
        with pytest.raises(InvalidSettings) as raised:
            parse_settings(text, source="p.yaml")
        assert "The settings in p.yaml have 1 problem." in str(raised.value)
        assert said in str(raised.value)

    def test_problems_know_their_line_and_what_was_typed(self) -> None:
        file = parse_settings("# first\naccount_id: 01234567\nos: dos\n", source="p.yaml")
        account, system = refused(file=file, file_source="p.yaml")
        assert account.problem.startswith("01234567 without quotes is a number")
        assert account.problem.endswith("(from file p.yaml, line 2)")
        assert account.example == 'account_id: "01234567"'
        assert system.problem.endswith("(from file p.yaml, line 3)")

    def test_a_value_that_a_flag_replaced_has_no_line(self) -> None:
        file = parse_settings("os: dos", source="p.yaml")
        (problem,) = refused(file=file, file_source="p.yaml", flags={"os": "cpm"})
        assert problem.problem.endswith("(from flag --os)")

    def test_a_value_that_a_flag_replaced_is_not_quoted(self) -> None:
        file = parse_settings("account_id: 01234567", source="p.yaml")
        (problem,) = refused(file=file, file_source="p.yaml", flags={"account_id": 5})
        assert problem.problem.startswith("5 without quotes")

    def test_an_empty_value_is_the_default_where_there_may_be_none(self) -> None:
        file = parse_settings("state_bucket:\ncustom_ami: ~\n", source="p.yaml")
        assert load_settings(file=file, file_source="p.yaml").settings.values() == Settings().values()
        (problem,) = refused(file=parse_settings("region:", source="p.yaml"), file_source="p.yaml")
        assert "is empty" in problem.problem


def test_the_account_that_aws_named_has_its_source() -> None:
    effective = load_settings(flags={"cloud": "aws"})
    known = effective.with_account("210987654321")
    assert (effective.sources["account_id"], known.sources["account_id"]) == ("default", "credentials")
    assert known.settings.account_id == "210987654321"
    fixed = load_settings(flags={"cloud": "aws", "account_id": "210987654321"}).with_account("210987654321")
    assert fixed.sources["account_id"] == "flag --account-id"
