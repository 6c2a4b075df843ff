"""From an identity provider, played on loopback, to the bucket that head nodes look into."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from engine.aws import buckets
from engine.aws.session import Cloud
from engine.errors import KeysRefused, KeysUnavailable
from engine.identity.provider import LARGEST_BYTES, fetch_keys
from engine.local.server import LocalCloud
from engine.model.settings import Settings
from engine.operations.engine import open_engine
from engine.operations.reporting import Silent
from engine.operations.token_keys import ensure_keys
from tests.functional.conftest import Ended
from tests.functional.identity.identity_provider import Provider, Respond, identity_provider, status
from tests.policies.permissions import COMMANDS, permitted
from tests.unit.model.test_jwks import key

BUCKET = "provisioner-nodes-123456789012-us-east-1"


@pytest.fixture
def provider() -> Iterator[Provider]:
    with identity_provider() as provider:
        yield provider


@pytest.fixture
def refresh(provisioner: Callable[..., Ended], provider: Provider, tmp_path: Path) -> Callable[[], Ended]:
    settings = tmp_path / "settings.yaml"
    settings.write_text(
        json.dumps({"jwks_url": provider.url, "jwt_issuer": "https://sso", "jwt_audience": "slurm"})
    )
    return lambda: provisioner("--settings", settings, "refresh-jwks", "--if-set", "--json")


def test_keys_are_handed_on_when_they_change(
    refresh: Callable[[], Ended], provider: Provider, cloud: LocalCloud
) -> None:
    aws = Cloud(region=cloud.region, endpoint_url=cloud.endpoint, local=True)
    # WHEN it runs, and runs again
    with permitted(cloud, COMMANDS["refresh-jwks"]):
        assert refresh().ok().json == {"keys": ["key-1"], "changed": True}
    assert refresh().ok().json == {"keys": ["key-1"], "changed": False}
    # THEN the bucket has the keys, and one version of them
    stored = buckets.find_object(aws, BUCKET, "jwks.json")
    assert stored is not None
    assert [item["kid"] for item in json.loads(stored)["keys"]] == ["key-1"]
    # WHEN Keycloak changes them
    provider.text = json.dumps({"keys": [key("key-2"), key("key-1")]})
    assert refresh().ok().json == {"keys": ["key-1", "key-2"], "changed": True}
    # AND publishes garbage after that
    provider.text = "<html>Maintenance</html>"
    refresh().refused(7, "KEYS_REFUSED", "it is not JSON")
    # THEN the good ones stay
    stored = buckets.find_object(aws, BUCKET, "jwks.json")
    assert stored is not None and len(json.loads(stored)["keys"]) == 2


def test_without_an_identity_provider_it_says_what_to_set(provisioner: Callable[..., Ended]) -> None:
    provisioner("refresh-jwks").refused(3, "jwks_url", "docs/slurm-rest.md")
    # A schedule that runs it in every installation has nothing to do, and is green.
    assert "no keys to refresh" in provisioner("refresh-jwks", "--if-set").ok().out
    assert provisioner("refresh-jwks", "--if-set", "--json").ok().json == {"keys": [], "changed": False}


class Notes(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_a_cluster_is_made_with_the_keys_that_are_there_when_no_others_can_be_had(
    cloud: LocalCloud, provider: Provider, tmp_path: Path
) -> None:
    # GIVEN an installation whose identity provider is ill before it ever gave a key
    settings = Settings(
        endpoint_url=cloud.endpoint, jwks_url=provider.url, jwt_issuer="https://sso", jwt_audience="slurm"
    )
    reporter = Notes()
    engine = open_engine(settings, base=tmp_path, environ={}, reporter=reporter)
    provider.respond = status(503)
    # THEN no head node is made that could not start
    with pytest.raises(KeysUnavailable):
        ensure_keys(engine)
    # WHEN it has given one, and is ill again, THEN that one does
    provider.respond = None
    ensure_keys(engine)
    provider.respond = status(503)
    ensure_keys(engine)
    assert [note.partition(":")[0] for note in reporter.notes] == [
        "The keys of the REST API's tokens stay as they are"
    ]


def _elsewhere(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(302)
    handler.send_header("Location", "http://127.0.0.1:1/certs")
    handler.end_headers()


def _large(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(b" " * (LARGEST_BYTES + 1))


def _binary(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(b"\xff\xfe")


def _no_http(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")


@pytest.mark.parametrize(
    ("respond", "error", "said"),
    [
        (status(404), KeysRefused, "answers 404"),
        (status(503), KeysUnavailable, "answers 503"),
        (_elsewhere, KeysRefused, "answers 302"),
        (_large, KeysRefused, "more than 256 KiB"),
        (_binary, KeysRefused, "no text"),
        (_no_http, KeysUnavailable, "does not answer"),
    ],
)
def test_no_other_answer_is_taken(
    provider: Provider, respond: Respond, error: type[Exception], said: str
) -> None:
    provider.respond = respond
    with pytest.raises(error, match=said):
        fetch_keys(provider.url)


def test_a_provider_that_never_ends_is_not_waited_for(provider: Provider) -> None:
    ended = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not ended.wait(0.05):
            handler.wfile.write(b" ")
            handler.wfile.flush()

    provider.respond = drip
    began = time.monotonic()
    try:
        with pytest.raises(KeysUnavailable, match="too slowly"):
            fetch_keys(provider.url, answers_within_s=2)
    finally:
        ended.set()
    assert time.monotonic() - began < 30


def test_a_provider_that_is_not_there(provider: Provider) -> None:
    provider.server.server_close()
    with pytest.raises(KeysUnavailable, match="does not answer"):
        fetch_keys("http://127.0.0.1:1/certs", answers_within_s=2)
