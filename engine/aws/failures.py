"""How AWS says no, in the engine's words: the one place that knows botocore's exceptions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError, WaiterError
from botocore.parsers import ResponseParserError

from engine.errors import (
    AccessDenied,
    BackendError,
    CredentialsExpired,
    EngineError,
    Unreachable,
    WrongRegion,
)
from engine.model.passing import EXPIRED, HEAD_SAYS_NO_MORE, Why, codes
from engine.model.session_tokens import without_session_tokens


class PassingFailure(BackendError):
    """AWS is busy or ill for the moment (throttling, 5xx): the same call may work a little later."""

    retryable = True


# Codes as the services' API references ("Common errors") and EC2's "Error codes" page list them.
# "403" and "301" stand for S3 answers to HEAD, which have no body to carry a code.
_REFUSED = frozenset(
    {
        "403",
        "AccessDenied",
        "AccessDeniedException",
        "AllAccessDisabled",
        "AuthFailure",
        "Forbidden",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnauthorizedException",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
    }
)
_PASSING = codes(Why.THROTTLED, Why.ILL, Why.SETTLING)
_ELSEWHERE = frozenset(
    {
        "301",
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
        "PermanentRedirect",
    }
)
_NO_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.TokenRetrievalError,
    boto.SSOError,
    boto.ProfileNotFound,
    boto.NoAuthTokenError,
)

_SIGN_IN = "Sign in again, or check the profile and the AWS_* variables this command runs with."
_CHECK_POLICY = "Ask for the permission named above, or use another profile."


@contextmanager
def aws_errors(doing: str, *, secret: bool = False) -> Iterator[None]:
    """Turn what botocore raises inside the block into the engine's errors.

    doing    what was being done, to whom: "reading the record of lab-1/proj-1"
    secret   the call carries a secret: AWS's own text is left out, since it may quote parameters,
             and the original exception is not chained
    Raises   AccessDenied, CredentialsExpired, Unreachable, WrongRegion, PassingFailure, BackendError;
             engine errors pass
    """
    try:
        yield
    except EngineError:
        raise
    except (ClientError, BotoCoreError) as error:
        translated = translate(error, doing=doing, secret=secret)
        if secret:
            raise translated from None
        raise translated from error
    except ResponseParserError:
        # botocore quotes the whole answer, and the answer may hold a private key: neither told nor chained.
        raise PassingFailure(
            f"The answer of AWS could not be read while {doing}.",
            hint="Something between here and AWS (a proxy?) changes answers. Run this again.",
        ) from None


def translate(error: ClientError | BotoCoreError, *, doing: str, secret: bool = False) -> BackendError:
    """The engine's error for a botocore exception; see aws_errors for the arguments."""
    if isinstance(error, ClientError):
        return _translate_answer(error, doing=doing, secret=secret)
    if isinstance(error, _NO_CREDENTIALS):
        reason = "" if secret else f": {error}"
        return AccessDenied(f"No usable AWS credentials while {doing}{reason}", hint=_SIGN_IN)
    if isinstance(error, boto.HTTPClientError | boto.ConnectionError):
        endpoint = str(error.kwargs.get("endpoint_url") or "the AWS endpoint")
        return Unreachable(
            f"{endpoint} did not answer while {doing} ({type(error).__name__}).",
            hint="Check the network, the region and the endpoint; for the local cloud: "
            "`provisioner local status`.",
            details={"endpoint": endpoint},
        )
    if isinstance(error, WaiterError):
        return PassingFailure(
            f"AWS was not done in time while {doing}.", hint="Look at the resource, then run this again."
        )
    reason = "" if secret else f": {error}"
    return BackendError(f"The AWS client library failed while {doing} ({type(error).__name__}){reason}")


def error_code(error: ClientError) -> str:
    """The code AWS gave ("NoSuchBucket"); S3 gives the HTTP status ("404") in answers to HEAD."""
    return error.response.get("Error", {}).get("Code", "")


def _translate_answer(error: ClientError, *, doing: str, secret: bool) -> BackendError:
    code = error_code(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    details = {"aws_code": code, "operation": error.operation_name}
    said = "" if secret else without_session_tokens(error.response.get("Error", {}).get("Message", ""))
    text = f"AWS refused {error.operation_name} with {code or 'no code'} while {doing}"
    text += f": {said}" if said else "."
    if code == HEAD_SAYS_NO_MORE:
        text = f"{text.rstrip('.')}. S3 says no more to it; most often the credentials have expired."
    if code in EXPIRED:
        return CredentialsExpired(text, hint=_SIGN_IN, details=details)
    if code in _REFUSED:
        unknown = code == "InvalidClientTokenId"
        return AccessDenied(text, hint=_SIGN_IN if unknown else _CHECK_POLICY, details=details)
    if code in _ELSEWHERE:
        return WrongRegion(text, hint="Check the region in the settings.", details=details)
    if code in _PASSING or status >= 500:
        return PassingFailure(text, hint="Wait a moment, then run this again.", details=details)
    return BackendError(text, details=details)
