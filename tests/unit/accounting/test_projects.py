"""What the function does, whatever server is behind it."""

from __future__ import annotations

import pytest

from engine.accounting.projects import PASSWORD_LENGTH, Outcome, carry_out, new_password
from engine.accounting.request import Action, Request, Resource
from engine.aws.accounting_secrets import Version
from engine.errors import AccountingError, AccountingRefused
from engine.local.accounting import Book, StandIn
from engine.model.secret import Secret

DATABASE = Request(Resource.DATABASE, Action.CREATE, "pc_x_abc")
USER = Request(Resource.USER, Action.CREATE, "pc_x_abc", "slurm_abc", "arn")


class Passwords:
    """A secret in memory."""

    def __init__(self) -> None:
        self.versions: list[Version] = []
        self.promoted: list[Version] = []

    def current(self) -> Version | None:
        return self.promoted[-1] if self.promoted else None

    def pending(self) -> Version | None:
        waiting = [one for one in self.versions if one not in self.promoted]
        return waiting[-1] if waiting else None

    def propose(self, password: Secret) -> Version:
        self.versions.append(Version(str(len(self.versions)), password))
        return self.versions[-1]

    def promote(self, version: Version) -> None:
        self.promoted.append(version)


class Deaf(StandIn):
    """A server whose logins fail."""

    def accepts(self, user: str, password: Secret, *, database: str) -> bool:
        return False


@pytest.fixture
def book() -> Book:
    return Book(databases={"pc_x_abc"})


def test_the_master_is_never_a_projects_user(book: Book) -> None:
    for action in Action:
        request = Request(Resource.USER, action, "pc_x_abc", "slurm_abc", "arn")
        with pytest.raises(AccountingRefused, match="master"):
            carry_out(request, StandIn(book, "slurm_abc"), Passwords())
    assert book.users == {}


def test_a_password_is_current_only_once_it_has_opened_the_database(book: Book) -> None:
    passwords = Passwords()
    with pytest.raises(AccountingError, match="login is refused"):
        carry_out(USER, Deaf(book, "admin"), passwords)
    assert passwords.current() is None

    assert carry_out(USER, StandIn(book, "admin"), passwords) is Outcome.ENSURED
    assert passwords.promoted == passwords.versions
    assert len(passwords.versions) == 1


def test_nothing_is_promoted_when_nothing_changes(book: Book) -> None:
    passwords = Passwords()
    assert carry_out(USER, StandIn(book, "admin"), passwords) is Outcome.CREATED
    assert carry_out(USER, StandIn(book, "admin"), passwords) is Outcome.ENSURED
    assert len(passwords.promoted) == 1


def test_a_database_needs_no_secret() -> None:
    book = Book()
    assert carry_out(DATABASE, StandIn(book, "admin"), None) is Outcome.CREATED
    assert carry_out(DATABASE, StandIn(book, "admin"), None) is Outcome.ENSURED


def test_passwords_are_long_and_fit_into_a_configuration_line() -> None:
    made = {new_password().reveal() for _ in range(50)}
    assert len(made) == 50
    assert all(len(one) == PASSWORD_LENGTH and one.isascii() and one.isalnum() for one in made)
