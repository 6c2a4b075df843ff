"""The frame of the node software: one file that unpacks itself and runs the scripts of a step."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.aws.logs import NODE_FAILED
from tests.nodes.conftest import Node

Render = Callable[[dict[str, str]], str]
Files = dict[str, str]

READ = 'echo "region=$("$PROVISIONER_ROOT/opt/provisioner/node/config" region)"'
SAY = '#!/bin/bash\necho "$(basename "$0") was here"\n'


@pytest.fixture
def frame(files: Files) -> Files:
    """The files without any step's scripts."""
    return {path: text for path, text in files.items() if "/" not in path}


def test_the_scripts_of_a_step_run_in_order_and_no_others(node: Node, render: Render, frame: Files) -> None:
    # GIVEN scripts of two steps, and a file beside them that is no script
    node.software = render(
        {
            **frame,
            "head-start.d/20-second": SAY,
            "head-start.d/10-first": SAY,
            "head-start.d/15-notes.txt": "no script\n",
            "compute-start.d/10-other": SAY,
        }
    )
    url = node.configure({"region": "eu-west-3"})
    # WHEN the head node starts
    done = node.run("head-start", url)
    # THEN its scripts ran, in the log as on the screen, and the configuration lies there for root alone
    assert (done.returncode, done.stderr) == (0, "")
    for text in (done.stdout, node.log):
        assert [line for line in text.splitlines() if "here" in line] == [
            "10-first was here",
            "20-second was here",
        ]
    config = node.root / "etc/provisioner/node.json"
    assert json.loads(config.read_text()) == {"region": "eu-west-3"}
    assert config.stat().st_mode & 0o777 == 0o640


def test_the_first_script_that_fails_ends_the_step_and_its_last_word_is_the_reason(
    node: Node, render: Render, frame: Files
) -> None:
    failing = '#!/bin/bash\necho "all is well"\necho "the disk is full" >&2\necho\nexit 3\n'
    node.software = render({**frame, "head-start.d/10-disk": failing, "head-start.d/20-never": SAY})
    done = node.run("head-start", node.configure({}))
    assert done.returncode == 1
    assert done.stderr == "node.sh: head-start/10-disk failed: the disk is full\n"
    assert "all is well" in done.stdout and "20-never was here" not in node.log


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("", "head-start/10-disk failed: the disk is full"),
        ("rm s3/project/nodes/pc/node.json", "cannot be fetched: fatal error: An error occurred (403)"),
        ("echo { >s3/project/nodes/pc/node.json", "is not JSON; apply the project again"),
        # What no line foresees: no place for the log, none for the files.
        ("rm -r var/log && touch var/log", "mkdir -p "),
        ("touch opt", "mkdir -p "),
    ],
)
def test_the_reason_is_printed(node: Node, render: Render, frame: Files, broken: str, reason: str) -> None:
    """ParallelCluster has a pipe for what a script says on stderr, and drops it on a head node.

    Source   aws-parallelcluster-cookbook, custom_action_executor.py, ScriptRunner and HeadNodeLogger
    """
    failing = '#!/bin/bash\necho "all is well"\necho "the disk is full" >&2\nexit 3\n'
    node.software = render({**frame, "head-start.d/10-disk": failing})
    url = node.configure({})
    node.told(broken)

    done = node.run("head-start", url)

    # THEN the last line that is kept says why, after what the engine looks for
    assert done.returncode == 1
    said = done.stdout.splitlines()[-1].partition(NODE_FAILED)[2]
    assert reason in said
    # AND stderr has the same and nothing else: on a compute node it is part of an event
    assert done.stderr == f"node.sh: {said}\n"


def test_the_reason_is_one_line(node: Node, render: Render, frame: Files) -> None:
    node.software = render(frame)
    node.command("aws", "#!/bin/bash\necho one\necho two\nexit 1\n")
    done = node.run("head-start", node.configure({}))
    assert done.stdout.endswith("cannot be fetched: one two\n")


def test_a_file_that_cannot_be_written_is_not_told_whole(node: Node, render: Render, frame: Files) -> None:
    node.software = render(frame)
    node.command("cat", "#!/bin/bash\nexit 1\n")
    done = node.run("head-start", node.configure({}))
    (said,) = done.stdout.splitlines()
    assert said.startswith(f"{NODE_FAILED}cat > '") and said.endswith(": failed")
    assert done.stderr == said.replace("ERROR: ", "") + "\n"


def test_a_node_without_the_software_says_so(node: Node, render: Render, frame: Files) -> None:
    node.software = render({name: text for name, text in frame.items() if name != "run"})
    done = node.run("head-start", "")
    assert done.returncode == 1
    assert done.stdout.startswith(NODE_FAILED) and "/run" in done.stdout


def test_a_process_that_a_script_leaves_behind_does_not_hold_the_step(
    node: Node, render: Render, frame: Files
) -> None:
    leaving = '#!/bin/bash\nsleep 100 &\necho $! >"$PROVISIONER_ROOT/left"\n'
    node.software = render({**frame, "head-start.d/10-daemon": leaving})
    try:
        assert node.run("head-start", node.configure({})).returncode == 0
    finally:
        os.kill(int((node.root / "left").read_text()), signal.SIGKILL)


def test_what_lies_where_an_administrator_stands_is_not_run(
    node: Node, render: Render, frame: Files, tmp_path: Path
) -> None:
    # GIVEN a node, and a user's folder with packages that are named like Python's own
    node.software = render({**frame, "head-start.d/10-where": f'#!/bin/bash\n{READ}\necho "in $PWD"\n'})
    url = node.configure({"region": "eu-west-3"})
    assert node.run("head-start", url).returncode == 0
    theirs = tmp_path / "theirs"
    for package in ("json", "pathlib", "os"):
        (theirs / package).mkdir(parents=True)
        (theirs / package / "__init__.py").write_text(f"open({str(tmp_path / 'taken')!r}, 'w')\n")
    # WHEN an administrator runs a step again from there
    done = subprocess.run(
        [node.home / "run", "head-start", url],
        env=node.environment(), cwd=theirs, capture_output=True, text=True, check=False,
    )  # fmt: skip
    # THEN nothing of it is run
    assert (done.returncode, done.stderr) == (0, "")
    assert "region=eu-west-3" in done.stdout and "in /\n" in done.stdout
    assert not (tmp_path / "taken").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "a step and the address of the node configuration are needed; got 0 arguments"),
        (("head-start",), "got 1 arguments"),
        (("../../etc", "s3://project/nodes/pc/node.json"), "there is no step '../../etc'"),
        (("head-start", "s3://project/other.json"), "cannot be fetched: fatal error"),
        (("head-start", "s3://project/broken.json"), "is not JSON"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(
    node: Node, render: Render, frame: Files, arguments: tuple[str, ...], said: str
) -> None:
    node.software = render({**frame, "head-start.d/10-first": SAY})
    node.configure({})
    node.put("s3://project/broken.json", "{")
    done = node.run(*arguments)
    assert done.returncode == 1
    assert said in done.stderr
    assert "was here" not in done.stdout
    # AND what was there before is not taken for the new one
    assert not (node.root / "etc/provisioner/node.json").exists()


def test_the_configuration_is_tried_for_again(node: Node, render: Render, frame: Files) -> None:
    node.software = render({**frame})
    done = node.run("head-start", "s3://project/other.json")
    assert "Forbidden" in done.stderr
    assert (node.s3 / "calls").read_text().count("other.json") == 3


def test_a_later_version_leaves_nothing_of_an_earlier_one(node: Node, render: Render, frame: Files) -> None:
    # GIVEN a node on which an earlier version ran, and one that was stopped half-way
    node.software = render({**frame, "head-start.d/10-old": SAY, "lib/old": "x\n"})
    url = node.configure({})
    assert node.run("head-start", url).returncode == 0
    (node.root / "opt/provisioner/node.new/head-start.d").mkdir(parents=True)
    (node.root / "opt/provisioner/node.new/head-start.d/10-half").write_text("#!/bin/bash\nexit 1\n")
    # WHEN a later one runs, twice
    node.software = render({**frame, "head-start.d/10-new": SAY})
    for _ in range(2):
        done = node.run("head-start", url)
        # THEN only its own scripts are there
        assert (done.returncode, done.stderr) == (0, "")
        assert [path.name for path in (node.home / "head-start.d").iterdir()] == ["10-new"]
    assert {path.name for path in node.home.parent.iterdir()} == {"node"}


def test_files_come_out_as_they_went_in(node: Node, render: Render, files: Files) -> None:
    # GIVEN a text with everything that a shell or Terraform would read as its own
    odd = "#!/usr/bin/env python3\nprint('''$HOME `id` ${x} %{ if } \\\\ \"EOF\"''')\nEOF\n"
    node.software = render({**{"run": "#!/bin/bash\n"}, "a/odd": odd, "a/plain": "no script\n"})
    assert node.run("head-start", "").returncode == 0
    assert (node.home / "a/odd").read_text() == odd
    assert (node.home / "a/odd").stat().st_mode & 0o777 == 0o755
    assert (node.home / "a/plain").stat().st_mode & 0o777 == 0o644
    # AND all of ours end with a new line, which the module demands
    assert [path for path, text in files.items() if not text.endswith("\n")] == []


def test_bash_scripts_read_the_configuration(node: Node, render: Render, frame: Files) -> None:
    script = (
        "#!/bin/bash\nset -e\nconfig=$PROVISIONER_ROOT/opt/provisioner/node/config\n"
        'for key in a.b a.n a.none a.list a.missing; do "$config" "$key"; done\n'
    )
    node.software = render({**frame, "head-start.d/10-read": script})
    done = node.run("head-start", node.configure({"a": {"b": "text", "n": 7, "none": None, "list": [1]}}))
    assert "\ntext\n7\n\n[1]\n" in done.stdout
    assert "has no a.missing; apply the project again" in done.stderr


def test_python_is_that_of_the_oldest_system(files: Files) -> None:
    scripts = {
        name: text for name, text in files.items() if name.endswith(".py") or re.match(r"#!.*python", text)
    }
    assert len(scripts) >= 5
    for name, text in scripts.items():
        ast.parse(text, filename=name, feature_version=(3, 9))
