"""What the library says never gets out; what it means does."""

from __future__ import annotations

import ssl

import pymysql
import pytest
from pymysql.err import OperationalError, ProgrammingError

from engine.accounting.database import _pattern, _quoted, _told
from engine.errors import AccountingError, AccountingUnavailable


def failing(error: Exception) -> AccountingError:
    with pytest.raises(AccountingError) as caught, _told("making the user slurm_x"):
        raise error
    assert caught.value.__cause__ is None and caught.value.__suppress_context__
    return caught.value


def test_a_statement_with_a_password_is_not_quoted() -> None:
    told = failing(ProgrammingError(1064, "syntax error near 'IDENTIFIED BY 'hunter2''"))
    assert "1064" in told.message and "slurm_x" in told.message
    assert "hunter2" not in str(told.to_dict())


@pytest.mark.parametrize("code", [2003, 2006, 2013, 1040, 1205, 1213, 1045])
def test_what_passes_may_be_tried_again(code: int) -> None:
    assert failing(OperationalError(code, "hunter2")).retryable


@pytest.mark.parametrize("error", [OperationalError(1142, "x"), pymysql.InterfaceError(), OSError("x")])
def test_what_does_not_pass_is_an_error(error: Exception) -> None:
    assert not isinstance(failing(error), AccountingUnavailable)


def test_a_certificate_that_does_not_fit_is_named() -> None:
    error = OperationalError(2003, "x")
    error.original_exception = ssl.SSLCertVerificationError()
    assert "ACCOUNTING_CA_FILE" in failing(error).hint


def test_identifiers_and_patterns() -> None:
    assert _quoted("a`b") == "`a``b`"
    assert _pattern("pc_a_b") == r"`pc\_a\_b`"
    assert _pattern("a%b\\c") == r"`a\%b\\c`"
