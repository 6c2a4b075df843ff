"""Every refusal names the field, says what is wrong and what is allowed, and all come at once."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import FieldProblem, InvalidSpec
from engine.model.spec import LustreStorage, load_spec

START = "vlab_id: a\nproject_id: b\n"


def refused(text: str, known_tiers: list[str] | None = None) -> list[FieldProblem]:
    with pytest.raises(InvalidSpec) as raised:
        load_spec(text, source="project.yaml", known_tiers=known_tiers)
    assert str(raised.value).startswith("The spec in project.yaml has ")
    assert raised.value.hint
    return raised.value.problems


@pytest.mark.parametrize(
    ("text", "path", "problem", "allowed"),
    [
        ("project_id: b", "vlab_id", "is missing", "letters"),
        ("vlab_id: a", "project_id", "is missing", "letters"),
        ("vlab_id: a\nproject_id: 007", "project_id", "007 without quotes is a number", "letters"),
        ("vlab_id: a\nproject_id: no", "project_id", "no without quotes is a boolean", "letters"),
        ("vlab_id: a\nproject_id: 1.50", "project_id", "1.50 without quotes is a number", "letters"),
        ("vlab_id: a\nproject_id: ", "project_id", "is empty", "letters"),
        ("vlab_id: a\nproject_id: ''", "project_id", "is empty", "letters"),
        ("vlab_id: a\nproject_id: [b]", "project_id", "must be text, and is a list", "letters"),
        ("vlab_id: a\nproject_id: a_b", "project_id", "'a_b' contains '_'", "letters"),
        ("vlab_id: a\nproject_id: ../b", "project_id", "contains '.'", "letters"),
        ("vlab_id: a\nproject_id: ' b'", "project_id", "white space", "letters"),
        ("vlab_id: a\nproject_id: b-", "project_id", "'-' at its beginning or end", "letters"),
        (f"vlab_id: a\nproject_id: {'b' * 65}", "project_id", "has 65 characters", "1 to 64"),
        ('{"vlab_id": "a", "project_id": 7}', "project_id", "7 without quotes is a number", "letters"),
        (START + "tier: Debug", "tier", "'Debug' is not a tier's name", "a tier of the installation"),
        (START + "tier: true", "tier", "true without quotes is a boolean", "a tier"),
        (START + "storage:", "storage", "is empty: leave it out", "{kind: lustre} or {kind: efs}"),
        (START + "storage: efs", "storage", "must be a mapping, and is text", "{kind: efs}"),
        (START + "storage: {}", "storage.kind", "is missing", "lustre, efs"),
        (START + "storage: {kind: luster}", "storage.kind", "did you mean lustre?", "lustre, efs"),
        (START + "storage: {kind: [efs]}", "storage.kind", "a list is not one of the choices", "lustre, efs"),
        (
            START + "storage: {kind: efs, capacity_gib: 1200}",
            "storage.capacity_gib",
            "belongs to kind lustre; kind efs has no such field",
            "the fields kind",
        ),
        (
            START + "storage: {kind: lustre, capcity: 1200}",
            "storage.capcity",
            "did you mean capacity_gib?",
            "the fields kind, capacity_gib, throughput_mbps_per_tib",
        ),
        (
            START + "storage: {kind: lustre, capacity_gib: '2400'}",
            "storage.capacity_gib",
            "leave out the quotes",
            "1200",
        ),
        (
            START + "storage: {kind: lustre, capacity_gib: big}",
            "storage.capacity_gib",
            "not a whole number",
            "1200",
        ),
        (
            START + "storage: {kind: lustre, capacity_gib: 2400.0}",
            "storage.capacity_gib",
            "not a whole number",
            "1200",
        ),
        (
            START + "storage: {kind: lustre, capacity_gib: yes}",
            "storage.capacity_gib",
            "is a boolean",
            "1200",
        ),
        (
            START + "storage: {kind: lustre, capacity_gib: 3600}",
            "storage.capacity_gib",
            "2400 and 4800",
            "1200",
        ),
        (
            START + "storage: {kind: lustre, capacity_gib: 1300}",
            "storage.capacity_gib",
            "1200 and 2400",
            "1200",
        ),
        (
            START + "storage: {kind: lustre, throughput_mbps_per_tib: 200}",
            "storage.throughput_mbps_per_tib",
            "200 is not one of the choices",
            "125, 250, 500 or 1000",
        ),
        (START + "compute: {max_nodes: 0}", "compute.max_nodes", "0 is too small", "from 1 to 1000"),
        (START + "compute: {max_nodes: 1001}", "compute.max_nodes", "1001 is too large", "from 1 to 1000"),
        (
            START + "compute: {max_nodes: 0x" + "f" * 5000 + "}",
            "compute.max_nodes",
            "beyond all limits",
            "1000",
        ),
        (START + "compute: 8", "compute", "must be a mapping, and is a number", "fields of compute"),
        (START + "max_nodes: 8", "max_nodes", "did you mean compute.max_nodes?", "the fields vlab_id"),
        (START + "headNode: {}", "headNode", "did you mean head_node?", "the fields vlab_id"),
        (START + "storage: {kind: efs, capacity: 1}", "storage.capacity", "is not a known field (", "kind"),
        (START + "zzz: 1", "zzz", "is not a known field (line 3)", "the fields vlab_id, project_id, tier"),
        (
            START + "head_node: {instance_type: big}",
            "head_node.instance_type",
            "'big' is not",
            "family, dot, size",
        ),
        (START + "owner: ''", "owner", "is empty", "1 to 128 characters"),
        (START + "owner: 4711", "owner", "4711 without quotes", "1 to 128 characters"),
        (START + f"owner: {'x' * 129}", "owner", "has 129 characters", "at most 128"),
        (START + 'owner: "a\\nb"', "owner", r"contains '\n'", "letters, digits, spaces"),
        (START + "owner: a#b", "owner", "contains '#'", "+ - = . _ : / @"),
        (START + "tags: [a]", "tags", "must be a mapping, and is a list", "text keys and values"),
        (START + "tags: {a: 1}", "tags.a", "1 without quotes is a number", "text keys and values"),
        (START + "tags: {a: }", "tags.a", "is empty", "text keys and values"),
        (START + "tags: {a b: '${x}'}", "tags['a b']", "contains '$'", "+ - = . _ : / @"),
        (START + "tags: {'%{x}': a}", "tags['%{x}']", "contains '%'", "+ - = . _ : / @"),
        (START + "tags: {'': a}", "tags['']", "empty key", "1 to 128"),
        (START + "tags: {a: ' b'}", "tags.a", "white space", "text keys and values"),
        (
            START + "tags: {Aws:x: a}",
            "tags['Aws:x']",
            "reserved prefix",
            "aws:, parallelcluster:, provisioner:",
        ),
        (
            START + "tags: {provisioner:vlab: a}",
            "tags['provisioner:vlab']",
            "reserved prefix",
            "provisioner:",
        ),
        (START + "tags: {parallelcluster:x: a}", "tags['parallelcluster:x']", "reserved prefix", "aws:"),
        (START + "tags: {Name: a}", "tags.Name", "set by the provisioner", "any other key"),
        (START + f"tags: {{{'k' * 129}: a}}", f"tags['{'k' * 57}...']", "has 129 characters", "at most 128"),
        (START + f"tags: {{a: {'v' * 257}}}", "tags.a", "has 257 characters", "at most 256"),
        (
            START + "tags:\n" + "\n".join(f"  k{n}: v" for n in range(31)),
            "tags",
            "has 31 entries",
            "at most 30",
        ),
        (START + "vlab_id: c", "vlab_id", "given more than once (lines 1 and 3)", "each field once"),
        ("", "document", "is empty", "a mapping"),
        ("- a", "document", "must be a mapping of fields", "a mapping"),
        ("just text", "document", "must be a mapping of fields", "a mapping"),
        ("a: b: c", "document", "line 1, column 5", "YAML"),
        (START + "---\n" + START, "document", "more than one document", "one document"),
    ],
)
def test_a_wrong_spec_is_refused_with_the_reason(text: str, path: str, problem: str, allowed: str) -> None:
    (found,) = refused(text)
    assert found.path == path
    assert problem in found.problem
    assert allowed in found.allowed


def test_the_limits_themselves_are_allowed() -> None:
    tags = "\n".join(f"  k{n}: {'v' * 256}" for n in range(29))
    spec = load_spec(
        f"vlab_id: {'a' * 64}\nproject_id: b\nowner: {'o' * 128}\ntags:\n{tags}\n  {'k' * 128}: v",
        source="test",
    )
    assert len(spec.tags) == 30


def test_a_tag_that_reads_like_the_validation_librarys_own_mark_keeps_its_path() -> None:
    of_the_key, of_the_value = refused(START + "tags: {'[key]': 1}")
    assert of_the_key.path == of_the_value.path == "tags['[key]']"


def test_lines_and_examples_help() -> None:
    (found,) = refused("vlab_id: a\n\nproject_id: 0123\n")
    assert found.problem.endswith("(line 3)")
    assert found.example == 'project_id: "0123"'
    assert "\n  - project_id: 0123 without" in str(InvalidSpec("x", [found]))


@pytest.mark.parametrize(
    "text",
    [
        "project_id: b",
        START + "storage: {}",
        START + "storage: {kind: lustre, capacity_gib: 1}",
        START + "compute: {max_nodes: 0}",
        START + "compute: 1",
        START + "head_node: {instance_type: big}",
        START + "owner: 5",
        START + "tags: {a: 5}",
        START + "tags: []",
        START + "tier: prod",
    ],
)
def test_the_example_works(text: str) -> None:
    # GIVEN a refusal
    (found,) = refused(text, ["debug", "prod-mpi"])
    # WHEN its example stands where the refused field stood
    field, *inner = found.path.split(".")
    line = found.example if field == found.example.split(":")[0] else f"{field}: {{{found.example}}}"
    if field == "storage" and inner != ["kind"]:
        line = f"storage: {{kind: lustre, {found.example}}}"
    rest = "".join(f"{name}: x\n" for name in ("vlab_id", "project_id") if name != field)
    # THEN the spec is good
    load_spec(rest + line, source="test", known_tiers=["debug", "prod-mpi"])


def test_everything_wrong_is_said_at_once() -> None:
    found = refused(
        "vlab_id: a_b\ntier: debgu\nstorage: {kind: efs, capacity_gib: 1}\ncompute: {max_nodes: 0}\n"
        "compute: {}\ntags: {a$: b$, 1: c}\nx: !t y\n",
        ["debug"],
    )
    assert sorted(problem.path for problem in found) == sorted(
        [
            "compute",
            "tags",
            "x",
            "vlab_id",
            "project_id",
            "tier",
            "storage.capacity_gib",
            "compute.max_nodes",
            "tags['a$']",
            "tags['a$']",
        ]
    )


def test_a_tier_outside_the_catalogue_is_refused_with_the_ones_there_are() -> None:
    (found,) = refused(START + "tier: prod-mpo", ["prod-mpi", "debug"])
    assert found.path == "tier"
    assert "did you mean prod-mpi? (line 3)" in found.problem
    assert (found.allowed, found.example) == ("debug, prod-mpi", "tier: prod-mpi")


def test_a_default_tier_that_is_not_in_the_catalogue_is_refused_too() -> None:
    (found,) = refused(START, ["small"])
    assert (found.path, found.allowed) == ("tier", "small")


def test_a_tier_of_the_catalogue_is_taken_and_none_is_checked_without_one() -> None:
    assert load_spec(START + "tier: small", source="test", known_tiers={"small"}).tier == "small"
    assert load_spec(START + "tier: small", source="test").tier == "small"


def test_a_flood_of_problems_is_cut() -> None:
    found = refused(START + "\n".join(f"k{n}: 1" for n in range(4000)))
    assert len(found) == 40
    with pytest.raises(InvalidSpec, match="has more than 40 problems"):
        load_spec(START + "\n".join(f"k{n}: 1" for n in range(41)), source="test")
    assert len(refused(START + "\n".join(f"k{n}: 1" for n in range(40)))) == 40


def test_control_characters_do_not_reach_the_terminal() -> None:
    text = '{"vlab_id": "\\u001b[2J", "\\u001b]0;x\\u0007": 1, "tags": {"\\ud800": "\\u0000"}}'
    for problem in refused(text):
        assert str(problem).isprintable()


@given(st.integers(-(10**9), 10**9))
def test_lustre_has_the_sizes_that_aws_says(gib: int) -> None:
    text = f"{START}storage: {{kind: lustre, capacity_gib: {gib}}}"
    if gib == 1200 or (gib > 0 and gib % 2400 == 0):
        storage = load_spec(text, source="test").storage
        assert isinstance(storage, LustreStorage) and storage.capacity_gib == gib
    else:
        assert refused(text)[0].path == "storage.capacity_gib"


@given(st.text(max_size=200))
def test_no_text_brings_the_reader_down(text: str) -> None:
    try:
        load_spec(text, source="test", known_tiers=["debug"])
    except InvalidSpec as error:
        assert error.problems


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    ),
    st.sampled_from(["vlab_id", "tier", "storage", "compute", "head_node", "owner", "tags", "other"]),
)
def test_no_value_brings_the_checks_down(value: object, field: str) -> None:
    document = {"vlab_id": "a", "project_id": "b", field: value}
    try:
        load_spec(json.dumps(document), source="test")
    except InvalidSpec as error:
        assert all(problem.path and problem.problem for problem in error.problems)
        assert all(str(problem).isprintable() for problem in error.problems)


def test_tags_that_iam_takes_for_one_are_refused_where_a_spec_comes_in() -> None:
    text = START + "tags: {Team: a, b: c, team: d}"
    (problem,) = refused(text, known_tiers=["debug"])
    assert (problem.path, problem.allowed) == ("tags.team", "one of the two")
    assert "'Team'" in problem.problem and "line 3" in problem.problem
    # A project that was applied with such tags can be released all the same.
    assert load_spec(text, source="registry").tags == {"Team": "a", "b": "c", "team": "d"}


def test_an_empty_tag_is_refused_where_a_spec_comes_in() -> None:
    text = START + "tags: {cost: '', team: a}"
    (problem,) = refused(text, known_tiers=["debug"])
    assert (problem.path, problem.allowed) == ("tags.cost", "1 to 256 characters")
    assert "CloudFormation" in problem.problem and "line 3" in problem.problem
    # A parked project that was taken in with one can be released and destroyed all the same.
    assert load_spec(text, source="registry").tags == {"cost": "", "team": "a"}
