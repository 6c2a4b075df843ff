"""How often an AWS call is tried again that AWS answers, beyond botocore's own list (mode "standard")."""

from __future__ import annotations

import random
from typing import Any

from engine.model.passing import EXPIRED, Why, codes

# Credentials that are fixed stay expired: whoever waits is told soon.
_EXPIRED_ATTEMPTS = 3
_ANSWERED = codes(Why.THROTTLED, Why.ILL, Why.SETTLING) | EXPIRED
_MOST_S = 20.0


def try_again(client: Any, attempts: int) -> None:
    """Have a client try again what the engine's list of passing failures says.

    botocore counts all of its tries together. These are for calls that AWS answers: who waits for an endpoint
    that is not there is told soon, and who is asked to slow down is patient. Each try is signed anew, so
    credentials that are renewed by then are used.
    attempts   how often a call is made at most while it is answered
    """

    def pause_s(
        response: tuple[Any, dict[str, Any]] | None, attempts: int, **_: Any
    ) -> float | None:  # the names are botocore's
        if response is None:
            return None
        code = response[1].get("Error", {}).get("Code", "")
        is_ill = response[1].get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500
        if code not in _ANSWERED and not is_ill:
            return None
        if attempts >= (min(most, _EXPIRED_ATTEMPTS) if code in EXPIRED else most):
            return None
        # Full jitter, as botocore's standard mode does it.
        return random.uniform(0, min(_MOST_S, 2 ** (attempts - 1)))  # noqa: S311

    most = attempts
    client.meta.events.register("needs-retry", pause_s, unique_id="provisioner-passing")
