"""The engine's own hold on Terraform's state lock: respected, named, and taken from the dead alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from engine.aws.session import Cloud
from engine.aws.state_lock import StateLock
from engine.errors import NotBootstrapped, StateLocked, Unreachable
from engine.model.operation import Owner
from tests.functional.conftest import make_table

NOON = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
ID = "states/projects/lab-1/proj-1/terraform.tfstate"
ANNA, BERT = (Owner("process", f"{name}@host", {"pid": pid}) for name, pid in (("anna", "1"), ("bert", "2")))
ALICE = {
    "ID": "0-1",
    "Operation": "OperationTypeApply",
    "Who": "alice@head",
    "Created": "2026-11-28",
    "Path": ID,
}


@pytest.fixture(autouse=True)
def table(cloud: Cloud) -> Iterator[None]:
    make_table(cloud, "locks", "LockID")
    yield


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def lock_of(cloud: Cloud, notes: list[str]) -> Any:
    def make(owner: Owner = ANNA, *, patience_s: float = 0, **more: Any) -> StateLock:
        given: dict[str, Any] = {
            "pause": lambda seconds: None,
            "dead": lambda owner, run: None,
            "working": lambda run: (),
            **more,
        }
        return StateLock(
            cloud,
            table="locks",
            bucket="states",
            key=ID.removeprefix("states/"),
            project="lab-1/proj-1",
            owner=owner,
            purpose="operation op-1",
            version="provisioner 0",
            patience_s=patience_s,
            note=notes.append,
            now=lambda: NOON,
            **given,
        )

    return make


def item(cloud: Cloud) -> dict[str, Any] | None:
    found = cloud.dynamodb.get_item(TableName="locks", Key={"LockID": {"S": ID}})
    return json.loads(found["Item"]["Info"]["S"]) if "Item" in found else None


def held_by_alice(cloud: Cloud) -> None:
    cloud.dynamodb.put_item(TableName="locks", Item={"LockID": {"S": ID}, "Info": {"S": json.dumps(ALICE)}})


def test_it_is_held_for_as_long_as_the_block_and_once(cloud: Cloud, lock_of: Any) -> None:
    lock = lock_of()
    with lock.held("apply") as run:
        found = item(cloud)
        assert found is not None
        assert (found["ID"], found["Who"], found["Info"]) == (run, "anna@host", "operation op-1")
        assert found["Operation"] == "OperationTypeApply" and found["Path"] == ID
        with lock.held("untaint") as inner:
            assert inner == run
        assert item(cloud) == found
    assert item(cloud) is None


def test_an_error_in_the_block_lets_it_go(cloud: Cloud, lock_of: Any) -> None:
    with pytest.raises(KeyboardInterrupt), lock_of().held("plan"):
        raise KeyboardInterrupt
    assert item(cloud) is None


def test_somebody_else_s_is_waited_for_and_named(cloud: Cloud, lock_of: Any, notes: list[str]) -> None:
    held_by_alice(cloud)
    waits: list[float] = []
    lock = lock_of(patience_s=10, pause=waits.append, dead=lambda owner, run: "dead")
    # It is a person's own: whatever could be proved of it, it is left alone.
    with pytest.raises(StateLocked, match="alice@head") as refused, lock.held("plan"):
        pass
    assert "unlock lab-1/proj-1 --id 0-1" in refused.value.hint
    assert refused.value.details["holder"]["who"] == "alice@head"
    assert sum(waits) == 10 and notes == ["Waiting up to 10 s for alice@head, who holds the state lock"]
    assert item(cloud) == ALICE


def test_who_lets_go_in_time_is_followed(cloud: Cloud, lock_of: Any) -> None:
    held_by_alice(cloud)

    def alice_ends(_: float) -> None:
        cloud.dynamodb.delete_item(TableName="locks", Key={"LockID": {"S": ID}})

    with lock_of(patience_s=10, pause=alice_ends).held("plan"):
        assert item(cloud) is not None


def test_a_lock_of_ours_is_taken_from_the_dead_with_the_proof(
    cloud: Cloud, lock_of: Any, notes: list[str]
) -> None:
    dead_lock = lock_of()
    left = dead_lock.held("apply")
    run = left.__enter__()  # and never left, as when the process is killed
    # GIVEN an owner that may live THEN its lock stays
    with pytest.raises(StateLocked, match="anna@host"), lock_of(BERT).held("plan"):
        pass
    # WHEN its death is proved
    asked: list[tuple[str, str]] = []

    def dead(owner: Owner, of: str) -> str:
        asked.append((owner.name, of))
        return "process 1 no longer exists"

    with lock_of(BERT, dead=dead).held("plan"):
        found = item(cloud)
        assert found is not None and found["Who"] == "bert@host"
        # AND the dead one, should it wake up, takes nothing away
        left.__exit__(None, None, None)
        assert item(cloud) == found
    assert asked == [("anna@host", run)]
    assert "anna@host" in notes[0] and "process 1 no longer exists" in notes[0]


def test_a_person_takes_exactly_the_lock_that_was_shown(cloud: Cloud, lock_of: Any) -> None:
    held_by_alice(cloud)
    assert lock_of().remove("another") is None and item(cloud) == ALICE
    removed = lock_of().remove("0-1")
    assert removed is not None and removed.who == "alice@head" and item(cloud) is None
    assert lock_of().holder() is None


def test_a_lock_that_cannot_be_read_is_somebody_else_s(cloud: Cloud, lock_of: Any) -> None:
    cloud.dynamodb.put_item(TableName="locks", Item={"LockID": {"S": ID}, "Info": {"S": "not JSON"}})
    with pytest.raises(StateLocked, match="somebody"), lock_of(dead=lambda *_: "dead").held("plan"):
        pass


def test_without_its_table(cloud: Cloud, lock_of: Any) -> None:
    cloud.dynamodb.delete_table(TableName="locks")
    with pytest.raises(NotBootstrapped), lock_of().held("plan"):
        pass


def test_a_lock_that_changes_hands_between_look_and_removal_stays(
    cloud: Cloud, lock_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = lock_of()
    with lock.held("apply"):
        seen = lock._item()
        # GIVEN a look that still shows our lock, when it is another's already
        monkeypatch.setattr(lock, "_item", lambda: seen)
        held_by_alice(cloud)
    # THEN the other's is not taken away
    assert item(cloud) == ALICE


class Failing:
    """The table's client, one call of which does not get through the first time."""

    def __init__(self, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, call: str, *, done: bool) -> None:
        self._real = getattr(cloud.dynamodb, call)
        self._done = done
        self._left = 1
        monkeypatch.setattr(cloud.dynamodb, call, self)

    def __call__(self, **arguments: Any) -> Any:
        self._left -= 1
        if self._left < 0 or self._done:
            answer = self._real(**arguments)
        if self._left >= 0:
            raise EndpointConnectionError(endpoint_url="https://dynamodb")
        return answer


@pytest.mark.parametrize("call", ["get_item", "delete_item"])
def test_a_lock_that_could_not_be_released_is_taken_back_by_its_own_process(
    cloud: Cloud, lock_of: Any, notes: list[str], monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    # WHEN Terraform fails, and then the lock cannot be released THEN the failure is Terraform's
    with pytest.raises(ValueError, match="subnet is gone"), lock_of().held("apply") as left:
        Failing(cloud, monkeypatch, call, done=False)
        raise ValueError("the subnet is gone")
    found = item(cloud)
    assert found is not None and found["ID"] == left
    assert "could not be released" in notes[0] and f"unlock lab-1/proj-1 --id {left}" in notes[0]

    # AND while something of that run lives, the lock stays
    with pytest.raises(StateLocked, match="anna@host"), lock_of(working=lambda run: run == left).held("plan"):
        pass
    # AND then the next hold of the same process has it at once
    with lock_of().held("plan") as run:
        assert run != left and item(cloud) is not None
    assert item(cloud) is None and "left it behind" in notes[1]


def test_a_lock_whose_write_was_repeated_is_its_own(
    cloud: Cloud, lock_of: Any, notes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN boto3, which repeats a call on a broken connection; the repeat meets our own item
    real = cloud.dynamodb.put_item

    def put_twice(**arguments: Any) -> Any:
        real(**arguments)
        return real(**arguments)

    monkeypatch.setattr(cloud.dynamodb, "put_item", put_twice)
    # THEN it is held at once
    with lock_of().held("apply") as run:
        found = item(cloud)
        assert found is not None and found["ID"] == run
    assert item(cloud) is None and notes == []


def test_a_lock_that_went_before_it_could_be_looked_at_is_written_after_all(
    cloud: Cloud, lock_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a refusal that does not tell the item, which is gone when it is asked for
    held_by_alice(cloud)
    real = cloud.dynamodb.put_item

    def put_item(**arguments: Any) -> Any:
        try:
            return real(**arguments)
        except ClientError as error:
            del error.response["Item"]  # type: ignore[typeddict-item]
            cloud.dynamodb.delete_item(TableName="locks", Key={"LockID": {"S": ID}})
            raise

    monkeypatch.setattr(cloud.dynamodb, "put_item", put_item)
    # THEN nobody works without a lock
    with lock_of().held("apply") as run:
        found = item(cloud)
        assert found is not None and found["ID"] == run


def test_ctrl_c_while_the_lock_is_released_is_not_lost(
    cloud: Cloud, lock_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = lock_of()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt), lock.held("apply") as left:
        patch.setattr(cloud.dynamodb, "delete_item", Mock(side_effect=KeyboardInterrupt))
    # AND whoever goes on all the same holds a lock of its own
    with lock.held("plan") as run:
        found = item(cloud)
        assert found is not None and found["ID"] == run != left
    assert item(cloud) is None


def test_what_was_done_under_a_lock_that_stays_is_done(
    cloud: Cloud, lock_of: Any, notes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with lock_of().held("apply"):
        Failing(cloud, monkeypatch, "delete_item", done=False)
    assert "could not be released" in notes[0]


def test_a_lock_that_was_written_without_an_answer_is_taken_back(
    cloud: Cloud, lock_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Failing(cloud, monkeypatch, "put_item", done=True)
    with pytest.raises(Unreachable), lock_of().held("plan"):
        pass
    assert item(cloud) is not None
    with lock_of().held("plan"):
        pass
    assert item(cloud) is None
