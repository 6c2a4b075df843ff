"""Terraform command lines, composed by python-terraform and started by nobody here."""

# python-terraform has no annotations.
# mypy: allow-untyped-calls

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from python_terraform import IsFlagged, Terraform, VariableFiles


class Commands(Terraform):
    """python-terraform's options and defaults, without its way of running things.

    `cmd` gives the argument list instead of starting it. The library would start Terraform in our own
    session (where a Ctrl-C at the terminal reaches it twice), with all or nothing of our environment,
    and show nothing before the end; so the processes are started in programs.py.
    """

    def __init__(self, binary: Path) -> None:
        super().__init__(terraform_bin_path=str(binary))
        self.temp_var_files = _VariableFiles()

    def __getattr__(self, item: str) -> Any:
        # The library makes a Terraform command of every unknown name, typing errors included.
        raise AttributeError(item)

    def read_state_file(self, file_path: str | None = None) -> None:
        """Not done: the state is asked for with Terraform's own commands."""

    def cmd(self, cmd: str, *args: str, **options: Any) -> list[str]:
        """The argument list for a command; `options` are named as python-terraform names them."""
        composed: list[str] = self.generate_cmd_string(cmd, *args, **options)
        return composed

    def init_line(self, *, upgrade: bool, backend_config: Path | None = None) -> list[str]:
        config = str(backend_config) if backend_config else None
        return self._list(self.init(json=IsFlagged, upgrade=upgrade, backend_config=config, var=None))

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
        refresh: bool,
        refresh_only: bool = False,
        variables: Mapping[str, Any] | None,
        targets: Sequence[str],
        replace: Sequence[str] = (),
    ) -> list[str]:
        return self._list(
            self.plan(
                out=str(out),
                json=IsFlagged,
                destroy=IsFlagged if destroy else None,
                refresh=refresh,
                refresh_only=IsFlagged if refresh_only else None,
                # An empty dict would become an empty file on the command line.
                var=dict(variables) if variables else None,
                target=list(targets),
                replace=list(replace),
            )
        )

    def apply_line(self, plan: Path) -> list[str]:
        # skip_plan stands for -auto-approve: without it the library asks, and -input=false forbids that.
        return self._list(self.apply(str(plan), skip_plan=True, json=IsFlagged, var=None))

    def validate_line(self) -> list[str]:
        return self.cmd("validate", json=IsFlagged, no_color=IsFlagged)

    def document_line(self, command: str, *args: str) -> list[str]:
        """`show` or `output`, as one JSON document."""
        return self.cmd(command, *args, json=IsFlagged, no_color=IsFlagged)

    def forget_variables(self) -> None:
        """Remove the variable files of the lines composed so far."""
        self.temp_var_files.clean_up()

    @staticmethod
    def _list(composed: Any) -> list[str]:
        return [str(part) for part in composed]


class _VariableFiles(VariableFiles):
    """Variables on their way to Terraform: in files for its user alone, and never in a log."""

    def __init__(self) -> None:
        super().__init__()
        self._paths: list[Path] = []

    def create(self, variables: Mapping[str, Any]) -> str:
        with tempfile.NamedTemporaryFile("w", suffix=".tfvars.json", delete=False) as file:
            json.dump(variables, file)
        self._paths.append(Path(file.name))
        return file.name

    def clean_up(self) -> None:
        for path in self._paths:
            path.unlink(missing_ok=True)
        self._paths = []
