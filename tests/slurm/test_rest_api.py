"""Slurm's REST API behind its filter: what a good token does, and all that no other one does."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.model.names import names_for
from engine.model.settings import Settings
from tests.functional.mariadb import MariaDbServer
from tests.slurm import software
from tests.slurm.cluster import HOST, SLURM_CONF, Answer, SlurmCluster, await_value, request
from tests.slurm.conftest import project_cluster
from tests.slurm.releases import RELEASE
from tests.slurm.tokens import AUDIENCE, ISSUER, SigningKey, jwks

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("slurm"), pytest.mark.timeout(600)]

NAMES = names_for("lab-1", "proj-4", account_id="123456789012")
KEY, NEXT_KEY, STRANGER = SigningKey("key-1"), SigningKey("key-2"), SigningKey("key-1")
VERSION = RELEASE.api
JOBS = f"/slurm/{VERSION}/jobs"


def _settings(port: int) -> Settings:
    return Settings(
        jwks_url="https://sso.example.org/certs",
        jwt_issuer=ISSUER,
        jwt_audience=AUDIENCE,
        slurm_rest_port=port,
    )


class Api:
    """The API as the Workflow Service reaches it: at the filter's port."""

    def __init__(self, cluster: SlurmCluster) -> None:
        self.cluster = cluster
        self.port = cluster.ports.slurmrestd

    def get(self, path: str = JOBS, **headers: str) -> Answer:
        return self.call("GET", path, headers)

    def with_token(self, token: str, path: str = JOBS) -> Answer:
        return self.call("GET", path, {"Authorization": f"Bearer {token}"})

    def call(self, method: str, path: str, headers: Mapping[str, str], body: object = None) -> Answer:
        address = f"http://{HOST}:{self.port}{path}"
        return request(
            address,
            method=method,
            headers={name.replace("_", "-"): text for name, text in headers.items()},
            body=body,
        )

    def raw(self, text: str) -> str:
        """The answer to a request that no library would write."""
        with socket.create_connection((HOST, self.port), timeout=30) as connection:
            received = b""
            # It may say no, and go, before all of it was sent.
            with contextlib.suppress(OSError):
                connection.sendall(text.replace("\n", "\r\n").encode())
                while part := connection.recv(65536):
                    received += part
            return received.decode("utf-8", "replace")

    def submit(self, token: str, name: str) -> Answer:
        job = {
            "name": name,
            "current_working_directory": "/tmp",
            "environment": ["PATH=/usr/bin:/bin"],
            "script": "#!/bin/bash\nid -un\n",
        }
        headers = {"Authorization": f"Bearer {token}"}
        return self.call("POST", f"/slurm/{VERSION}/job/submit", headers, {"job": job})


@pytest.fixture(scope="module")
def api(slurm_root: Path, accounting_server: MariaDbServer) -> Iterator[Api]:
    """The cluster of a project as its node steps leave it."""

    def on_start(cluster: SlurmCluster) -> None:
        software.install(cluster, NAMES, _settings(cluster.ports.slurmrestd))
        software.put(cluster, "jwks.json", jwks(KEY))
        software.step(cluster, "head-start.d/30-jwks")

    cluster = project_cluster(
        slurm_root, accounting_server, "proj-4", settings=_settings(8082), before_start=on_start
    )
    cluster.start()
    try:
        for script in ("30-accounting", "40-rest-api"):
            software.step(cluster, f"head-configured.d/{script}")
        made = Api(cluster)
        await_value(lambda: _answers(made), "the REST API", cluster.logs)
        yield made
    finally:
        cluster.stop()


def _answers(api: Api) -> bool:
    try:
        return api.with_token(KEY.token()).status == 200
    except OSError:
        return False


def test_a_good_token_sees_jobs_and_runs_them(api: Api) -> None:
    # WHEN the workflow submits a job
    answer = api.submit(KEY.token(), "by-rest")
    # THEN it runs as the project's user
    assert (answer.status, answer.json["errors"]) == (200, [])
    job = answer.json["job_id"]
    assert api.cluster.await_state(job) == "COMPLETED"
    assert api.cluster.sacct(job, "JobName", "User", "Account") == [["by-rest", "sim", NAMES.cluster]]
    # AND both parts of the API show it, under either header
    jobs = api.get(X_SLURM_USER_TOKEN=KEY.token()).json
    assert (jobs["errors"], job in [item["job_id"] for item in jobs["jobs"]]) == ([], True)
    history = api.with_token(KEY.token(aud=["account", AUDIENCE]), f"/slurmdb/{VERSION}/job/{job}").json
    assert (history["errors"], [item["job_id"] for item in history["jobs"]]) == ([], [job])


def test_slurmrestd_itself_is_out_of_reach(api: Api) -> None:
    folder = "/run/provisioner-slurmrestd"
    assert api.cluster.run("ls", folder, user="sim", check=False).returncode != 0
    assert api.cluster.run("stat", "-c", "%U %a", folder).stdout == "slurmrestd 700\n"
    assert api.cluster.run("stat", "-c", "%U %a", "/opt/slurm/etc/jwks.json").stdout == "slurm 400\n"


def bad_tokens() -> dict[str, dict[str, str]]:
    """What the filter says -> the tokens it says that of; fresh ones, since they expire in minutes."""
    now = int(time.time())
    return {
        "one token is needed": {"two tokens in one": f"{KEY.token()},{KEY.token()}"},
        "not a signed token": {
            "alg none": KEY.token(header={"alg": "none"}),
            "padded": KEY.token() + "=",
            "in four parts": KEY.token() + ".a",
        },
        "not signed with RS256": {
            "alg none, with a signature": KEY.token(header={"alg": "none"}) + "YQ",
            "alg HS256": KEY.token(header={"alg": "HS256"}),
            "alg RS512": KEY.token(header={"alg": "RS512"}),
            "garbage": "a.b.c",
        },
        "not signed by a known key": {
            "signed by a stranger": STRANGER.token(),
            "of an unknown key": NEXT_KEY.token(),
            "without a key": KEY.token(header={"kid": None}),
            "of a list of keys": KEY.token(header={"kid": ["key-1"]}),
            "with another one's claims": ".".join(
                [KEY.token().split(".")[0], STRANGER.token(azp="x").split(".")[1], KEY.token().split(".")[2]]
            ),
        },
        "without expiry": {"without expiry": KEY.token(exp=None)},
        "expired": {"expired": KEY.token(exp=now - 10), "with a word as expiry": KEY.token(exp="tomorrow")},
        "not valid yet": {"not valid yet": KEY.token(nbf=now + 3600)},
        "issued in the future": {"issued in the future": KEY.token(iat=now + 3600)},
        "another issuer": {
            "of another issuer": KEY.token(iss=ISSUER + "-2"),
            "of no issuer": KEY.token(iss=None),
        },
        "another audience": {
            "for another audience": KEY.token(aud="account"),
            "for others, as a list": KEY.token(aud=["account", "slurm-rest-2", "not-slurm-rest"]),
            "for one that reads like a list": KEY.token(aud=['account","slurm-rest', "x"]),
            "for one that is a list as text": KEY.token(aud=json.dumps([AUDIENCE])),
            "for a list in a list": KEY.token(aud=[[AUDIENCE]]),
            "for an audience inside another claim": KEY.token(aud={"x": AUDIENCE}),
            "for nobody": KEY.token(aud=None),
        },
        "not the project's user": {
            **{name: KEY.token(preferred_username=name) for name in ("root", "slurm", "ec2-user", "nobody")},
            "another user": KEY.token(preferred_username="other"),
            "a user in capitals": KEY.token(preferred_username="SIM"),
            "a list of users": KEY.token(preferred_username=["sim"]),
            "no user": KEY.token(preferred_username=None),
        },
        "another user under sun": {"root under sun": KEY.token(sun="root")},
        "another user under username": {"root under username": KEY.token(username="root")},
    }


@pytest.mark.parametrize(
    ("said", "case"), [(said, case) for said, tokens in bad_tokens().items() for case in tokens]
)
def test_a_bad_token_does_nothing(api: Api, said: str, case: str) -> None:
    # WHEN somebody submits a job with it
    token = bad_tokens()[said][case]
    refused = api.submit(token, "never")
    # THEN the filter says no, and why
    status = 403 if " user" in said else 401
    assert (refused.status, refused.body) == (status, said)
    # AND so it does in the other header, on a path that Slurm answers without a token, and for history
    assert api.get(X_SLURM_USER_TOKEN=token, X_SLURM_USER_NAME="sim").status == status
    assert api.with_token(token, f"/slurm/{VERSION}/ping").status == status
    assert api.with_token(token, f"/slurmdb/{VERSION}/jobs").status == status


def test_nothing_that_was_refused_has_run(api: Api) -> None:
    # Runs after the tokens above: neither the queue nor the history has such a job.
    names = api.cluster.run("squeue", "-haS", "i", "-o", "%j").stdout.split()
    history = api.cluster.run("sacct", "-anPX", "-S", "1970-01-01", "--format=JobName").stdout.split()
    assert "never" not in names + history


def test_a_request_says_who_it_is_in_one_way(api: Api) -> None:
    good, bad = KEY.token(), KEY.token(preferred_username="root")
    # No token, two, or one beside another
    assert api.get().status == 401
    assert api.get(Authorization=f"Bearer {good}", X_SLURM_USER_TOKEN=good).status == 401
    assert api.get(Authorization=f"Bearer {good}", X_SLURM_USER_TOKEN=bad).status == 401
    assert api.get(Authorization="Basic c2ltOnNpbQ==").status == 401
    assert api.get(Authorization=good).status == 401
    # The name that a client gives beside its token counts for nothing
    answer = api.get(Authorization=f"Bearer {good}", X_SLURM_USER_NAME="root")
    assert (answer.status, answer.json["errors"]) == (200, [])
    first = f"GET {JOBS} HTTP/1.1\nHost: x\nConnection: close\n"
    for header in (
        f"X-SLURM-USER-TOKEN: {good}\nX-SLURM-USER-TOKEN: {bad}\n",
        f"Authorization: Bearer {good}\nAuthorization: Bearer {bad}\n",
        f"X-SLURM-USER-TOKEN : {good}\n",
        f"X-SLURM-USER-TOKEN: {good}\n continued\n",
        f"X-SLURM-USER-TOKEN: {'a' * 40_000}\n",
        f"X_SLURM_USER_TOKEN: {good}\n",
    ):
        status = api.raw(first + header + "\n").split(" ", 2)[1]
        assert status in ("400", "401", "431"), (header[:60], status)


@pytest.mark.parametrize(
    "path",
    [
        f"/slurm/{VERSION}/ping",
        f"//slurm/{VERSION}/jobs",
        f"/openapi/../slurm/{VERSION}/jobs",
        f"/%73lurm/{VERSION}/jobs",
        f"/slurm/{VERSION}/jobs?token=x",
        "/openapi/v3",
        "/",
    ],
)
def test_no_path_goes_without_a_token(api: Api, path: str) -> None:
    assert api.raw(f"GET {path} HTTP/1.1\nHost: x\nConnection: close\n\n").split(" ", 2)[1] == "401"


def test_only_what_the_api_has_is_handed_on(api: Api) -> None:
    bearer = {"Authorization": f"Bearer {KEY.token()}"}
    assert api.call("PUT", JOBS, bearer).status == 405
    assert api.call("OPTIONS", JOBS, bearer).status == 405
    for path in ("/", "/metrics", f"//slurm/{VERSION}/jobs", f"/openapi/../slurm/{VERSION}/jobs"):
        assert api.call("GET", path, bearer).status == 404
    assert api.call("GET", "/openapi/v3", bearer).status == 200


def test_one_request_cannot_hide_another(api: Api) -> None:
    # GIVEN a body that reads like a request of its own, its length said in two ways
    hidden = f"GET {JOBS} HTTP/1.1\nHost: x\nX-SLURM-USER-NAME: root\n\n"
    answer = api.raw(
        f"POST {JOBS} HTTP/1.1\nHost: x\nAuthorization: Bearer {KEY.token()}\n"
        f"Content-Length: 4\nTransfer-Encoding: chunked\n\n0\n\n{hidden}"
    )
    # THEN what comes after it is refused for want of a token, or not looked at
    assert " 200 " not in answer.split("HTTP/1.1", 2)[-1]
    assert answer.count('"jobs"') == 0


def test_other_keys_are_taken_over_and_old_ones_forgotten(api: Api) -> None:
    # GIVEN both keys, as while Keycloak changes from one to the other
    cluster = api.cluster

    def refresh(*keys: SigningKey) -> str:
        software.put(cluster, "jwks.json", jwks(*keys))
        cluster.systemctl("start", "provisioner-refresh-jwks")
        return cluster.path("/var/log/units/provisioner-refresh-jwks.service.log").read_text()

    refresh(KEY, NEXT_KEY)
    for key in (KEY, NEXT_KEY):
        await_value(lambda key=key: _all_answer(api, key.token()), "both keys", cluster.logs)  # type: ignore[misc]
    # WHEN the old one goes
    said = refresh(NEXT_KEY)
    assert said.splitlines()[-1] == "keys taken over: key-2"
    await_value(lambda: _all_answer(api, NEXT_KEY.token()), "the new key", cluster.logs)
    # THEN its tokens are refused by the filter, and by Slurm itself
    assert api.with_token(KEY.token()).status == 401
    assert _slurm_says(cluster, KEY.token(), JOBS) != []
    assert _slurm_says(cluster, KEY.token(), f"/slurmdb/{VERSION}/accounts") != []
    assert _slurm_says(cluster, NEXT_KEY.token(), JOBS) == []
    # AND looking again changes nothing
    assert refresh(NEXT_KEY) == said
    # AND what is no set of keys is not taken over
    software.put(cluster, "jwks.json", "<html>Sign in</html>")
    assert cluster.run("systemctl", "start", "provisioner-refresh-jwks", check=False).returncode != 0
    assert _all_answer(api, NEXT_KEY.token())


def _all_answer(api: Api, token: str) -> bool:
    try:
        answers = [api.with_token(token, path) for path in (JOBS, f"/slurmdb/{VERSION}/accounts")]
    except OSError:
        return False
    return all(answer.status == 200 and answer.json["errors"] == [] for answer in answers)


def _slurm_says(cluster: SlurmCluster, token: str, path: str) -> list[Any]:
    """The errors that slurmrestd itself gives, past the filter."""
    done = cluster.run(
        *("curl", "-s", "--unix-socket", "/run/provisioner-slurmrestd/slurmrestd.sock"),
        *("-H", f"X-SLURM-USER-TOKEN: {token}", f"http://localhost{path}"),
        environment={"SLURM_CONF": SLURM_CONF},
    )
    errors: list[Any] = json.loads(done.stdout)["errors"]
    return errors


def test_setting_it_up_again_changes_nothing(api: Api) -> None:
    files = [SLURM_CONF, "/opt/slurm/etc/slurmdbd.conf", "/etc/provisioner/rest-api/filter.cfg"]
    before = [api.cluster.path(file).read_bytes() for file in files]
    software.put(api.cluster, "jwks.json", jwks(NEXT_KEY))
    said = software.step(api.cluster, "head-updated.d/40-rest-api")
    assert [api.cluster.path(file).read_bytes() for file in files] == before
    assert "taken over" not in said


def test_the_api_goes_when_it_is_switched_off(api: Api) -> None:
    # GIVEN an update of the cluster that takes the settings away
    software.install(api.cluster, NAMES, Settings())
    software.step(api.cluster, "head-updated.d/40-rest-api")
    # THEN nobody listens, and Slurm takes no token of any kind
    with pytest.raises(OSError):
        api.get()
    assert "AuthAltTypes            = (null)" in api.cluster.run("scontrol", "show", "config").stdout
    assert "auth/jwt" not in api.cluster.path("/opt/slurm/etc/slurmdbd.conf").read_text()
    # AND an update that gives them back brings it back, on the running cluster
    software.install(api.cluster, NAMES, _settings(api.port))
    software.step(api.cluster, "head-updated.d/40-rest-api")
    await_value(lambda: _all_answer(api, NEXT_KEY.token()), "the REST API", api.cluster.logs)
