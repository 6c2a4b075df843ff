"""Init is left out where it would do nothing, and done where anything it reads or left has changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from engine.errors import TerraformInterrupted
from engine.terraform.events import CommandStarted

if TYPE_CHECKING:
    from tests.functional.terraform.conftest import Workplace

# Leaves what Terraform's init leaves: a list of modules, the backend, and a link to the provider's package.
INIT = """
mkdir -p .terraform/modules .terraform/providers
echo '{"Modules":[{"Key":"","Dir":"."},{"Key":"a","Dir":"../modules/a"}]}' > .terraform/modules/modules.json
echo '{"backend":{"hash":1}}' > .terraform/terraform.tfstate
ln -sfn "$PACKAGE" .terraform/providers/aws
"""
ROOT: dict[str, Any] = {
    "terraform": {"backend": {"s3": {"key": "one"}}, "required_providers": {"aws": {"version": "~> 5.100"}}},
    "provider": {"aws": {"region": "us-east-1"}},
    "module": {"a": {"source": "../modules/a", "size": 1}},
}


@pytest.fixture
def place(workplace: Workplace, pretender: Callable[..., Path], tmp_path: Path) -> Callable[[], bool]:
    """A root with a module and a provider; `place()` inits it and says whether that ran Terraform."""
    for path, text in {
        "package/provider": "the program",
        "modules/a/main.tf": "",
        "backend.hcl": 'bucket = "one"',
        "terraformrc": "disable_checkpoint = true",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (workplace.folder / "main.tf.json").write_text(json.dumps(ROOT))
    (workplace.folder / ".terraform.lock.hcl").write_text("# pins")
    program = pretender(INIT)

    def init(**env: str) -> bool:
        workplace.events.clear()
        environment = {
            "PACKAGE": str(tmp_path / "package"),
            "TF_CLI_CONFIG_FILE": str(tmp_path / "terraformrc"),
        }
        runner = workplace.runner(binary=program, env=workplace.environment() | environment | env)
        runner.init(backend_config=tmp_path / "backend.hcl")
        return CommandStarted("init") in workplace.events

    assert init()
    return init


def rewrite(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_init_again_is_left_out(place: Callable[..., bool], workplace: Workplace) -> None:
    assert not place()
    # AND also when only what the modules are given has changed, or who signed in
    rewrite(workplace.folder / "main.tf.json", module={"a": {"source": "../modules/a", "size": 2}}, output={})
    (workplace.folder / "terraform.tfvars.json").write_text("{}")
    assert not place(AWS_SESSION_TOKEN="another")


CHANGES: dict[str, Callable[[Path, Path], object]] = {
    "backend": lambda folder, _: rewrite(
        folder / "main.tf.json", terraform={**ROOT["terraform"], "backend": {"s3": {"key": "two"}}}
    ),
    "provider's version": lambda folder, _: rewrite(
        folder / "main.tf.json", terraform={**ROOT["terraform"], "required_providers": {"aws": "~> 6"}}
    ),
    "another module": lambda folder, _: rewrite(folder / "main.tf.json", module={"b": {"source": "./b"}}),
    "another provider's resource": lambda folder, _: rewrite(
        folder / "main.tf.json", resource={"random_id": {}}
    ),
    "file beside the root": lambda folder, _: (folder / "more.tf").write_text('module "b" {}'),
    "module's text": lambda _, base: (base / "modules/a/main.tf").write_text('module "b" {}'),
    "lock file": lambda folder, _: (folder / ".terraform.lock.hcl").write_text("# other pins"),
    "no lock file": lambda folder, _: (folder / ".terraform.lock.hcl").unlink(),
    "backend's settings": lambda _, base: (base / "backend.hcl").write_text('bucket = "two"'),
    "CLI configuration": lambda _, base: (base / "terraformrc").write_text(""),
    "Terraform": lambda _, base: (base / "bin/pretender").write_text(f"#!/bin/sh\n# 2\n{INIT}"),
    "provider's package": lambda _, base: (base / "package/provider").write_text("another program"),
    "package is gone": lambda _, base: shutil.rmtree(base / "package"),
    "no .terraform": lambda folder, _: shutil.rmtree(folder / ".terraform"),
    "no providers": lambda folder, _: shutil.rmtree(folder / ".terraform/providers"),
    "no modules": lambda folder, _: shutil.rmtree(folder / ".terraform/modules"),
    "backend by another hand": lambda folder, _: (folder / ".terraform/terraform.tfstate").write_text("{}"),
    "damaged list": lambda folder, _: (folder / ".terraform/modules/modules.json").write_text("{"),
    "damaged record": lambda folder, _: (folder / ".terraform/provisioner-init.json").write_text("{"),
    "another state": lambda folder, _: (folder / ".terraform/environment").write_text("other"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_init_runs_when_anything_has_changed(
    change: str, place: Callable[..., bool], workplace: Workplace, tmp_path: Path
) -> None:
    CHANGES[change](workplace.folder, tmp_path)
    assert place()


def test_init_runs_in_another_region(place: Callable[..., bool]) -> None:
    assert place(AWS_REGION="eu-central-1")


def test_a_copy_of_the_folder_is_another_place(place: Callable[..., bool], workplace: Workplace) -> None:
    workplace.folder = Path(
        shutil.copytree(workplace.folder, workplace.folder.with_name("copy"), symlinks=True)
    )
    assert place()


def test_a_wish_to_stop_is_not_left_out(workplace: Workplace, place: Callable[..., bool]) -> None:
    runner = workplace.runner()
    runner.interrupt()
    with pytest.raises(TerraformInterrupted):
        runner.init()


def test_terraform_itself_finds_nothing_to_do(workplace: Workplace) -> None:
    # GIVEN a root with the AWS provider, initialised by real Terraform
    source = (
        'terraform {\n  required_providers {\n    aws = {\n      source = "hashicorp/aws"\n    }\n  }\n}\n'
    )
    runner = workplace.write(source).runner()
    runner.init()
    workplace.events.clear()
    # WHEN
    runner.init()
    # THEN it did not run, and what is there is enough
    assert not workplace.events
    assert not runner.plan(workplace.plan).has_changes
    # AND without the provider it does
    shutil.rmtree(workplace.folder / ".terraform" / "providers")
    runner.init()
    assert CommandStarted("init") in workplace.events
    assert (workplace.folder / ".terraform" / "providers").is_dir()
