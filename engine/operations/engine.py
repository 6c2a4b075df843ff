"""Everything an operation needs of the outside, built once at the top and passed down."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from weakref import WeakSet

import engine
from engine.aws.operation_store import OperationStore
from engine.aws.preflight import account_of
from engine.aws.registry import Registry
from engine.aws.session import Cloud
from engine.aws.state_lock import StateLock
from engine.model.names import Names, names_for
from engine.model.operation import Owner
from engine.model.settings import Settings
from engine.model.tiers import Tier, load_catalogue
from engine.operations.duty import TTL, Duty
from engine.operations.folders import modules_root
from engine.operations.reporting import Reporter
from engine.terraform.environment import terraform_environment
from engine.terraform.processes import proof_of_death, this_process
from engine.terraform.provider import Reuse
from engine.terraform.runner import Runner
from engine.terraform.toolchain import Toolchain, prepare


@dataclass(frozen=True)
class Engine:
    """settings have their account; folders are absolute; environ is the caller's environment.

    catalogue   the tiers that a spec may name
    owner       who works with it, for leases and locks
    duty        the operation that is being carried out with it; None between operations
    """

    settings: Settings
    cloud: Cloud
    environ: Mapping[str, str]
    home: Path
    workspaces: Path
    reporter: Reporter
    now: Callable[[], datetime]
    catalogue: tuple[Tier, ...] = field(default_factory=load_catalogue)
    owner: Owner = field(default_factory=this_process)
    lease_ttl: timedelta = TTL
    duty: Duty | None = None
    runners: WeakSet[Runner] = field(default_factory=WeakSet, compare=False)

    @cached_property
    def toolchain(self) -> Toolchain:
        """Terraform, looked for when it is first needed: reading commands do without.

        Raises   TerraformMissing
        """
        return prepare(self.home, explicit=self.settings.terraform, environ=self.environ)

    @property
    def registry(self) -> Registry:
        return Registry(self.cloud, table=self.settings.registry_table)

    @property
    def operations(self) -> OperationStore:
        return OperationStore(self.cloud, table=self.settings.registry_table)

    def names(self, vlab_id: str, project_id: str) -> Names:
        return names_for(vlab_id, project_id, account_id=self.settings.require_account())

    def folder(self, names: Names) -> Path:
        """Where the project's workspace is generated."""
        return self.workspaces / names.directory

    def log(self, names: Names) -> Path:
        """Terraform's full log for the project; outlives the workspace."""
        return self.home / "logs" / f"{names.cluster}.log"

    def runner(self, names: Names, folder: Path | None = None) -> Runner:
        """Terraform in the project's workspace (or in another folder that holds one)."""
        return self.runner_in(
            folder or self.folder(names),
            project=names.project,
            log_path=self.log(names),
            lock=self.state_lock(names),
        )

    def runner_in(
        self, folder: Path, *, project: str, log_path: Path, lock: StateLock | None = None
    ) -> Runner:
        """Terraform in a folder that holds a root; `project` is what messages call it.

        lock   of the root's state; None: Terraform locks by itself
        """
        runner = Runner(
            folder,
            binary=self.toolchain.binary,
            env=terraform_environment(
                self.environ,
                cli_config=self.toolchain.cli_config,
                aws=_aws_environment(self.settings),
                local=self.settings.cloud == "local",
            ),
            log_path=log_path,
            on_event=self.reporter.terraform,
            project=project,
            reuse=Reuse(self.home, (modules_root(),)) if self.settings.provider_reuse == "auto" else None,
            lock=lock,
        )
        self.runners.add(runner)
        return runner

    def state_lock(self, names: Names) -> StateLock:
        """The lock of the project's state."""
        return StateLock(
            self.cloud,
            table=self.settings.lock_table,
            bucket=self.settings.state_bucket,
            key=names.state_key,
            project=names.project,
            owner=self.owner,
            purpose=f"operation {self.duty.operation.id}" if self.duty else "a plan of the provisioner",
            version=f"provisioner {engine.__version__}",
            patience_s=self.settings.lock_wait_s,
            pause=self.pause,
            dead=lambda owner, run: proof_of_death(owner, run=run),
            note=self.reporter.note,
            now=self.now,
        )

    def check(self) -> None:
        """To be asked before each step that changes something.

        Raises   LeaseLost, OutOfTime: see Duty.check
        """
        if self.duty is not None:
            self.duty.check()

    def check_owned(self) -> None:
        """To be asked before what was done is recorded.

        Raises   LeaseLost
        """
        if self.duty is not None:
            self.duty.check_owned()

    def note(self, name: str, value: str) -> None:
        """Keep with the operation what its next run must know; nothing between operations."""
        if self.duty is not None:
            self.duty.note(name, value)

    def noted(self, name: str) -> str:
        """What was kept with `note`, by this run or an earlier one; "" when nothing was."""
        return self.duty.operation.notes.get(name, "") if self.duty else ""

    def pause(self, seconds: float) -> None:
        """Wait, as long as the operation's time and lease last. Raises as `check`."""
        if self.duty is None:
            time.sleep(seconds)
        else:
            self.duty.pause(seconds)

    def interrupt(self) -> None:
        """Ask every Terraform that runs for this engine to stop gracefully; returns at once."""
        for runner in list(self.runners):
            runner.interrupt()

    def on_release(self, version: str) -> Engine:
        """The engine for a cluster of that ParallelCluster release."""
        return self._changed(settings=self.settings.of_release(version))

    def on_duty(self, duty: Duty, reporter: Reporter) -> Engine:
        """The engine at work on an operation; reporter tells of it."""
        return self._changed(duty=duty, reporter=reporter)

    def reporting_to(self, reporter: Reporter) -> Engine:
        return self._changed(reporter=reporter)

    def _changed(self, **changes: Any) -> Engine:
        made = replace(self, **changes)
        if "toolchain" in vars(self):
            vars(made)["toolchain"] = self.toolchain  # found once is enough
        return made


def connect(settings: Settings) -> tuple[Cloud, Settings]:
    """The way to AWS that the settings describe, and the settings with their account filled in.

    Raises   AccessDenied or Unreachable when the account must be asked for and AWS does not answer
    """
    cloud = Cloud(
        region=settings.region,
        endpoint_url=settings.endpoint_url,
        local=settings.cloud == "local",
        s3_use_path_style=settings.s3_use_path_style,
    )
    if settings.account_id is None:
        settings = settings.with_account(account_of(cloud))
    return cloud, settings


def open_engine(
    settings: Settings,
    *,
    base: Path,
    environ: Mapping[str, str],
    reporter: Reporter,
    catalogue: tuple[Tier, ...] | None = None,
) -> Engine:
    """Connect.

    base        where relative folders of the settings start
    environ     the caller's environment, of which Terraform gets what it needs
    catalogue   the tiers that a spec may name; None: the built-in ones
    Raises      what `connect` raises
    """
    cloud, settings = connect(settings)
    return Engine(
        settings=settings,
        cloud=cloud,
        environ=environ,
        home=base / settings.home,
        workspaces=base / settings.workspaces_dir,
        reporter=reporter,
        now=lambda: datetime.now(UTC),
        catalogue=load_catalogue() if catalogue is None else catalogue,
    )


def _aws_environment(settings: Settings) -> dict[str, str]:
    environment = {"AWS_REGION": settings.region, "AWS_DEFAULT_REGION": settings.region}
    if settings.endpoint_url:
        environment["AWS_ENDPOINT_URL"] = settings.endpoint_url
    if settings.cloud == "local":
        environment |= {
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
    return environment
