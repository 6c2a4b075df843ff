"""Makes the collection of plans: real Terraform against the local cloud. `make plans`; takes minutes.

Each plan is one file, tests/golden/review/plans/NAME.json.gz: `terraform show -json`, without what a review
does not read, and without anything of this machine. Ids are those of the local cloud: every run gives other
ones, and the golden reviews have to be written anew after it (UPDATE_GOLDEN=1).

    python -m tests.golden.make_plans [NAME...]    only these groups: created, changed, parked, small
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.aws.session import Cloud
from engine.cli.invocation import base_folder
from engine.errors import TerraformError
from engine.local.server import LocalCloud
from engine.model.settings import load_settings
from engine.operations.engine import Engine, open_engine
from engine.operations.planning import make_plan
from engine.operations.provision import plan, provision
from engine.operations.release import release
from engine.operations.reporting import Silent
from engine.workspace.stack import Presence
from tests.functional.conftest import QUICK, _make_backend
from tests.golden.project_specs import CHANGED, CREATED, spec_of
from tests.golden.small_plans import ROOTS, Root

PLANS = Path(__file__).parent / "review" / "plans"
FORMAT_FIELDS = (
    "format_version",
    "terraform_version",
    "applyable",
    "complete",
    "errored",
    "output_changes",
    "resource_drift",
    "resource_changes",
    "checks",
)
LONGEST_TEXT = 2000
AWS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_REGION": "us-east-1"}


def main(arguments: list[str]) -> int:
    """Make the groups that are named, or all of them."""
    wanted = arguments or ["created", "changed", "parked", "small"]
    PLANS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, LocalCloud(durations=QUICK) as cloud:
        aws = Cloud(region=cloud.region, endpoint_url=cloud.endpoint, local=True)
        _make_backend(aws)
        engine = _engine(cloud, Path(scratch))
        # One cluster is enough: what is planned and never applied leaves only records behind.
        for group, plans in _groups(engine, aws, Path(scratch)).items():
            if group in wanted:
                for name, shown in plans():
                    _keep(name, shown, scratch)
    return 0


def _groups(
    engine: Engine, aws: Cloud, scratch: Path
) -> dict[str, Callable[[], Iterator[tuple[str, dict[str, Any]]]]]:
    return {
        "created": lambda: _created(engine),
        "changed": lambda: _changed(engine, aws),
        "parked": lambda: _parked(engine),
        "small": lambda: _small(engine, aws, scratch),
    }


def _engine(cloud: LocalCloud, scratch: Path) -> Engine:
    given = {
        "endpoint_url": cloud.endpoint,
        "home": str(base_folder() / ".provisioner"),
        "workspaces_dir": str(scratch / "projects"),
        "terraform": os.environ.get("PROVISIONER_TERRAFORM"),
    }
    settings = load_settings(flags=given).settings
    return open_engine(settings, base=scratch, environ=os.environ, reporter=Silent())


def _created(engine: Engine) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, more in CREATED.items():
        yield name, _shown(plan(engine, spec_of(**more)))


def _changed(engine: Engine, aws: Cloud) -> Iterator[tuple[str, dict[str, Any]]]:
    provision(engine, spec_of(), approve=lambda _: None)
    for name, more in CHANGED.items():
        yield name, _shown(plan(engine, spec_of(**more)))
    of_records = engine.settings.model_copy(update={"job_record_retention_days": 30})
    yield "shorter-records", _shown(plan(replace(engine, settings=of_records), spec_of()))
    yield "other-image", _shown(plan(_with_image(engine), spec_of()))
    yield "park", _shown(make_plan(engine, spec_of(), Presence.PARKED))
    yield "remove", _shown(make_plan(engine, spec_of(), Presence.REMOVED))
    bucket = engine.names("lab-1", "proj-1").bucket
    aws.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    yield "drifted-versioning", _shown(plan(engine, spec_of()))
    aws.s3.delete_public_access_block(Bucket=bucket)
    yield "drifted-away", _shown(plan(engine, spec_of()))


def _with_image(engine: Engine) -> Engine:
    return replace(
        engine, settings=engine.settings.model_copy(update={"custom_ami": "ami-0123456789abcdef0"})
    )


def _parked(engine: Engine) -> Iterator[tuple[str, dict[str, Any]]]:
    provision(engine, spec_of(), approve=lambda _: None)
    release(engine, "lab-1", "proj-1", approve=lambda _: None, skip_export="a test")
    yield "return-from-park", _shown(plan(engine, spec_of()))
    yield "stay-parked", _shown(make_plan(engine, spec_of(), Presence.PARKED))
    yield "remove-parked", _shown(make_plan(engine, spec_of(), Presence.REMOVED))


def _shown(planned: Any) -> dict[str, Any]:
    shown: dict[str, Any] = planned.runner.show_plan(planned.plan_file)
    return shown


def _small(engine: Engine, aws: Cloud, scratch: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    aws.s3.create_bucket(Bucket="made-by-hand")
    for name, root in ROOTS.items():
        yield name, _of_root(engine, root, scratch / name)


def _of_root(engine: Engine, root: Root, folder: Path) -> dict[str, Any]:
    folder.mkdir()
    runner = engine.runner_in(folder, project="lab-1/proj-1", log_path=folder / "log")
    for text in root.before:
        (folder / "main.tf").write_text(text, "utf-8")
        runner.init()
        runner.plan(folder / "plan")
        try:
            runner.apply(folder / "plan")
        except TerraformError:
            if not root.apply_fails:
                raise
    (folder / "main.tf").write_text(root.last, "utf-8")
    runner.init()
    if root.plan_fails:
        _plan_that_fails(engine, folder)
    else:
        runner.plan(folder / "plan", destroy=root.destroy)
    return runner.show_plan(folder / "plan")


def _plan_that_fails(engine: Engine, folder: Path) -> None:
    """Terraform saves what it got to; the engine's runner would throw it away."""
    argv = [str(engine.toolchain.binary), "plan", "-out=plan", "-input=false", "-no-color"]
    ended = subprocess.run(argv, cwd=folder, env={**os.environ, **AWS}, capture_output=True, check=False)
    if ended.returncode != 1 or not (folder / "plan").is_file():
        raise SystemExit(ended.stdout.decode() + ended.stderr.decode())


def _keep(name: str, shown: Mapping[str, Any], scratch: str) -> None:
    text = json.dumps(shortened(trimmed(shown)), sort_keys=True, ensure_ascii=False)
    if scratch in text:
        raise SystemExit(f"{name} names a folder of this machine")
    path = PLANS / f"{name}.json.gz"
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
    sys.stdout.write(f"{name} {len(shown.get('resource_changes', []))} changes\n")
    sys.stdout.flush()


def trimmed(shown: Mapping[str, Any]) -> dict[str, Any]:
    """What a review reads: the changes, and of the configuration only what refers to what."""
    kept = {field: shown[field] for field in FORMAT_FIELDS if field in shown}
    for entry in kept.get("resource_changes", []):
        if entry["change"]["actions"] == ["no-op"] and not entry["change"].get("importing"):
            # Both sides are the same.
            entry["change"]["before"] = entry["change"]["after"]
    variables = shown.get("variables")
    root = shown.get("configuration", {}).get("root_module", {})
    configuration = {"root_module": _references(root)}
    if "resource_changes" not in kept:
        # The mark of a plan without resources.
        kept["planned_values"] = {}
    return {**kept, **({"variables": variables} if variables else {}), "configuration": configuration}


def shortened(value: Any) -> Any:
    """The value with every long text in it cut that is no JSON: packed programs don't get smaller."""
    if isinstance(value, Mapping):
        return {key: shortened(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shortened(inner) for inner in value]
    if isinstance(value, str) and len(value) > LONGEST_TEXT and value[:1] not in "{[":
        digest = hashlib.sha256(value.encode()).hexdigest()[:12]
        return f"({len(value)} characters, sha256 {digest})"
    return value


def _references(module: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    if module.get("resources"):
        kept["resources"] = [
            {
                "address": one["address"],
                "mode": one["mode"],
                "expressions": {"all": {"references": sorted(set(_named(one)))}},
                **({"depends_on": one["depends_on"]} if one.get("depends_on") else {}),
            }
            for one in module["resources"]
        ]
    if module.get("module_calls"):
        kept["module_calls"] = {
            name: {
                "expressions": {
                    key: {"references": sorted(set(_named(value)))}
                    for key, value in call.get("expressions", {}).items()
                },
                "module": _references(call.get("module", {})),
            }
            for name, call in module["module_calls"].items()
        }
    if module.get("outputs"):
        kept["outputs"] = {
            name: {"expression": {"references": sorted(set(_named(value)))}}
            for name, value in module["outputs"].items()
        }
    if module.get("variables"):
        kept["variables"] = {
            name: {"sensitive": True} for name, value in module["variables"].items() if value.get("sensitive")
        }
    return kept


def _named(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        references = value.get("references")
        if isinstance(references, list):
            yield from (str(one) for one in references)
        for key, inner in value.items():
            if key != "references":
                yield from _named(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _named(inner)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
