"""What the function does for one project. Each step may be repeated, and taken up where it broke off.

A change of password has four steps, and the secret says how far it came:

    AWSPENDING written  ->  ALTER USER  ->  test login  ->  AWSPENDING becomes AWSCURRENT

Whatever is asked next for that user begins by going through them again. So does the first password,
and so does nothing at all: the user is then made what it must be with the password it has.
"""

from __future__ import annotations

import secrets
import string
from enum import StrEnum
from typing import Protocol

from engine.accounting.database import Server
from engine.accounting.request import Action, Request, Resource
from engine.aws.accounting_secrets import Version
from engine.errors import AccountingError, AccountingRefused
from engine.model.secret import Secret

# Letters and digits: the password goes into a `key=value` line of slurmdbd's. 40 of them are 238 bits.
PASSWORD_LENGTH = 40
_PASSWORD_SIGNS = string.ascii_letters + string.digits


class Outcome(StrEnum):
    CREATED = "created"
    ENSURED = "ensured"
    ROTATED = "rotated"
    REMOVED = "removed"
    ABSENT = "absent"


class Passwords(Protocol):
    """The secret of the project's user: engine.aws.accounting_secrets.PasswordSecret."""

    def current(self) -> Version | None: ...

    def pending(self) -> Version | None: ...

    def propose(self, password: Secret) -> Version: ...

    def promote(self, version: Version) -> None: ...


def carry_out(request: Request, server: Server, passwords: Passwords | None) -> Outcome:
    """Do what is asked, with the project's lock held.

    passwords   of the project's user; None when the request is about the database
    Raises      AccountingRefused, AccountingError, and what the secret's methods raise
    """
    with server.alone(request.database):
        if request.resource is Resource.DATABASE or passwords is None:
            return _database(request, server)
        if server.is_master(request.user):
            raise AccountingRefused(
                f"{request.user} is the master of the accounting database.",
                hint="Give the master another name than one that a project's user can have.",
            )
        if request.action is Action.DELETE:
            return Outcome.REMOVED if server.drop_user(request.user) else Outcome.ABSENT
        return _user(request, server, passwords)


def _database(request: Request, server: Server) -> Outcome:
    if request.action is Action.DELETE:
        return Outcome.REMOVED if server.drop_database(request.database) else Outcome.ABSENT
    return Outcome.CREATED if server.create_database(request.database) else Outcome.ENSURED


def _user(request: Request, server: Server, passwords: Passwords) -> Outcome:
    current = passwords.current()
    keeps = current if request.action is not Action.ROTATE else None
    wanted = passwords.pending() or keeps or passwords.propose(new_password())
    created = server.ensure_user(request.user, wanted.password, database=request.database)
    if not server.accepts(request.user, wanted.password, database=request.database):
        raise AccountingError(
            f"The user {request.user} was made, and its login is refused all the same.",
            hint="Run this again; it goes on from here.",
        )
    if wanted != current:
        passwords.promote(wanted)
    if created:
        return Outcome.CREATED
    return Outcome.ENSURED if wanted == current or current is None else Outcome.ROTATED


def new_password() -> Secret:
    return Secret("".join(secrets.choice(_PASSWORD_SIGNS) for _ in range(PASSWORD_LENGTH)))
