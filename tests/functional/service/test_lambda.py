"""Both functions under the real Lambda runtime interface client, with a stand-in for its runtime API."""

from __future__ import annotations

import json
from pathlib import Path

from engine.local.server import LocalCloud
from engine.operations.requests import Desk
from tests.functional.service.gateway import event, recorded
from tests.functional.service.runtime_api import running


def test_the_api_function_answers_events(desk: Desk, cloud: LocalCloud, tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    with running("engine.service.api.handler", environment=cloud.environment(), log=log) as function:
        # GIVEN nothing WHEN API Gateway's own event arrives THEN there is no such cluster
        absent = function(recorded("old_get_one"))
        assert (absent["statusCode"], json.loads(absent["body"])["message"]) == (404, "UNKNOWN_PROJECT")
        # WHEN a spec comes, in a process that is warm by now
        accepted = function(event("PUT", "/v1/projects/lab/proj", body={"storage": {"kind": "efs"}}))
        assert accepted["statusCode"] == 202, accepted
    operation = desk.store.active("lab/proj")
    assert operation
    # THEN the log is JSON, and nothing of the first request is on the second one's line
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    first, second = (line for line in lines if line.get("message") == "answered")
    assert first["status"] == 404 and "operation_id" not in first
    assert (second["project"], second["operation_id"]) == ("lab/proj", operation.id)


def test_the_worker_function_gives_back_what_it_cannot_read(
    desk: Desk, cloud: LocalCloud, tmp_path: Path
) -> None:
    environment = cloud.environment() | {"PROVISIONER_INTERNAL_FOLDER": str(tmp_path)}
    records = [
        {
            "messageId": "1",
            "receiptHandle": "r-1",
            "body": "no JSON",
            "attributes": {"MessageGroupId": "lab/a"},
        },
        {
            "messageId": "2",
            "receiptHandle": "r-2",
            "body": json.dumps({"project": "lab/b", "operation_id": "op-1"}),
            "attributes": {"MessageGroupId": "lab/b"},
        },
    ]
    log = tmp_path / "worker.log"
    with running("engine.service.worker.handler", environment=environment, log=log) as function:
        answer = function({"Records": records})
    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}, {"itemIdentifier": "2"}]}
    assert "UNREADABLE_MESSAGE" in log.read_text() and "UNKNOWN_OPERATION" in log.read_text()
