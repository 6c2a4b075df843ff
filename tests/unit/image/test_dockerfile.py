"""The Dockerfile against what it names: sources, entry points, versions. Building it takes Docker itself."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

import pytest

from docs.generate.terraform import read
from engine.model.settings import Allowed, Settings
from engine.operations.folders import modules_root
from engine.terraform import release
from engine.terraform.mirror import holds_provider

ROOT = Path(__file__).parents[3]
PINNED = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)
# Names of packages that only development, tests and the local cloud need.
NOT_SHIPPED = {"awslambdaric", "hypothesis", "moto", "mypy", "pytest", "ruff", "uv", "werkzeug"}


def instructions() -> list[tuple[str, str]]:
    """(instruction, its text on one line), comments left out."""
    lines = [
        line
        for line in (ROOT / "Dockerfile").read_text("utf-8").splitlines()
        if line.strip() and not line.lstrip().startswith("#")
    ]
    text = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in text.splitlines()]


def named(instruction: str) -> list[str]:
    return [text for name, text in instructions() if name == instruction]


def environment() -> dict[str, str]:
    pairs = [pair for text in named("ENV") for pair in shlex.split(text)]
    return dict(pair.split("=", 1) for pair in pairs)


def ignored(path: str) -> bool:
    """Whether .dockerignore keeps a path from the build: the last pattern that fits it, or a folder of it."""
    parts = PurePosixPath(path).parts
    folders = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
    answer = False
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!").removeprefix("**/")
        anywhere = "**/" in line
        candidates = [*folders, *(parts if anywhere else ())]
        if any(fits(one, pattern) for one in candidates):
            answer = not line.startswith("!")
    return answer


def fits(path: str, pattern: str) -> bool:
    """As Go's filepath.Match: a star stays within a folder."""
    return path.count("/") == pattern.count("/") and fnmatchcase(path, pattern)


def pinned(name: str) -> dict[str, str]:
    return dict(PINNED.findall((ROOT / "requirements" / name).read_text("utf-8")))


def test_everything_that_is_copied_is_there_and_let_through() -> None:
    sources = [
        source for text in named("COPY") if not text.startswith("--from") for source in text.split()[:-1]
    ]
    assert {"engine", "modules", "requirements/service.txt"} <= set(sources)
    for source in sources:
        path = ROOT / source
        assert path.exists(), f"COPY {source}: there is no such thing"
        files = [path] if path.is_file() else [one for one in path.rglob("*.*") if one.is_file()]
        assert any(not ignored(str(one.relative_to(ROOT))) for one in files), f"{source} is ignored"


@pytest.mark.parametrize(
    ("path", "kept_out"),
    [
        ("engine/service/api.py", False),
        ("engine/model/data/tiers.yaml", False),
        ("engine/workspace/templates/cluster.yaml.j2", False),
        ("engine/workspace/templates/cdktf.out/stacks/README.md", False),
        ("modules/fsx/main.tf", False),
        ("modules/node-scripts/files/lib/users.py", False),
        ("modules/fsx/tests/defaults.tftest.hcl", True),
        ("modules/fsx/examples/complete/main.tf", True),
        ("modules/service/policies/reader.json", True),
        ("engine/local/server.py", True),
        ("engine/model/__pycache__/spec.pyc", True),
        ("requirements/service.txt", False),
        ("requirements/dev.txt", True),
        ("workspaces/bootstrap/.terraform.lock.hcl", False),
        ("workspaces/bootstrap/terraform.tfvars", True),
        (".git/config", True),
        (".provisioner/logs/x.log", True),
        ("tests/conftest.py", True),
        ("provisioner.yaml", True),
    ],
)
def test_what_is_kept_out_of_the_build(path: str, kept_out: bool) -> None:
    assert ignored(path) is kept_out


def test_both_entry_points_are_functions_of_two_arguments() -> None:
    declared = (ROOT / "modules" / "service" / "main.tf").read_text("utf-8")
    handlers = re.findall(r'handler\s*=\s*"([\w.]+)"', declared)
    assert len(handlers) == 2
    assert named("CMD") == [f'["{handlers[0]}"]'], "the image's own entry point is the API's"
    for handler in handlers:
        module, _, function = handler.rpartition(".")
        path = ROOT / (module.replace(".", "/") + ".py")
        assert path.is_file(), f"{handler}: there is no {path.name}"
        body = ast.parse(path.read_text("utf-8")).body
        found = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
        assert len(found[function].args.args) == 2, f"{handler} does not take event and context"


def test_a_setting_that_names_a_file_names_one_of_the_image() -> None:
    declared = read(ROOT / "modules" / "service").variables["settings"]["validation"]
    paths = {name for name, field in Settings.model_fields.items() if Allowed("a path") in field.metadata}
    assert {"tiers", "prices", "policies"} <= paths
    said = [set(re.findall(r'"([a-z_]+)"', one["condition"])) for one in declared]
    left_out, absolute = said[1], said[2]
    assert paths <= left_out | absolute, "neither refused nor held to be absolute"


def test_the_image_has_the_versions_that_are_tested() -> None:
    shipped, tested = pinned("service.txt"), pinned("dev.txt")
    assert {name: version for name, version in shipped.items() if tested.get(name) != version} == {}
    assert NOT_SHIPPED.isdisjoint(shipped)


def test_the_image_has_what_the_engine_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["tracing"]]
    names = {re.match(r"[A-Za-z0-9-]+", one)[0].lower() for one in asked}  # type: ignore[index]
    assert names <= set(pinned("service.txt"))
    assert "--require-hashes" in " ".join(named("RUN"))


def test_python_is_one_that_the_engine_runs_on() -> None:
    (base,) = named("ARG")
    version = re.fullmatch(r"BASE=public\.ecr\.aws/lambda/python:3\.(\d+)", base)
    assert version and 11 <= int(version[1]) <= 13
    assert named("FROM") == ["${BASE} AS build", "${BASE}"], "both stages have the same Python"


def test_terraform_and_provider_are_where_the_environment_says() -> None:
    variables = environment()
    assert "--from=build /bundle/terraform /opt/terraform" in named("COPY")
    built = " ".join(named("RUN"))
    for variable, folder in (("PROVISIONER_TERRAFORM", "bin/terraform"), ("TF_PLUGIN_MIRROR", "providers")):
        assert variables[variable] == f"/opt/terraform/{folder}"
        assert f"/bundle/terraform/{folder}" in built
    assert variables["PATH"].startswith("/opt/terraform/bin:")
    assert "linux_amd64" in release.CHECKSUMS
    # The setting of that name is what the variable sets.
    assert "terraform" in Settings.model_fields


def test_the_mirror_has_the_layout_that_the_engine_looks_for(tmp_path: Path) -> None:
    """The loop that unpacks the provider, run on names as `terraform providers mirror` gives them."""
    (folder,) = re.findall(r"folder=/bundle/terraform/providers/(\S+)", " ".join(named("RUN")))
    name = "terraform-provider-aws_5.100.0_linux_amd64".removeprefix("terraform-provider-aws_")
    version, _, platform = name.partition("_")
    place = folder.replace("${version_platform%%_*}", version).replace("${version_platform#*_}", platform)
    unpacked = tmp_path / place
    unpacked.mkdir(parents=True)
    (unpacked / "terraform-provider-aws_v5.100.0_x5").touch()
    assert holds_provider(tmp_path, product="terraform", platform="linux_amd64")


def test_nothing_is_written_but_below_tmp() -> None:
    variables = environment()
    assert variables["HOME"] == "/tmp"
    assert "TF_PLUGIN_CACHE_DIR" not in variables and "TF_CLI_CONFIG_FILE" not in variables
    declared = (ROOT / "modules" / "service" / "main.tf").read_text("utf-8")
    for setting in ("home", "workspaces_dir"):
        assert re.search(rf'\b{setting}\s*=\s*"/tmp/', declared)


def test_it_runs_without_rights_and_downloads_nothing_later() -> None:
    assert named("USER") == ["65534:65534"]
    # The last stage copies what the first has made, and runs nothing.
    stage = instructions()[[text for _, text in instructions()].index("${BASE}") :]
    assert {name for name, _ in stage} == {"FROM", "COPY", "ENV", "USER", "CMD"}


def test_the_modules_of_a_project_are_all_in_the_image() -> None:
    for module in modules_root().iterdir():
        if module.name != "service":
            assert not ignored(f"modules/{module.name}/main.tf"), module.name
