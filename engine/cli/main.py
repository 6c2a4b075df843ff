"""The `provisioner` command: the group, its global options, and how every error ends.

Exit codes (docs/cli.md): 0 done · 1 a bug · 2 changes are waiting (`plan --detailed-exitcode`) ·
3 the request is wrong, nothing was changed · 4 somebody else is at work on it · 5 no capacity ·
6 Terraform failed · 7 AWS or the set-up did not answer as it must · 8 the cluster failed ·
9 the time given with --within is up, the same command goes on · 130 interrupted.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, TextIO

import click

import engine
from engine.cli.arguments import named_values
from engine.cli.console import print_error
from engine.cli.invocation import Invocation
from engine.errors import DiskFull, EngineError, FileUnusable, RequestError

USAGE_EXIT = 3
INTERRUPTED_EXIT = 130

# command -> module that defines it; imported when it is used, so that --help and status stay quick.
_COMMANDS = {
    "adopt": "engine.cli.adopt",
    "apply": "engine.cli.apply",
    "approve": "engine.cli.plans",
    "bootstrap": "engine.cli.bootstrap",
    "demo": "engine.cli.demo",
    "destroy": "engine.cli.destroy",
    "doctor": "engine.cli.doctor",
    "drift": "engine.cli.drift",
    "gitlab": "engine.cli.gitlab",
    "keep": "engine.cli.destroy",
    "list": "engine.cli.read",
    "local": "engine.cli.local",
    "operations": "engine.cli.operations",
    "orphans": "engine.cli.orphans",
    "outputs": "engine.cli.read",
    "package": "engine.cli.package",
    "plan": "engine.cli.plan",
    "plans": "engine.cli.plans",
    "prices": "engine.cli.prices",
    "redrive": "engine.cli.service",
    "refresh-jwks": "engine.cli.ground",
    "release": "engine.cli.release",
    "render": "engine.cli.render",
    "rotate-password": "engine.cli.accounting",
    "settings": "engine.cli.ground",
    "serve": "engine.cli.serve",
    "setup": "engine.cli.ground",
    "ssh-key": "engine.cli.read",
    "state": "engine.cli.state",
    "status": "engine.cli.read",
    "unlock": "engine.cli.operations",
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        return sorted(_COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 (click's signature)
        cmd_name: str,
    ) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        # `list` is taken by Python; its function is called list_.
        name = "list_" if cmd_name == "list" else cmd_name.replace("-", "_")
        command: click.Command = getattr(importlib.import_module(_COMMANDS[cmd_name]), name)
        return command


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Every command takes --help, with examples. Shell completion: "
    'eval "$(_PROVISIONER_COMPLETE=bash_source provisioner)" (or zsh_source, fish_source).',
)
@click.version_option(engine.__version__, prog_name="provisioner")
@click.option(
    "--settings",
    "settings_file",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Settings file [default: provisioner.yaml where there is one].",
)
@click.option("--cloud", type=click.Choice(["local", "aws"]), help="Where to work [default: local].")
@click.option("--region", metavar="REGION", help="AWS region.")
@click.option(
    "-s",
    "--set",
    "named",
    metavar="NAME=VALUE",
    multiple=True,
    callback=named_values,
    help="Any other setting, repeatable; see `provisioner settings`.",
)
@click.pass_context
def cli(
    ctx: click.Context,
    settings_file: str | None,
    cloud: str | None,
    region: str | None,
    named: dict[str, str],
) -> None:
    """A private AWS ParallelCluster for every project, by Terraform, with its data kept.

    \b
    First steps on this machine, without an AWS account:
      provisioner local up
      provisioner bootstrap
      provisioner plan examples/lustre.yaml
      provisioner apply examples/lustre.yaml
    """
    flags: dict[str, Any] = {**named}
    if cloud:
        flags["cloud"] = cloud
    if region:
        flags["region"] = region
    ctx.obj = Invocation(settings_file=settings_file, flags=flags, environ=dict(os.environ))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and give its exit code; every error has been printed."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in arguments
    try:
        result = cli.main(args=arguments, prog_name="provisioner", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except EngineError as error:
        return _told(error, as_json=as_json)
    except click.ClickException as error:
        if as_json:
            print_error(_of_usage(error), as_json=True)
        else:
            error.show()
        return USAGE_EXIT
    except (KeyboardInterrupt, click.Abort):
        click.echo("\nInterrupted.", err=True)
        return INTERRUPTED_EXIT
    except OSError as error:
        told = _of_machine(error)
        if told is None:
            raise
        return _told(told, as_json=as_json)


def _told(error: EngineError, *, as_json: bool) -> int:
    print_error(error, as_json=as_json)
    return error.exit_code


def _of_usage(error: click.ClickException) -> EngineError:
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = context.command_path if context else "provisioner COMMAND"
    return RequestError(error.format_message(), hint=f"`{command} --help` shows how.")


def _of_machine(error: OSError) -> EngineError | None:
    """What this machine refused, where that is not a bug of ours."""
    reason = (error.strerror or str(error)).lower()
    at = f"{error.filename}: " if error.filename is not None else ""
    if (full := DiskFull.of(error, f"{at}{reason}")) is not None:
        return full
    if error.filename is None:
        return None
    return FileUnusable(
        f"{error.filename} cannot be used: {reason}.",
        hint="`home` and `workspaces_dir` are one user's own; `provisioner settings` shows where they are. "
        "Name others, or let this user read and write what is in them.",
        details={"file": str(error.filename)},
    )


class WhileRead:
    """An output of ours whose reader (head, less) may go before its end: what follows is dropped, and the
    command is carried out and ends as it would have. click would end it with 1, in the middle."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._drop()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._drop()

    def _drop(self) -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def main() -> None:
    """The console script."""
    sys.unraisablehook = _tell_unraisable
    for name in ("stdout", "stderr"):
        if (stream := getattr(sys, name)) is not None:  # such as after >&-
            setattr(sys, name, WhileRead(stream))
    sys.exit(run())


def _tell_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    # Ctrl-C at a terminal ends cdktf's Node too, which minds finding its pipe closed when we exit.
    if not isinstance(unraisable.exc_value, BrokenPipeError):
        sys.__unraisablehook__(unraisable)
