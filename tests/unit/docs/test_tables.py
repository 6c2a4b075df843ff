"""The tables in the READMEs of modules and roots are what their variables and outputs say."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.generate.hcl import over_lines
from docs.generate.pages import readmes
from docs.generate.tables import with_tables

ROOT = Path(__file__).parents[3]
README = "# thing\n\nWhat it does.\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "variables.tf").write_text(
        """
        variable "name" {
          description = "Name | and more."
          type        = string
        }
        variable "zones" {
          description = <<-TEXT
            Over
            two lines.
          TEXT
          type    = map(object({ cidr = string, ports = optional(list(number), [22, 8082]), public = bool }))
          default = { a = { cidr = "10.0.0.0/8" } }
        }
        """
    )
    (tmp_path / "outputs.tf").write_text(
        'output "id" {\n  description = "Its id."\n  sensitive   = true\n  value = 1\n}\n'
    )
    return tmp_path


@pytest.mark.parametrize("readme", readmes(ROOT), ids=lambda path: str(path.parent.relative_to(ROOT)))
def test_the_tables_are_fresh(readme: Path) -> None:
    text = readme.read_text("utf-8")
    assert text == with_tables(text, readme.parent), f"{readme.relative_to(ROOT)} is stale: make docs"


def test_roots_and_modules_have_tables() -> None:
    roots = {path.parent.name for path in ROOT.glob("workspaces/*/*.tf")}
    assert {path.parent.name for path in readmes(ROOT)} >= {"bucket", "discovery", "fsx", *roots}


def test_rows_tell_type_default_and_description(folder: Path) -> None:
    lines = with_tables(README, folder).splitlines()
    assert r"| `name` | `string` | required | Name \| and more. |" in lines
    zones = (
        "<pre>map(object({<br>  cidr = string<br>  ports = optional(list(number), [22, 8082])"
        "<br>  public = bool<br>}))</pre>"
    )
    assert f'| `zones` | {zones} | `{{ a = {{ cidr = "10.0.0.0/8" }} }}` | Over two lines. |' in lines
    assert "| `id` | Its id. Sensitive. |" in lines


def test_prose_stays_and_writing_twice_changes_nothing(folder: Path) -> None:
    once = with_tables(README + "\n## Inputs\n\nold\n\n## Outputs\n\nold\n\n## More\n\nText.\n", folder)
    assert once.startswith(README) and once.endswith("\n## More\n\nText.\n") and "old" not in once
    assert with_tables(once, folder) == once


def test_a_folder_that_declares_nothing_says_none(tmp_path: Path) -> None:
    assert with_tables(README, tmp_path) == README + "\n## Inputs\n\nNone.\n\n## Outputs\n\nNone.\n"


def test_what_is_quoted_is_not_taken_apart() -> None:
    assert over_lines('{a = "x, {y}", b = {}}') == ["{", '  a = "x, {y}"', "  b = {}", "}"]
