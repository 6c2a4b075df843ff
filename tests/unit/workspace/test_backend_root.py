"""The generated part of workspaces/bootstrap."""

from __future__ import annotations

import json
import re
from pathlib import Path

from engine.model.settings import Settings, load_settings
from engine.workspace.backend_root import (
    IMPORTS_FILE,
    LOCAL_STATE_FILE,
    STATE_KEY,
    VARIABLES_FILE,
    backend_file,
    render_backend_root,
)

ROOT = Path(__file__).parents[3] / "workspaces" / "bootstrap"
REAL = {"cloud": "aws", "account_id": "210987654321", "region": "eu-central-1"}


def settings(**flags: str) -> Settings:
    return load_settings(environ={}, flags=flags).settings


def render(imports: dict[str, str] | None = None, *, local_state: bool = False) -> dict[str, str]:
    return render_backend_root(settings(**REAL), imports or {}, local_state=local_state, locked=True)


def test_the_root_gets_the_names_of_the_settings() -> None:
    found = json.loads(render()[VARIABLES_FILE])

    assert found == {
        "account_id": "210987654321",
        "region": "eu-central-1",
        "state_bucket": "provisioner-state-210987654321-eu-central-1",
        "lock_table": "provisioner-terraform-locks",
        "registry_table": "provisioner-registry",
        "plan_days": 30,
        "s3_use_path_style": False,
    }
    declared = re.findall(r'(?m)^variable "(\w+)"', (ROOT / "variables.tf").read_text("utf-8"))
    assert found.keys() <= set(declared)


def test_the_defaults_of_the_root_are_those_of_the_settings() -> None:
    text = (ROOT / "variables.tf").read_text("utf-8")
    for name in ("lock_table", "registry_table"):
        assert f'default     = "{getattr(settings(), name)}"' in text
    name = 'coalesce(var.state_bucket, "provisioner-state-${var.account_id}-${var.region}")'
    assert name in (ROOT / "main.tf").read_text("utf-8")


def test_what_exists_is_imported_in_a_fixed_order() -> None:
    imports = {"module.state_backend.b.this": "2", "module.state_backend.a.this": "1"}

    assert json.loads(render(imports)[IMPORTS_FILE])["import"] == [
        {"to": "module.state_backend.a.this", "id": "1"},
        {"to": "module.state_backend.b.this", "id": "2"},
    ]
    assert IMPORTS_FILE not in render()


def test_the_state_is_a_file_until_there_is_a_bucket() -> None:
    assert json.loads(render(local_state=True)[LOCAL_STATE_FILE]) == {"terraform": {"backend": {"local": {}}}}
    assert LOCAL_STATE_FILE not in render()


def test_the_backend_of_the_other_roots() -> None:
    real = settings(**REAL)

    assert backend_file(real) == (
        "# Written by `provisioner bootstrap`.\n"
        'bucket = "provisioner-state-210987654321-eu-central-1"\n'
        'region = "eu-central-1"\n'
        "encrypt = true\n"
        'dynamodb_table = "provisioner-terraform-locks"\n'
    )
    assert "dynamodb_table" not in backend_file(real, locked=False)
    assert "use_path_style = true" in backend_file(settings())


def test_the_root_keeps_its_state_where_the_engine_looks_for_it() -> None:
    assert f'key = "{STATE_KEY}"' in (ROOT / "versions.tf").read_text("utf-8")
