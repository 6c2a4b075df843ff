"""`provisioner package`: the accounting function's zip."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli.console import note


@click.command(short_help="Write the accounting function's zip, for Lambda.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("dist/accounting-function.zip"),
    show_default=True,
    help="File to write.",
)
@click.option(
    "--ca-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="PEM file with RDS's certificate authorities; it goes into the zip.",
)
def package(out: Path, ca_file: Path | None) -> None:
    """Write the code of the Lambda function that makes the projects' accounting databases and users.

    The same code gives the same bytes, so Terraform sees a change only where there is one. RDS's
    certificate authorities are AWS's to download (RDS user guide, "Using SSL/TLS"); in Lambda the
    file is /var/task/rds-ca.pem.

    \b
    Examples:
      provisioner package
      provisioner package --ca-file eu-central-1-bundle.pem --out build/accounting.zip
    """
    from engine.operations.packaging import package_function

    made = package_function(out, ca_file=ca_file)
    note(f"{len(made.files)} files")
    click.echo(str(made.path))
