"""The filter in front of Slurm's REST API, as a configuration of HAProxy: nothing passes that is not said.

Slurm checks signature and expiry of a token, and neither issuer nor audience: every token of the realm would
do. It takes the user from `sun` or `username` before it looks at the claim it was told, and lets root's and
SlurmUser's tokens act as anybody. So the filter lets one user through, the project's, and hands on exactly
the token that it has checked, with that user's name beside it, which Slurm compares with its own reading.

Source   HAProxy 2.6 to 3.0, configuration manual: http-request deny, jwt_verify, jwt_payload_query
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from jwks import Key

# A clock may be wrong by this much.
LEEWAY_S = 60

# HAProxy 2.6 reads a text out of a list, and no list as a whole.
_AUDIENCE_PATHS = ("$.aud", *(f"$.aud[{place}]" for place in range(8)))
_TEMPLATE = Path(__file__).resolve().parent.parent / "rest-filter.cfg"


def configuration(
    rest: dict[str, Any], keys: list[Key], *, user: str, folder: Path, socket: str, maker: str
) -> str:
    """HAProxy's configuration.

    rest     `rest` of the node configuration
    folder   where the keys lie as PEM, each under its `file_name`
    socket   of slurmrestd
    """
    values = {
        "MAKER": maker,
        "PORT": str(rest["port"]),
        "KEYS": "\n".join(_rule(key, folder) for key in keys),
        "LEEWAY": str(LEEWAY_S),
        "ISSUER": rest["issuer"],
        "AUDIENCES": "\n".join(_audience(path, rest["audience"]) for path in _AUDIENCE_PATHS),
        "USER_CLAIM": rest["user_claim"],
        "USER": user,
        "SOCKET": socket,
    }
    return re.sub("@([A-Z_]+)@", lambda name: values[name.group(1)], _TEMPLATE.read_text("utf-8"))


def _rule(key: Key, folder: Path) -> str:
    verified = f'var(txn.token),jwt_verify("RS256","{folder / key.file_name}")'
    return f'    http-request set-var(txn.signed) {verified} if {{ var(txn.kid) -m str "{key.kid}" }}'


def _audience(path: str, audience: str) -> str:
    found = f"var(txn.token),jwt_payload_query('{path}') -m str \"{audience}\""
    return f"    http-request set-var(txn.for_us) int(1) if {{ {found} }}"
