"""The entry point in AWS Lambda: `engine.accounting.handler.handle`.

It runs in the private VPC, as nothing else of the engine does: only from there can the accounting
database be reached. Its environment:

    ACCOUNTING_DATABASE_HOST      the RDS instance's address
    ACCOUNTING_DATABASE_PORT      its port; 3306 where left out
    ACCOUNTING_MASTER_SECRET_ARN  the master's secret, as RDS manages it
    ACCOUNTING_CA_FILE            PEM file with RDS's certificate authorities: /var/task/rds-ca.pem for
                                  one that `provisioner package --ca-file` has put beside the code
    AWS_REGION, AWS_ACCESS_KEY_ID, ...   Lambda's own

Source   Lambda developer guide, "Defined runtime environment variables"; "Using Lambda with Amazon
         RDS", which documents a place of RDS's certificates for the Node.js runtimes only, so they
         come with the code; RDS user guide, "Using SSL/TLS": where to download them
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from engine.accounting.database import MariaDb, Place, Server
from engine.accounting.projects import carry_out
from engine.accounting.request import Request, as_answer, parse_request
from engine.aws.accounting_secrets import Login, PasswordSecret, read_master
from engine.aws.session import Cloud, Credentials
from engine.errors import AccountingError, EngineError
from engine.model.secret import Secret

HANDLER = "engine.accounting.handler.handle"

Connect = Callable[[Place, Login], AbstractContextManager[Server]]

logger = logging.getLogger(__name__)


class FunctionFailed(Exception):
    """How an error leaves the function; Lambda shows the name as errorType, the text as errorMessage."""


def handle(event: object, context: object) -> dict[str, str]:  # noqa: ARG001 (Lambda's signature)
    """What Lambda calls. Raises FunctionFailed, which sets FunctionError in the caller's answer."""
    return serve(event, os.environ)


def connect(place: Place, login: Login) -> AbstractContextManager[Server]:
    """The real server."""
    return MariaDb(place, login.user, login.password)


def serve(event: object, environ: Mapping[str, str], *, connect: Connect = connect) -> dict[str, str]:
    """Carry out one event; gives {resource, name, outcome}.

    environ   the function's environment, as above
    connect   how the server is reached; the local cloud hands in its own
    Raises    FunctionFailed, whose text holds no secret
    """
    try:
        return _serve(parse_request(event), environ, connect)
    except EngineError as error:
        logger.error("%s: %s", error.code, error.message)
        # Not chained: Lambda would write what stands behind it into its log.
        raise FunctionFailed(f"{error.code}: {error.message} {error.hint}".rstrip()) from None


def _serve(request: Request, environ: Mapping[str, str], connect: Connect) -> dict[str, str]:
    cloud = _cloud(environ)
    passwords = PasswordSecret(cloud, request.secret_arn) if request.secret_arn else None
    master = read_master(cloud, _required(environ, "ACCOUNTING_MASTER_SECRET_ARN"))
    with connect(_place(environ), master) as server:
        answer = as_answer(request, carry_out(request, server, passwords))
    logger.info("%s %s: %s", answer["resource"], answer["name"], answer["outcome"])
    return answer


def _place(environ: Mapping[str, str]) -> Place:
    port = environ.get("ACCOUNTING_DATABASE_PORT") or "3306"
    if not port.isdecimal():
        raise _misconfigured("ACCOUNTING_DATABASE_PORT is no port")
    return Place(
        host=_required(environ, "ACCOUNTING_DATABASE_HOST"),
        port=int(port),
        ca_file=_required(environ, "ACCOUNTING_CA_FILE"),
    )


def _cloud(environ: Mapping[str, str]) -> Cloud:
    """The way to Secrets Manager, with the credentials of the function's role that Lambda hands in."""
    token = environ.get("AWS_SESSION_TOKEN")
    return Cloud(
        region=_required(environ, "AWS_REGION"),
        endpoint_url=environ.get("AWS_ENDPOINT_URL"),
        credentials=Credentials(
            _required(environ, "AWS_ACCESS_KEY_ID"),
            Secret(_required(environ, "AWS_SECRET_ACCESS_KEY")),
            Secret(token) if token else None,
        ),
    )


def _required(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name)
    if not value:
        raise _misconfigured(f"{name} is not set")
    return value


def _misconfigured(problem: str) -> AccountingError:
    return AccountingError(
        f"The accounting function is not set up: {problem}.",
        hint="Its environment comes from the Terraform module slurm-accounting.",
    )
