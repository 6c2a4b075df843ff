"""Everything an operation needs of the outside, built once at the top and passed down."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import engine
from engine.aws.operation_store import OperationStore
from engine.aws.state_lock import StateLock
from engine.aws.state_store import StateStore
from engine.errors import OutOfTime
from engine.model.names import Names
from engine.model.operation import Owner
from engine.model.prices import PriceTable, load_prices
from engine.model.settings import Settings
from engine.model.tiers import Tier, load_catalogue
from engine.operations.duty import TTL, Duty
from engine.operations.installation import require_folder
from engine.operations.place import Place, connect
from engine.operations.reporting import Reporter
from engine.operations.runners import Runners
from engine.terraform.environment import terraform_environment
from engine.terraform.processes import processes_of, proof_of_death, this_process
from engine.terraform.provider import Reuse
from engine.terraform.runner import Runner
from engine.terraform.runner import StateLock as RunnersLock
from engine.terraform.toolchain import Toolchain, prepare


@dataclass(frozen=True, kw_only=True)
class Engine(Place):
    """A place, and the means to change it. Folders are absolute; environ is the caller's environment.

    owner       who works with it, for leases and locks
    duty        the operation that is being carried out with it; None between operations
    until       time.monotonic() by which the command must have put everything down; None: no limit
    prices      what cost estimates go by
    policies    folder of the installation's own policies; None: there are none
    """

    environ: Mapping[str, str]
    home: Path
    workspaces: Path
    reporter: Reporter
    owner: Owner = field(default_factory=this_process)
    lease_ttl: timedelta = TTL
    duty: Duty | None = None
    until: float | None = None
    prices: PriceTable = field(default_factory=load_prices)
    policies: Path | None = None
    runners: Runners = field(default_factory=Runners, compare=False)

    @cached_property
    def toolchain(self) -> Toolchain:
        """Terraform, looked for when it is first needed: reading commands do without.

        Raises   TerraformMissing; InvalidSettings where the home folder is none
        """
        require_folder(self.home, "home")
        return prepare(self.home, explicit=self.settings.terraform, environ=self.environ)

    @property
    def operations(self) -> OperationStore:
        return OperationStore(self.cloud, table=self.settings.registry_table)

    @property
    def state_store(self) -> StateStore:
        settings = self.settings
        return StateStore(self.cloud, bucket=settings.state_bucket, lock_table=settings.lock_table)

    def folder(self, names: Names) -> Path:
        """Where the project's workspace is generated."""
        return self.workspaces / names.directory

    def log(self, names: Names) -> Path:
        """Terraform's full log for the project; outlives the workspace."""
        return self.home / "logs" / f"{names.cluster}.log"

    def runner(self, names: Names, folder: Path | None = None, *, after: Runner | None = None) -> Runner:
        """Terraform in the project's workspace (or in another folder that holds one).

        after   the runner that was at work there before: its provider is taken over
        """
        runner = self.runner_in(
            folder or self.folder(names),
            project=names.project,
            log_path=self.log(names),
            lock=self.state_lock(names),
            on_written=lambda: self.settle_digest(names.state_key),
        )
        if after is not None:
            runner.go_on_from(after)
        return runner

    def settle_digest(self, state_key: str) -> None:
        """Write the checksum of a state that Terraform has just written, where it could not itself."""
        if self.state_store.settle_digest(state_key):
            self.reporter.note("Terraform could not write the checksum of the state; it is right again")

    def runner_in(
        self,
        folder: Path,
        *,
        project: str,
        log_path: Path,
        lock: RunnersLock | None = None,
        on_written: Callable[[], None] | None = None,
    ) -> Runner:
        """Terraform in a folder that holds a root; `project` is what messages call it.

        lock         of the root's state; None: Terraform locks by itself
        on_written   as for a Runner
        """
        # Rendering comes with it, which commands that only read do without.
        from engine.operations.folders import modules_root

        toolchain = self.toolchain
        runner = Runner(
            folder,
            binary=toolchain.binary,
            env=terraform_environment(
                self.environ,
                cli_config=toolchain.cli_config,
                aws=_aws_environment(self.settings),
                local=self.settings.cloud == "local",
            ),
            log_path=log_path,
            on_event=self.reporter.terraform,
            project=project,
            lock=lock,
            on_written=on_written,
            reuse=Reuse(self.home, (modules_root(),)) if self.settings.provider_reuse == "auto" else None,
            # From a mirror, the provider is only linked to; from elsewhere it goes through a plugin cache.
            init_lock=None if toolchain.provider_mirror else self.home / "init.lock",
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
            working=processes_of,
            note=self.reporter.note,
            now=self.now,
        )

    def check(self) -> None:
        """To be asked before each step that changes something.

        Raises   LeaseLost, OutOfTime: see Duty.check
        """
        if self.duty is not None:
            self.duty.check()
        elif self.until is not None and time.monotonic() >= self.until:
            raise OutOfTime(
                "The time of this command was up before its work began.", hint="Run the same command again."
            )

    def check_owned(self) -> None:
        """To be asked before what was done is recorded.

        Raises   LeaseLost
        """
        if self.duty is not None:
            self.duty.check_owned()

    def note(self, name: str, value: str) -> None:
        """Keep with the operation what its next run must know, "" forgets it; nothing between operations."""
        if self.duty is not None:
            self.duty.note(name, value)

    def noted(self, name: str) -> str:
        """What was kept with `note`, by this run or an earlier one; "" when nothing was."""
        return self.duty.operation.notes.get(name, "") if self.duty else ""

    def pause(self, seconds: float) -> None:
        """Wait, as long as the command's time and the operation's lease last. Raises as `check`."""
        if self.duty is not None:
            self.duty.pause(seconds)
            return
        self.check()
        left = seconds if self.until is None else max(0.0, self.until - time.monotonic())
        self.runners.pause(min(seconds, left))
        self.check()

    def interrupt(self) -> None:
        """Ask every Terraform that runs for this engine to stop gracefully; returns at once."""
        self.runners.interrupt()

    def close(self) -> None:
        """Let every Terraform's provider go; the next command that needs one starts another."""
        self.runners.close()

    def on_release(self, version: str) -> Engine:
        """The engine for a cluster of that ParallelCluster release."""
        return self._changed(settings=self.settings.of_release(version))

    def within(self, seconds: float | None) -> Engine:
        """The engine for a command that must end by itself after so long; None: no limit."""
        return self if seconds is None else self._changed(until=time.monotonic() + seconds)

    def on_duty(self, duty: Duty, reporter: Reporter) -> Engine:
        """The engine at work on an operation, as the owner of its lease; reporter tells of it."""
        return self._changed(duty=duty, reporter=reporter, owner=duty.lease.owner)

    def reporting_to(self, reporter: Reporter) -> Engine:
        return self._changed(reporter=reporter)

    def apart(self, reporter: Reporter) -> Engine:
        """The engine for one of several projects at once: stopped and closed without the others."""
        return self._changed(reporter=reporter, runners=Runners(for_good=True))

    def _changed(self, **changes: Any) -> Engine:
        made = replace(self, **changes)
        if "toolchain" in vars(self):
            vars(made)["toolchain"] = self.toolchain  # found once is enough
        return made


def open_engine(
    settings: Settings,
    *,
    base: Path,
    environ: Mapping[str, str],
    reporter: Reporter,
    catalogue: tuple[Tier, ...] | None = None,
    prices: PriceTable | None = None,
) -> Engine:
    """Connect.

    base        where relative folders of the settings start
    environ     the caller's environment, of which Terraform gets what it needs
    catalogue   the tiers that a spec may name; None: the built-in ones
    prices      what cost estimates go by; None: the built-in table
    Raises      what `connect` raises
    """
    cloud, settings = connect(settings)
    return Engine(
        settings=settings,
        cloud=cloud,
        environ=environ,
        home=base / settings.home,
        workspaces=base / settings.workspaces_dir,
        policies=base / settings.policies if settings.policies else None,
        reporter=reporter,
        now=cloud.now,
        catalogue=load_catalogue() if catalogue is None else catalogue,
        prices=load_prices() if prices is None else prices,
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
