"""The command line itself: help, JSON, usage errors, completion, and what it costs to start."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from engine.aws.registry import Phase, Registry
from engine.aws.session import Cloud
from engine.aws.steps import Outcome, Step
from engine.cli.main import cli, run
from engine.model.names import names_for
from engine.model.operation import Kind, Wish, requested
from engine.model.spec import dump_spec, load_spec, spec_digest
from engine.operations.bootstrap import Bootstrapped
from engine.review.plan import build_review
from tests.functional.test_orphans import register

HEAVY = {"boto3", "botocore", "cdktf", "jsii", "moto", "rich", "jinja2"}


def commands(group: click.Group, *before: str) -> list[tuple[str, ...]]:
    """Every command and group below this one, as words."""
    found = []
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        found.append((*before, name))
        if isinstance(command, click.Group):
            found += commands(command, *before, name)
    return found


@pytest.fixture
def alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """The command line in a folder of its own, without any cloud: (exit code, stdout, stderr)."""
    for name in [name for name in os.environ if name.startswith(("PROVISIONER_", "AWS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PROVISIONER_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.mark.parametrize("words", commands(cli), ids=" ".join)
def test_every_command_has_help_with_an_example(alone, words: tuple[str, ...]) -> None:
    code, out, _ = alone(*words, "--help")

    assert code == 0
    assert "Example" in out
    examples = out.partition("Example")[2]
    assert f"provisioner {' '.join(words)}" in examples, "the example shows another command"


WITHOUT_JSON = {
    **dict.fromkeys(
        ["adopt", "apply", "destroy", "keep", "rotate-password", "state restore"],
        "changes a project; `status --json` and `operations --json` tell how it went",
    ),
    "demo": "a show for people",
    "serve": "runs until it is stopped",
    "setup": "`--print` gives a script each path",
    "local down": "leaves nothing to tell",
    **dict.fromkeys(["package", "prices", "render"], "writes what --out names, or a file of a fixed name"),
    **dict.fromkeys(["gitlab pipeline", "gitlab comment"], "a step of a pipeline: its result is GitLab's"),
}
"""Command -> why it has no --json."""


def with_json() -> set[str]:
    return {
        " ".join(words)
        for words in commands(cli)
        if any("--json" in option.opts for option in find(words).params)
    }


def find(words: tuple[str, ...]) -> click.Command:
    command: click.Command = cli
    for word in words:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), word)
        assert found is not None
        command = found
    return command


def test_every_command_has_json_or_a_reason_to_have_none() -> None:
    every = {" ".join(words) for words in commands(cli) if not isinstance(find(words), click.Group)}
    assert every - with_json() == set(WITHOUT_JSON)


def test_the_page_names_every_command_that_has_json() -> None:
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text("utf-8")
    sentence = page.partition("`--json` on every reading command")[2].partition("prints one JSON document")[0]
    named = set(re.findall(r"`([^`]+)`", sentence))
    assert named == with_json() - {"release"} | {"release --dry-run"}


def test_help_names_folders_as_nodes_have_them(alone) -> None:
    """docs/nodes.md, "Where data lies"."""
    _, out, _ = alone("release", "--help")
    assert set(re.findall(r"/[a-z/]+", out)) >= {"/data/project/private", "/data/scratch"}
    assert not re.findall(r"(?<!/data)/(?:project|scratch)\b", out)


def test_the_first_help_names_every_command_and_the_first_steps(alone) -> None:
    code, out, _ = alone("--help")

    assert code == 0
    for name in cli.list_commands(click.Context(cli)):
        assert f"\n  {name} " in out
    assert "provisioner local up" in out
    assert "_PROVISIONER_COMPLETE" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["plan"], "Name a spec, or say --all."),
        (["apply", "spec.yaml", "--force"], "No such option"),
        (["status"], "Missing argument 'VLAB/PROJECT'"),
        (["local", "sideways"], "No such command 'sideways'"),
        (["local", "up", "--duration", "cluster_create_s"], "NAME=VALUE"),
        (["local", "up", "--duration", "cluster_create_s=soon"], "--duration"),
        (["local", "up", "--duration", "no_such_s=1"], "no_such_s"),
        (["-s", "region", "settings"], "NAME=VALUE"),
        (["--cloud", "azure", "settings"], "azure"),
        (["-s", "colour=red", "settings"], "colour: is not a known setting"),
        (["--region", "mars-1", "settings"], "region: 'mars-1' is not a region"),
        (["--settings", "absent.yaml", "settings"], "absent.yaml"),
        (["status", "lab-1"], "lab-1"),
        (["status", "lab-1/proj_1"], "proj_1"),
        (["plan", "absent.yaml"], "absent.yaml"),
        (["release", "lab-1/proj-1", "--reports", "reports"], "--reports goes with --dry-run"),
        (["release", "lab-1/proj-1", "--json"], "--json goes with --dry-run"),
        (["release", "lab-1/proj-1", "--dry-run", "--skip-export", "it is empty"], "--skip-export"),
        (["release", "lab-1/proj-1", "--dry-run", "--within", "60"], "--within"),
        (["orphans", "--delete", "--yes"], "--delete takes --confirm ACCOUNT"),
        (["orphans", "--yes"], "--yes goes with --adopt"),
        (["orphans", "--adopt", "--confirm", "123456789012"], "--adopt takes --yes"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_typed_wrong_ends_with_3(alone, tmp_path: Path, arguments: list[str], said: str) -> None:
    code, out, err = alone(*arguments)

    assert (code, out) == (3, "")
    assert said in err
    assert list(tmp_path.iterdir()) == [], "a usage error left something behind"


@pytest.mark.parametrize(
    ("arguments", "said", "how"),
    [
        (["status", "--json"], "Missing argument 'VLAB/PROJECT'", "`provisioner status --help`"),
        (["plan", "spec.yaml", "--json", "--force"], "No such option", "`provisioner plan --help`"),
        (["nonsense", "--json"], "No such command 'nonsense'", "`provisioner --help`"),
        (["drift", "lab-1/proj-1", "--json", "--html"], "requires an argument", "COMMAND --help`"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_typed_wrong_can_be_read_by_a_machine(
    alone, arguments: list[str], said: str, how: str
) -> None:
    code, out, err = alone(*arguments)

    assert (code, out) == (3, "")
    error = json.loads(err)["error"]
    assert error["code"] == "BAD_REQUEST" and said in error["message"] and how in error["hint"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["settings", "--json"], 0),
        (["settings"], 0),
        (["settings", "--help"], 0),
        (["--help"], 0),
        (["local", "status", "--json"], 7),
        (["status", "lab-1"], 3),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_reader_that_goes_early_changes_nothing(tmp_path: Path, arguments: list[str], code: int) -> None:
    # GIVEN nobody who reads, on both outputs
    reading, writing = os.pipe()
    os.close(reading)
    root = Path(__file__).parents[2]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(root), "PROVISIONER_HOME": str(tmp_path)}
    try:
        for outputs in ({"stdout": writing}, {"stdout": writing, "stderr": writing}):
            ended = subprocess.run(
                [sys.executable, "-m", "engine.cli", *arguments],
                **{"stderr": subprocess.PIPE, **outputs},
                cwd=tmp_path,
                env=environment,
                check=False,
            )
            # THEN the command ends as ever, without a word of it
            assert ended.returncode == code
            assert b"BrokenPipe" not in (ended.stderr or b"") and b"Broken pipe" not in (ended.stderr or b"")
    finally:
        os.close(writing)


def test_a_reader_that_goes_in_the_middle(tmp_path: Path) -> None:
    # GIVEN more than a pipe holds
    write = "from engine.cli import main\nimport click\n"
    write += "main.run = lambda: click.echo('x\\n' * 1_000_000) or click.echo('more') or 5\nmain.main()\n"
    process = subprocess.Popen(
        [sys.executable, "-c", write],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline() == b"x\n"
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait(timeout=20) == 5
    process.stderr.close()


def test_an_error_can_be_read_by_a_machine(alone) -> None:
    code, out, err = alone("status", "lab-1", "--json")

    assert (code, out) == (3, "")
    error = json.loads(err)["error"]
    assert error["code"] == "INVALID_SPEC"
    assert error["retryable"] is False


@pytest.mark.parametrize(
    ("met", "code", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "DISK_FULL", "full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "/srv/x"), "DISK_FULL", "/srv/x: disk quota exceeded"),
        (PermissionError(errno.EACCES, "Permission denied", "/srv/x"), "FILE_UNUSABLE", "/srv/x"),
    ],
    ids=["full", "quota", "another user's"],
)
def test_what_the_machine_refuses_is_an_error_as_any_other(
    provisioner, backend, spec, mocker, met: OSError, code: str, said: str
) -> None:
    mocker.patch("engine.operations.planning.write_workspace", side_effect=met)

    ended = provisioner("plan", spec("efs"), "--json").refused(7)

    assert ended.out == ""
    found = json.loads(ended.err[ended.err.index("{") :])["error"]
    assert found["code"] == code and said in found["message"] and "`home`" in found["hint"]
    assert f"[{code}]" in provisioner("plan", spec("efs")).refused(7).err


def test_a_bug_is_no_error_of_the_machine(alone, mocker) -> None:
    mocker.patch("engine.cli.main.cli.main", side_effect=OSError(errno.EBADF, "Bad file descriptor"))
    with pytest.raises(OSError, match="Bad file"):
        alone("settings")


def test_settings_say_where_they_come_from(alone, tmp_path: Path, monkeypatch) -> None:
    # GIVEN one value from each source, and one that two sources name
    (tmp_path / "provisioner.yaml").write_text("lock_table: from-file\nregistry_table: also-from-file\n")
    monkeypatch.setenv("PROVISIONER_REGISTRY_TABLE", "from-environment")

    # WHEN
    code, out, _ = alone("--region", "eu-central-1", "settings", "--json")

    # THEN
    found = json.loads(out)
    assert code == 0
    assert found["lock_table"] == {"value": "from-file", "source": "file provisioner.yaml"}
    assert found["registry_table"] == {
        "value": "from-environment",
        "source": "environment PROVISIONER_REGISTRY_TABLE",
    }
    assert found["region"] == {"value": "eu-central-1", "source": "flag --region"}
    assert found["os"]["source"] == "default"
    assert found["state_bucket"]["value"] == "provisioner-state-123456789012-eu-central-1"

    # AND the table says the same
    assert "from-environment" in alone("settings")[1]


def test_local_status_without_a_local_cloud(alone) -> None:
    code, out, _ = alone("local", "status", "--json")

    assert code == 7
    assert json.loads(out)["state"] == "stopped"
    assert alone("local", "status")[0] == 7
    assert alone("local", "down")[0] == 0


def test_reading_an_empty_registry(provisioner, backend) -> None:
    assert provisioner("list", "--json").ok().json == {"projects": []}
    assert "No projects yet" in provisioner("list").ok().out


@pytest.mark.parametrize("command", [("operations",), ("plans",), ("unlock",), ("state", "list")])
def test_a_project_that_nobody_knows_is_told(command: tuple[str, ...], provisioner, backend) -> None:
    """A misspelt one would look healthy."""
    provisioner(*command, "lab-1/proj-7").refused(3, "UNKNOWN_PROJECT", "lab-1/proj-7")
    # WHEN the registry has it THEN there is merely nothing to show
    register(backend, names_for("lab-1", "proj-7", account_id="123456789012"), Phase.PLANNED)
    provisioner(*command, "lab-1/proj-7").ok()


def test_what_a_destroyed_project_leaves_is_still_shown(provisioner, backend, engine) -> None:
    now = datetime.now(UTC)
    wish = Wish(Kind.DESTROY)
    asked = requested(vlab_id="lab-1", project_id="proj-7", wish=wish, requested_by="ada", now=now)
    engine.operations.submit(asked)
    assert asked.id in provisioner("operations", "lab-1/proj-7").ok().out
    key = names_for("lab-1", "proj-7", account_id="123456789012").state_key
    bucket = "provisioner-state-123456789012-us-east-1"
    backend.s3.put_object(Bucket=bucket, Key=key, Body=b"{}")
    backend.s3.delete_object(Bucket=bucket, Key=key)
    assert "deleted" in provisioner("state", "list", "lab-1/proj-7").ok().out


def test_doctor_before_and_after_bootstrap(cloud, provisioner, make_backend) -> None:
    # GIVEN a cloud with its shared infrastructure but no backend
    before = provisioner("doctor", "--json")
    # THEN what is missing is said, and the rest is looked at all the same
    assert before.code == 7
    failed = [check for check in before.json["checks"] if not check["ok"]]
    assert before.json["ok"] is False
    assert {check["name"].split()[0] for check in failed} == {"state", "lock", "registry"}
    assert all("provisioner bootstrap" in check["hint"] for check in failed)
    assert {check["error"] for check in failed} == {"NOT_BOOTSTRAPPED"}
    assert "3 failed" in provisioner("doctor").refused(7, "3 of", "checks failed").out

    # WHEN
    make_backend(Cloud(region="us-east-1", endpoint_url=cloud.endpoint, local=True))
    # THEN nothing fails; a new account's quotas are small, which is a warning
    after = provisioner("doctor", "--json").ok()
    assert after.json["ok"] is True
    assert {check["name"] for check in after.json["checks"]} >= {"terraform", "AWS account", "shared VPC"}
    assert {tuple(check) for check in after.json["checks"]} == {
        ("subject", "name", "level", "ok", "found", "hint", "error")
    }
    warned = [(check["subject"], check["ok"]) for check in after.json["checks"] if check["level"] != "ok"]
    assert warned == [("quotas", True), ("quotas", True)]
    text = provisioner("doctor").ok()
    assert "Everything is in place, with 2 warnings." in text.err
    assert "(L-1216C47A)" in text.out


def test_doctor_shows_what_is_ok_only_when_asked(cloud, provisioner, make_backend) -> None:
    make_backend(Cloud(region="us-east-1", endpoint_url=cloud.endpoint, local=True))
    cloud.set_quota("ec2", "L-1216C47A", 10_000)
    cloud.set_quota("ec2", "L-F7808C92", 10_000)

    quiet, everything = provisioner("doctor").ok(), provisioner("doctor", "--all").ok()

    assert "Everything is in place.\n" in quiet.err
    assert [line.split()[0] for line in quiet.out.splitlines()] == [
        "tools",
        "backend",
        "shared",
        "network",
        "endpoints",
        "isolation",
        "database",
        "quotas",
    ]
    assert "  ok       private VPC: no Internet Gateway" in everything.out
    assert set(quiet.out.splitlines()) <= set(everything.out.splitlines())


def test_what_is_mended_in_one_go_is_told_once(cloud, provisioner, make_backend) -> None:
    make_backend(Cloud(region="us-east-1", endpoint_url=cloud.endpoint, local=True))
    dynamodb = cloud.client("dynamodb")
    for table in ("provisioner-terraform-locks", "provisioner-registry"):
        dynamodb.update_continuous_backups(
            TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False}
        )

    lines = provisioner("doctor").ok().out.splitlines()

    begin = next(number for number, line in enumerate(lines) if line.startswith("backend"))
    assert lines[begin].endswith("7 ok, 2 warnings")
    assert [line.split(":")[0].split() for line in lines[begin + 1 : begin + 3]] == [
        ["warning", "lock", "table", "recovery"],
        ["warning", "registry", "table", "recovery"],
    ]
    assert "provisioner bootstrap" in lines[begin + 3]


def test_bootstrap_shows_and_asks_in_a_real_account_only(alone, monkeypatch) -> None:
    # GIVEN a backend that lacks its bucket
    change = {"actions": ["create"], "before": None, "after": {"bucket": "states"}}
    bucket = {"address": "aws_s3_bucket.this", "type": "aws_s3_bucket", "name": "this", "mode": "managed"}
    plan = {"format_version": "1.2", "resource_changes": [bucket | {"change": change}]}

    def bootstrap(engine, *, approve):
        approve(build_review(plan, project="bootstrap"))
        return Bootstrapped((Step("state bucket states", Outcome.CREATED),), Path("backend.hcl"))

    monkeypatch.setattr("engine.operations.bootstrap.bootstrap", bootstrap)
    monkeypatch.setattr("engine.cli.invocation.Invocation.engine", lambda *_: None)

    # WHEN nobody is there to confirm THEN the plan is shown and that is all
    code, out, err = alone("--cloud", "aws", "bootstrap")
    assert (code, "aws_s3_bucket.this" in out) == (3, True)
    assert "NOT_CONFIRMED" in err and "--yes" in err

    # WHEN it was confirmed beforehand THEN it is shown all the same, out of the way of JSON
    code, out, err = alone("--cloud", "aws", "bootstrap", "--yes", "--json")
    assert (code, "aws_s3_bucket.this" in err) == (0, True)
    assert json.loads(out) == {
        "steps": [{"name": "state bucket states", "outcome": "created"}],
        "backend_file": "backend.hcl",
    }

    # WHEN it is the local cloud THEN nobody is asked
    code, out, err = alone("bootstrap")
    assert (code, "aws_s3_bucket" in out + err) == (0, False)
    assert "state bucket states  created" in out
    assert "backend.hcl" in err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_made(shell: str) -> None:
    done = completing(f"{shell}_source")

    assert done.returncode == 0, done.stderr
    assert "_PROVISIONER_COMPLETE" in done.stdout
    assert f"{shell}_complete" in done.stdout


def test_completion_offers_commands_and_options() -> None:
    offered = completing("bash_complete", COMP_WORDS="provisioner s", COMP_CWORD="1").stdout
    assert [line.split(",")[1] for line in offered.split()] == [
        "serve",
        "settings",
        "setup",
        "ssh-key",
        "state",
        "status",
    ]

    offered = completing("bash_complete", COMP_WORDS="provisioner local ", COMP_CWORD="2").stdout
    assert "plain,status" in offered
    offered = completing("bash_complete", COMP_WORDS="provisioner destroy --p", COMP_CWORD="2").stdout
    assert offered.strip() == "plain,--purge-data"


def completing(instruction: str, **more: str) -> subprocess.CompletedProcess[str]:
    program = "from engine.cli.main import main; main()"
    environment = {"PATH": os.environ["PATH"], "_PROVISIONER_COMPLETE": instruction, **more}
    return subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60
    )


def imported_by(*arguments: str, **more: str) -> set[str]:
    """Which of the heavy packages are loaded once a command line has run, in a process of its own."""
    program = (
        "import sys\n"
        "from engine.cli.main import run\n"
        f"assert run({list(arguments)!r}) == 0\n"
        f"print('LOADED', *({HEAVY!r} & {{name.split('.')[0] for name in sys.modules}}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **more},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize(
    "arguments", [["--help"], ["plan", "--help"], ["settings"], ["local", "up", "--help"]], ids=" ".join
)
def test_help_and_settings_load_nothing_heavy(arguments: list[str]) -> None:
    assert imported_by(*arguments) == set()


def test_status_and_list_load_neither_cdktf_nor_moto(cloud, provisioner, backend) -> None:
    # GIVEN a project that the registry knows
    spec = load_spec("{vlab_id: lab-1, project_id: proj-1}", source="test")
    Registry(backend, "provisioner-registry").put_new(
        vlab_id="lab-1",
        project_id="proj-1",
        spec_json=dump_spec(spec),
        spec_digest=spec_digest(spec),
        phase=Phase.READY,
        cluster=names_for("lab-1", "proj-1", account_id="123456789012").cluster,
        now=datetime.now(UTC),
    )

    for arguments in (["status", "lab-1/proj-1"], ["list"]):
        assert imported_by(*arguments) <= {"boto3", "botocore"}
