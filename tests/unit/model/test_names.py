"""Names are deterministic, cannot collide, and keep to the rules of what they name."""

from __future__ import annotations

import dataclasses
import re
import uuid

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from engine.errors import InvalidSettings, InvalidSpec
from engine.model.names import ID_PATTERN, Names, id_problem, names_for, split_project

ACCOUNT = "123456789012"

ids = st.from_regex(ID_PATTERN, fullmatch=True)
# Few characters, so that ids which differ only in case, dashes or the border between them do turn up.
similar_ids = st.text("aA-1", min_size=1, max_size=4).filter(lambda text: id_problem(text) is None)


def names(vlab_id: str, project_id: str) -> Names:
    return names_for(vlab_id, project_id, account_id=ACCOUNT)


def test_the_names_of_a_project_never_change() -> None:
    # Recovery finds what was made by its name: a change here orphans every existing project.
    assert dataclasses.asdict(names("lab-1", "proj-1")) == {
        "vlab_id": "lab-1",
        "project_id": "proj-1",
        "project": "lab-1/proj-1",
        "cluster": "pc-lab-1-proj-1-fzz74kmepm",
        "stack": "pc-lab-1-proj-1-fzz74kmepm-stack",
        "database": "pc_lab_1_proj_1_fzz74kmepm",
        "database_user": "slurm_fzz74kmepm",
        "accounting_secret": "provisioner/pc-lab-1-proj-1-fzz74kmepm/accounting",
        "bucket": "pc-123456789012-lab-1-proj-1-fzz74kmepm",
        "key_pair": "pc-lab-1-proj-1-fzz74kmepm",
        "key_secret": "provisioner/pc-lab-1-proj-1-fzz74kmepm/ssh-key",
        "user_key_pair": "pc-lab-1-proj-1-fzz74kmepm-user",
        "user_key_secret": "provisioner/pc-lab-1-proj-1-fzz74kmepm/user-key",
        "authorized_keys_key": "projects/pc-lab-1-proj-1-fzz74kmepm/authorized_keys",
        "lustre": "pc-lab-1-proj-1-fzz74kmepm",
        "efs": "pc-lab-1-proj-1-fzz74kmepm",
        "subnet": "pc-lab-1-proj-1-fzz74kmepm",
        "state_key": "projects/lab-1/proj-1/terraform.tfstate",
        "directory": "pc-lab-1-proj-1-fzz74kmepm",
    }


@given(vlab_id=ids, project_id=ids)
@example(vlab_id="0", project_id="9")
@example(vlab_id="a" * 64, project_id="Z" * 64)
@example(vlab_id="abcdefghij-k", project_id="a" + "-" * 62 + "b")
@example(vlab_id="xn--a", project_id="b-s3alias")
@example(vlab_id="11111111-2222-3333-4444-555555555555", project_id="192-168-0-1")
def test_names_keep_the_rules(vlab_id: str, project_id: str) -> None:
    made = names(vlab_id, project_id)
    # ParallelCluster: 40 characters where there is a Database, a letter first
    assert re.fullmatch(r"[a-z][a-z0-9-]{0,39}", made.cluster)
    assert re.fullmatch(r"pc-[a-z0-9-]{1,11}-[a-z0-9-]{1,11}-[a-z2-7]{10}", made.cluster)
    assert "--" not in made.cluster
    assert made.stack != made.cluster and re.fullmatch(r"[a-z][a-z0-9-]{0,127}", made.stack)
    assert re.fullmatch(r"[0-9a-z_]{1,64}", made.database)
    # MySQL user guide, "Account names": 32 characters
    assert re.fullmatch(r"[0-9a-z_]{1,32}", made.database_user)
    # S3: 3 to 63 characters, no reserved beginnings and endings
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", made.bucket)
    assert "--" not in made.bucket
    assert not made.bucket.startswith(("xn--", "sthree-", "amzn-s3-demo-"))
    assert not made.bucket.endswith(("-s3alias", "--ol-s3", "--x-s3", "--table-s3"))
    assert made.bucket.startswith(f"pc-{ACCOUNT}-")
    assert re.fullmatch(r"[a-z0-9/-]{1,512}", made.key_secret)
    assert made.state_key.split("/") == ["projects", vlab_id, project_id, "terraform.tfstate"]


@given(first=st.tuples(ids, ids), second=st.tuples(ids, ids))
def test_different_projects_share_no_name(first: tuple[str, str], second: tuple[str, str]) -> None:
    assume(first != second)
    no_name_in_common(first, second)


@given(first=st.tuples(similar_ids, similar_ids), second=st.tuples(similar_ids, similar_ids))
@example(first=("a-b", "c"), second=("a", "b-c"))
@example(first=("Lab", "x"), second=("lab", "x"))
@example(first=("a", "b"), second=("b", "a"))
@example(first=("a--b", "c"), second=("a-b", "c"))
@example(first=("ab", "c"), second=("a", "bc"))
def test_projects_that_look_alike_share_no_name(first: tuple[str, str], second: tuple[str, str]) -> None:
    assume(first != second)
    no_name_in_common(first, second)


def test_ids_that_differ_behind_the_cut_share_no_name() -> None:
    no_name_in_common(("a" * 63 + "x", "p"), ("a" * 63 + "y", "p"))


def no_name_in_common(first: tuple[str, str], second: tuple[str, str]) -> None:
    one, other = dataclasses.asdict(names(*first)), dataclasses.asdict(names(*second))
    same = {key for key in one if one[key] == other[key]}
    assert same <= {"vlab_id", "project_id"}
    # Folders also differ on a file system that takes upper and lower case for the same.
    assert one["directory"].lower() != other["directory"].lower()


@given(vlab_id=st.uuids(), project_id=st.uuids())
def test_uuids_are_ids(vlab_id: uuid.UUID, project_id: uuid.UUID) -> None:
    assert names(str(vlab_id), str(project_id)).project == f"{vlab_id}/{project_id}"


@pytest.mark.parametrize(
    "bad",
    ["", "-a", "a-", "a_b", "a/b", "..", ".", "a.b", " a", "a ", "a\n", "é", "a" * 65, "a\x00b", "${x}", "٣"],
)
def test_an_id_that_is_none_names_nothing(bad: str) -> None:
    with pytest.raises(InvalidSpec) as raised:
        names(bad, "proj-1")
    assert [problem.path for problem in raised.value.problems] == ["vlab_id"]
    with pytest.raises(InvalidSpec) as raised:
        names(bad, bad)
    assert [problem.path for problem in raised.value.problems] == ["vlab_id", "project_id"]


@given(st.text(max_size=70))
def test_the_words_and_the_pattern_agree(text: str) -> None:
    # `$` of Python's re also matches before a last newline; that of JSON Schema does not.
    assert (id_problem(text) is None) == bool(re.fullmatch(ID_PATTERN.strip("^$"), text))


@pytest.mark.parametrize(
    "account", ["", "12345678901", "1234567890123", "12345678901a", "１２３４５６７８９０１２"]
)
def test_an_account_has_twelve_digits(account: str) -> None:
    with pytest.raises(InvalidSettings, match="account_id"):
        names_for("lab-1", "proj-1", account_id=account)


@given(vlab_id=ids, project_id=ids)
def test_a_project_is_read_back_from_its_text(vlab_id: str, project_id: str) -> None:
    assert split_project(names(vlab_id, project_id).project) == (vlab_id, project_id)


@pytest.mark.parametrize("text", ["", "lab-1", "lab-1/", "/proj", "a/b/c", "../x", "lab-1/proj-1\n"])
def test_other_texts_name_no_project(text: str) -> None:
    with pytest.raises(InvalidSpec):
        split_project(text)
