"""The installation's own policies, run over a plan: Rego by conftest, checkov's checks by checkov.

The tools run as programs, with nothing of the environment but where programs and the home lie: without
credentials. They read the plan from a file for this user alone, which goes afterwards: a plan holds secrets.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from engine.errors import RequestError
from engine.operations.engine import Engine
from engine.operations.files import write_private
from engine.review.context import PolicyResult
from engine.review.policy_tools import read_checkov, read_conftest
from engine.terraform.programs import run_briefly

_TIMEOUT_S = 300.0
_REGO = ("*.rego",)
_CHECKS = ("*.yaml", "*.yml", "*.py")
# How checkov's checks name themselves: `id: "X"` in YAML, `id="X"` or `id = "X"` in Python.
_CHECK_ID = re.compile(r"""\bid["']?\s*[:=]\s*["']?([A-Za-z0-9_-]+)""")
# LD_LIBRARY_PATH: Python in Lambda's images, on which checkov runs there, does not start without it
# (github.com/lambci/docker-lambda/issues/276).
_HANDED_ON = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "TMPDIR")


class PolicyToolMissing(RequestError):
    """The settings name a folder of policies, and what runs them is not on this machine."""

    code = "POLICY_TOOL_MISSING"


class PolicyCheckFailed(RequestError):
    """The installation's policies could not be run to their end: whether the plan keeps to them is open."""

    code = "POLICY_CHECK_FAILED"


def check_plan(engine: Engine, plan: Mapping[str, Any]) -> tuple[PolicyResult, ...]:
    """What of the installation's policies a plan breaks; nothing where the settings name no folder.

    plan     `terraform show -json`, parsed
    Raises   PolicyToolMissing, PolicyCheckFailed: silence would look like consent
    """
    folder = engine.policies
    if folder is None:
        return ()
    rego, checks = _files(folder, _REGO), _files(folder, _CHECKS)
    if not rego and not checks:
        raise PolicyCheckFailed(
            f"The folder of policies {folder} holds neither Rego nor checks for checkov.",
            hint="Put *.rego, *.yaml or *.py there, or leave the setting `policies` out.",
        )
    engine.reporter.step("Asking the installation's own policies")
    with tempfile.TemporaryDirectory(prefix="provisioner-policies-") as place:
        file = Path(place) / "plan.json"
        write_private(file, json.dumps(plan))
        found: tuple[PolicyResult, ...] = ()
        if rego:
            line = ["test", "--output", "json", "--no-color", "--all-namespaces", "--policy", str(folder)]
            found += _run(engine, "conftest", [*line, str(file)], read_conftest)
        if checks:
            found += _run(engine, "checkov", _checkov_line(folder, checks, file), read_checkov)
    return found


def _checkov_line(folder: Path, checks: list[Path], file: Path) -> list[str]:
    ids = sorted({found for path in checks for found in _CHECK_ID.findall(path.read_text("utf-8"))})
    if not ids:
        raise PolicyCheckFailed(
            f"The checks for checkov in {folder} name no id.",
            hint="Give each its own: `metadata: {id: ACME_1, …}` in YAML, `id=` in Python.",
        )
    line = ["-f", str(file), "--framework", "terraform_plan", "--external-checks-dir", str(folder)]
    # checkov's own checks are for modules (`make scan`); these alone are the installation's.
    return [*line, "--check", ",".join(ids), "--output", "json", "--quiet", "--skip-download"]


def _run(
    engine: Engine, tool: str, arguments: list[str], read: Callable[[str], tuple[PolicyResult, ...]]
) -> tuple[PolicyResult, ...]:
    program = shutil.which(tool, path=engine.environ.get("PATH"))
    if program is None:
        raise PolicyToolMissing(
            f"The setting `policies` names {engine.policies}, whose policies {tool} runs, and {tool} is not "
            "on this machine.",
            hint=f"Install {tool} where PATH finds it, or leave the setting out.",
        )
    env = {name: engine.environ[name] for name in _HANDED_ON if name in engine.environ}
    try:
        done = run_briefly([program, *arguments], env=env, timeout_s=_TIMEOUT_S)
        # Both end with 1 when something is broken, and both also when they could not work.
        return read(done.stdout)
    except (OSError, TimeoutError) as error:
        raise PolicyCheckFailed(
            f"{tool} could not be run: {error}.", hint=f"Try `{tool} --version`."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        said = done.stderr.strip()[-1000:]
        raise PolicyCheckFailed(
            f"{tool} gave no answer that could be read ({error}); exit code {done.exit_code}."
            + (f"\n{said}" if said else ""),
            hint=f"Run {tool} by hand over the folder {engine.policies}.",
        ) from error


def _files(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    """Tests of policies, which conftest and pytest name alike, are none themselves."""
    if not folder.is_dir():
        raise PolicyCheckFailed(
            f"The folder of policies {folder} is not there.",
            hint="Correct the setting `policies`, or leave it out.",
        )
    return sorted(
        path
        for pattern in patterns
        for path in folder.rglob(pattern)
        if path.name != "__init__.py" and not path.stem.endswith("_test")
    )
