"""The keys of the REST API's tokens, from the identity provider to the bucket that head nodes look into."""

from __future__ import annotations

from dataclasses import dataclass

from engine.aws import buckets
from engine.errors import FieldProblem, InvalidSettings, KeysRefused, KeysUnavailable
from engine.identity.provider import fetch_keys
from engine.model.jwks import key_ids, signing_keys
from engine.operations.engine import Engine
from engine.workspace.node_config import JWKS_KEY


@dataclass(frozen=True)
class TokenKeys:
    """changed   whether the bucket held others before"""

    ids: tuple[str, ...]
    changed: bool


def refresh_keys(engine: Engine) -> TokenKeys:
    """Let the nodes bucket hold the keys that sign now. Head nodes take them over within minutes.

    Raises   InvalidSettings without an identity provider; KeysUnavailable, KeysRefused (nothing changed);
             BackendError
    """
    url = engine.settings.jwks_url
    if url is None:
        raise InvalidSettings(
            "No identity provider is set, so clusters have no REST API.",
            [FieldProblem("jwks_url", "is not set")],
            hint="Set jwks_url, jwt_issuer and jwt_audience: docs/slurm-rest.md.",
        )
    text = signing_keys(fetch_keys(url), source=url)
    changed = buckets.keep_object(engine.cloud, engine.settings.nodes_bucket, JWKS_KEY, text.encode())
    return TokenKeys(key_ids(text), changed)


def ensure_keys(engine: Engine) -> None:
    """Make sure that a new head node finds keys; the ones that are there do if no others can be had now.

    Raises   KeysUnavailable, KeysRefused where there are none; BackendError
    """
    if not engine.settings.has_rest_api:
        return
    try:
        refresh_keys(engine)
    except (KeysUnavailable, KeysRefused) as error:
        if buckets.find_object(engine.cloud, engine.settings.nodes_bucket, JWKS_KEY) is None:
            raise
        engine.reporter.note(f"The keys of the REST API's tokens stay as they are: {error.message}")
