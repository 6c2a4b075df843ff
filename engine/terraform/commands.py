"""Terraform command lines, composed by python-terraform and started by nobody here."""

# python-terraform has no annotations.
# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from python_terraform import IsFlagged, Terraform


class Commands(Terraform):
    """python-terraform's options and defaults, without its way of running things.

    `cmd` gives the argument list instead of starting it. The library would start Terraform in our own
    session (where a Ctrl-C at the terminal reaches it twice), with all or nothing of our environment,
    and show nothing before the end; so the processes are started in programs.py.
    """

    def __init__(self, binary: Path) -> None:
        super().__init__(terraform_bin_path=str(binary))

    def __getattr__(self, item: str) -> Any:
        # The library makes a Terraform command of every unknown name, typing errors included.
        raise AttributeError(item)

    def read_state_file(self, file_path: str | None = None) -> None:
        """Not done: the state is asked for with Terraform's own commands."""

    def cmd(self, cmd: str, *args: str, **options: Any) -> list[str]:
        """The argument list for a command; `options` are named as python-terraform names them."""
        composed: list[str] = self.generate_cmd_string(cmd, *args, **options)
        return composed

    def init_line(self, backend_config: Path | None) -> list[str]:
        config = str(backend_config) if backend_config else None
        return self._list(self.init(json=IsFlagged, backend_config=config, var=None))

    def migrate_line(self, backend_config: Path | None) -> list[str]:
        # Terraform takes no -json beside -migrate-state, and the library's init would add -reconfigure.
        return self.cmd(
            "init",
            migrate_state=IsFlagged,
            force_copy=IsFlagged,
            backend_config=str(backend_config) if backend_config else None,
            input=False,
            no_color=IsFlagged,
        )

    def plan_line(
        self,
        out: Path,
        *,
        destroy: bool,
        refresh_only: bool = False,
        targets: Sequence[str],
        replace: Sequence[str] = (),
    ) -> list[str]:
        return self._list(
            self.plan(
                out=str(out),
                json=IsFlagged,
                destroy=IsFlagged if destroy else None,
                refresh_only=IsFlagged if refresh_only else None,
                var=None,
                target=list(targets),
                replace=list(replace),
            )
        )

    def apply_line(self, plan: Path) -> list[str]:
        # skip_plan stands for -auto-approve: without it the library asks, and -input=false forbids that.
        return self._list(self.apply(str(plan), skip_plan=True, json=IsFlagged, var=None))

    def validate_line(self) -> list[str]:
        return self.cmd("validate", json=IsFlagged, no_color=IsFlagged)

    def show_line(self, plan: Path) -> list[str]:
        return self.cmd("show", str(plan), json=IsFlagged, no_color=IsFlagged)

    @staticmethod
    def _list(composed: Any) -> list[str]:
        return [str(part) for part in composed]
