"""Which file a job wrote to, and its last bytes, with the rights of the job's user."""

from __future__ import annotations

import os
import pwd
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from job_records.accounting import Row
from job_records.outputs import expand, output_paths, read_tails
from job_records.tails import ReaderFailed, Unavailable, as_user, read_tail

NAMES = {"A": "100", "a": "7", "b": "7", "j": "107", "J": "107", "N": "n1", "n": "0", "t": "0", "s": "batch",
         "u": "sim", "x": "my job"}  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("slurm-%j.out", "slurm-107.out"),
        ("%A_%a.log", "100_7.log"),
        ("%x-%u-%N.txt", "my job-sim-n1.txt"),
        ("out-%5j-%3a", "out-00107-007"),
        ("100%%-%j", "100%-107"),
        ("%q%z", "%q%z"),
        (r"raw\%j", "raw%j"),
        ("%10x", "my job"),
    ],
)
def test_sbatchs_patterns(pattern: str, path: str) -> None:
    assert expand(pattern, NAMES) == path


def row(**columns: str) -> Row:
    base = {"JobIDRaw": "107", "JobID": "107", "JobName": "job", "User": "sim", "NodeList": "n[1-2]",
            "WorkDir": "/home/sim", "SubmitLine": "sbatch run.sh", "StdOut": "", "StdErr": ""}  # fmt: skip
    return Row({**base, **columns})


@pytest.mark.parametrize(
    ("columns", "marker", "paths"),
    [
        # Slurm 24.05 and newer: sacct knows.
        ({"StdOut": "/data/o-%j", "StdErr": "/data/e-%j"}, {}, ("/data/o-107", "/data/e-107")),
        ({"StdOut": "o-%N"}, {}, ("/home/sim/o-n1", "/home/sim/o-n1")),
        # 23.11: the marker does.
        ({}, {"STDOUT": "o.txt", "STDERR": "e.txt"}, ("/home/sim/o.txt", "/home/sim/e.txt")),
        # Nobody does: sbatch's default.
        ({}, {"BATCH": "yes"}, ("/home/sim/slurm-107.out", "/home/sim/slurm-107.out")),
        ({"JobID": "100_7"}, {}, ("/home/sim/slurm-100_7.out", "/home/sim/slurm-100_7.out")),
        # Interactive jobs write to the terminal.
        ({"SubmitLine": "srun hostname"}, {}, (None, None)),
        ({"SubmitLine": "/opt/slurm/bin/salloc"}, {"BATCH": "no"}, (None, None)),
    ],
)
def test_where_output_went(
    columns: dict[str, str], marker: dict[str, str], paths: tuple[str | None, str | None]
) -> None:
    assert output_paths(row(**columns), marker) == paths


def test_where_output_went_without_the_database() -> None:
    marker = {"JOBID": "5", "WORK_DIR": "/home/sim", "BATCH": "yes", "STDOUT": "%j.out", "NODES": "n1"}
    assert output_paths(None, marker) == ("/home/sim/5.out", "/home/sim/5.out")
    # Cancelled before it began: whatever lies under that name is not its output.
    assert output_paths(None, {**marker, "NODES": ""}) == (None, None)
    assert output_paths(row(NodeList="None assigned"), {}) == (None, None)


def refusal(path: Path) -> str:
    with pytest.raises(Unavailable) as caught:
        read_tail(str(path), 100)
    return str(caught.value)


def test_the_end_of_a_file_and_its_size(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"a" * 50 + b"end")
    assert read_tail(str(path), 5) == (b"aaend", 53)
    assert read_tail(str(path), 500) == (b"a" * 50 + b"end", 53)
    assert read_tail(str(path), 0) == (b"", 53)


def test_a_sparse_file_of_many_gigabytes_costs_no_more_than_its_end(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with path.open("wb") as file:
        file.seek(1 << 40)
        file.write(b"end")
    assert read_tail(str(path), 5) == (b"\0\0end", (1 << 40) + 3)


def test_what_is_not_the_jobs_own_file_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("secret")
    link, pipe, folder = tmp_path / "link", tmp_path / "pipe", tmp_path / "folder"
    link.symlink_to(target)
    os.mkfifo(pipe)
    folder.mkdir()
    assert refusal(link) == "a symbolic link"
    assert refusal(pipe) == "not a regular file"
    assert refusal(folder) == "not a regular file"
    assert refusal(Path("/dev/zero")) == "not a regular file"
    assert refusal(tmp_path / "none") == "no such file on the head node"
    assert refusal(target / "below") == "no such file on the head node"
    with pytest.raises(Unavailable):
        read_tail("a\0b", 10)


def test_the_kernels_own_files_give_nothing() -> None:
    assert read_tail("/proc/self/environ", 100) == (b"", 0)


ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="takes on another user's rights: root only")


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory that another user may write to; pytest's own are closed to others."""
    import shutil
    import tempfile

    path = Path(tempfile.mkdtemp(prefix="tails-"))
    path.chmod(0o777)
    yield path
    shutil.rmtree(path)


@ROOT_ONLY
def test_files_are_read_with_the_users_rights_alone(shared: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    own, roots, linked = shared / "own", shared / "roots", shared / "linked"
    own.write_text("own text")
    os.chown(own, nobody.pw_uid, nobody.pw_gid)
    roots.write_text("root's text")
    roots.chmod(stat.S_IRUSR)
    # Readable, but somebody else's: a hard link, or an output path chosen to show it.
    linked.write_text("readable by all")
    linked.chmod(0o644)
    tails = read_tails("nobody", str(nobody.pw_uid), [str(own), str(roots), str(linked), str(own)], 4)
    assert [(tail.data, tail.unavailable) for tail in tails.values()] == [
        (b"text", ""),
        (b"", "the user may not read it"),
        (b"", "it belongs to another user"),
    ]
    assert tails[str(own)].size == 8


def test_a_user_that_the_node_does_not_know_has_no_tails() -> None:
    tails = read_tails("gone", "4123456", ["/x"], 10)
    assert tails["/x"].unavailable == "no user gone on the head node"
    assert read_tails("gone", "", ["/x"], 10)["/x"].unavailable == "no user gone on the head node"


@pytest.mark.parametrize("name", ["root", "daemon"])
def test_nothing_is_read_with_the_rights_of_a_systems_user(tmp_path: Path, name: str) -> None:
    account = pwd.getpwnam(name)
    own = tmp_path / "own"
    own.write_text("for nobody's record")
    tail = read_tails(name, str(account.pw_uid), [str(own)], 100)[str(own)]
    assert (tail.data, tail.unavailable) == (b"", "not read for a system's user")


def test_a_file_system_that_does_not_answer_is_given_up() -> None:
    account = pwd.getpwuid(os.geteuid())
    with pytest.raises(ReaderFailed, match="did not answer"):
        as_user(account, lambda: time.sleep(60), timeout_s=0.1)


def test_a_reader_that_fails_says_so() -> None:
    def fail() -> None:
        raise RuntimeError

    with pytest.raises(ReaderFailed):
        as_user(pwd.getpwuid(os.geteuid()), fail)
