"""Operations and leases: one unfinished operation a project, one owner at a time, no late writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.aws.operation_items import Standing
from engine.aws.operation_store import Idempotency, Lease, OperationStore
from engine.aws.session import Cloud
from engine.errors import (
    BackendError,
    IdempotencyConflict,
    LeaseLost,
    NotBootstrapped,
    OperationInProgress,
    UnknownOperation,
)
from engine.model.operation import (
    Event,
    Failure,
    Kind,
    Operation,
    Owner,
    Progress,
    State,
    Wish,
    failed,
    requested,
    succeeded,
)
from tests.functional.conftest import make_table

NOON = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
TTL = timedelta(seconds=60)
PROJECT = "lab-1/proj-1"
PROVISION = Wish(Kind.PROVISION, '{"tier":"debug"}')
ANNA, BERT = (Owner("process", f"{name}@host", {"pid": pid}) for name, pid in (("anna", "1"), ("bert", "2")))


@pytest.fixture
def store(cloud: Cloud) -> Iterator[OperationStore]:
    make_table(cloud, "registry", "pk", "sk")
    yield OperationStore(cloud, "registry")


def wished(wish: Wish = PROVISION, *, now: datetime = NOON, project_id: str = "proj-1") -> Operation:
    return requested(vlab_id="lab-1", project_id=project_id, wish=wish, requested_by="ada", now=now)


def claimed(store: OperationStore, owner: Owner = ANNA, now: datetime = NOON) -> tuple[Lease, Operation]:
    operation = store.submit(wished()).operation
    return store.claim(PROJECT, operation.id, owner, now=now, ttl=TTL)


def test_an_operation_comes_back_as_it_was_written(store: OperationStore) -> None:
    lease, operation = claimed(store)
    full = replace(
        operation,
        phase="APPLYING",
        step="Applying",
        progress=Progress(3, 20, "module.fsx.this"),
        retries=2,
        notes={"export": "task-1"},
        updated_at=NOON + timedelta(seconds=1, microseconds=5),
    )
    event = Event(1, NOON, "phase", "Applying", {"phase": "APPLYING"})
    store.write(lease, full, [event])
    assert store.get(PROJECT, operation.id) == full
    assert store.events(operation.id) == (event,) and store.events(operation.id, after=1) == ()
    ended = failed(full, Failure("NO_CAPACITY", "none left", "wait", True, {"az": "a"}), NOON)
    store.finish(lease, ended, [replace(event, number=2)])
    assert store.get(PROJECT, operation.id) == ended
    assert [one.number for one in store.events(operation.id)] == [1, 2]


def test_the_same_wish_joins_and_another_is_refused(store: OperationStore) -> None:
    first = store.submit(wished())
    assert first.created
    again = store.submit(wished())
    assert (again.created, again.operation) == (False, first.operation)
    with pytest.raises(OperationInProgress, match=first.operation.id) as refused:
        store.submit(wished(Wish(Kind.RELEASE)))
    assert refused.value.details["operation"]["id"] == first.operation.id
    # Nothing is left of the refused one.
    assert store.list(PROJECT).operations == (first.operation,)
    # WHEN it is done THEN the next one may come
    lease, operation = store.claim(PROJECT, first.operation.id, ANNA, now=NOON, ttl=TTL)
    store.finish(lease, succeeded(operation, NOON))
    assert store.active(PROJECT) is None
    release = store.submit(wished(Wish(Kind.RELEASE), now=NOON + timedelta(minutes=1)))
    assert release.created and store.active(PROJECT) == release.operation
    assert store.latest(PROJECT) == release.operation


def test_fifty_at_once_are_one_operation(store: OperationStore, atomic_writes: None) -> None:
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: store.submit(wished()), range(50)))
    assert len({answer.operation.id for answer in answers}) == 1
    assert [answer.created for answer in answers].count(True) == 1


def test_a_key_stands_for_one_request(store: OperationStore) -> None:
    key = Idempotency("role/workflow key-1", "digest-a")
    first = store.submit(wished(), idempotency=key)
    lease, operation = store.claim(PROJECT, first.operation.id, ANNA, now=NOON, ttl=TTL)
    store.finish(lease, succeeded(operation, NOON))
    # WHEN the caller repeats itself after the end THEN it gets the same operation, not a second one
    again = store.submit(wished(), idempotency=key)
    assert (again.created, again.operation.id) == (False, first.operation.id)
    for other, project_id in (("digest-b", "proj-1"), ("digest-a", "proj-2")):
        with pytest.raises(IdempotencyConflict):
            store.submit(wished(project_id=project_id), idempotency=Idempotency("role/workflow key-1", other))
    # A day later the key may be used anew.
    late = store.submit(wished(now=NOON + timedelta(hours=25)), idempotency=key)
    assert late.created


def test_a_key_stands_for_the_operation_that_it_joined(store: OperationStore) -> None:
    # GIVEN a wish that is under way, and a caller with a key who joins it
    key = Idempotency("role/workflow key-2", "digest-a")
    first = store.submit(wished())
    late = NOON + timedelta(hours=30)
    joined = store.submit(wished(now=late), idempotency=key)
    assert (joined.created, joined.operation) == (False, first.operation)
    lease, operation = store.claim(PROJECT, first.operation.id, ANNA, now=late, ttl=TTL)
    store.finish(lease, succeeded(operation, late))
    # WHEN its answer was lost and it asks again THEN nothing is done anew, for a day from its request on
    again = store.submit(wished(now=late + timedelta(hours=23)), idempotency=key)
    assert (again.created, again.operation.id) == (False, first.operation.id)
    with pytest.raises(IdempotencyConflict):
        store.submit(wished(now=late), idempotency=replace(key, digest="digest-b"))


def test_one_owner_at_a_time(store: OperationStore) -> None:
    lease, operation = claimed(store)
    assert (operation.state, operation.slices, lease.token) == (State.RUNNING, 1, 1)
    with pytest.raises(OperationInProgress, match="anna@host"):
        store.claim(PROJECT, operation.id, BERT, now=NOON + timedelta(seconds=59), ttl=TTL)
    store.renew(lease, now=NOON + timedelta(seconds=50), ttl=TTL)
    with pytest.raises(OperationInProgress):
        store.claim(PROJECT, operation.id, BERT, now=NOON + timedelta(seconds=100), ttl=TTL)
    # WHEN the lease has expired THEN another takes over, under a higher token
    later = NOON + timedelta(seconds=111)
    taken, operation = store.claim(PROJECT, operation.id, BERT, now=later, ttl=TTL)
    assert (taken.token, operation.slices) == (2, 2)
    # AND whatever the first owner still does is refused, and changes nothing
    done = succeeded(replace(operation, step="by the first"), later)
    for act in (
        lambda: store.renew(lease, now=later, ttl=TTL),
        lambda: store.write(lease, replace(operation, step="late"), [Event(1, later, "note", "late")]),
        lambda: store.finish(lease, done),
        lambda: store.hand_over(lease, replace(operation, state=State.CONTINUES)),
    ):
        with pytest.raises(LeaseLost):
            act()
    assert store.get(PROJECT, operation.id) == operation and store.events(operation.id) == ()


def test_a_dead_owner_s_lease_need_not_expire(store: OperationStore) -> None:
    _, operation = claimed(store)
    lease, _ = store.claim(PROJECT, operation.id, BERT, now=NOON, ttl=TTL, dead=lambda owner: owner == ANNA)
    assert lease.token == 2


def test_a_lease_that_is_renewed_between_look_and_claim_is_not_taken(
    store: OperationStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a lease that has run out, and an owner that was only slow
    lease, operation = claimed(store)
    late, look = NOON + 2 * TTL, store.standing

    def then_renewed(project: str) -> Standing:
        seen = look(project)
        store.renew(lease, now=late, ttl=TTL)
        return seen

    monkeypatch.setattr(store, "standing", then_renewed)
    # WHEN another claims it, by what was seen THEN it stays who it was
    with pytest.raises(OperationInProgress):
        store.claim(PROJECT, operation.id, BERT, now=late, ttl=TTL)
    assert (look(PROJECT).owner, look(PROJECT).token) == (ANNA, lease.token)


def test_two_who_claim_at_once(store: OperationStore, atomic_writes: None) -> None:
    operation = store.submit(wished()).operation

    def claim(number: int) -> int:
        try:
            owner = Owner("process", f"w{number}", {})
            return store.claim(PROJECT, operation.id, owner, now=NOON, ttl=TTL)[0].token
        except OperationInProgress:
            return 0

    with ThreadPoolExecutor(20) as pool:
        tokens = list(pool.map(claim, range(20)))
    assert sorted(tokens) == [0] * 19 + [1]


def test_what_the_service_wanted_of_an_earlier_operation_is_forgotten(
    store: OperationStore, cloud: Cloud
) -> None:
    # GIVEN an operation that the service wanted too, and that an older engine has ended
    lease, operation = claimed(store)
    store.want(operation, now=NOON)
    store.finish(lease, succeeded(operation, NOON))
    cloud.dynamodb.update_item(
        TableName="registry",
        Key={"pk": {"S": "LEASE"}, "sk": {"S": PROJECT}},
        UpdateExpression="SET wanted_at = :now",
        ExpressionAttributeValues={":now": {"S": "2026-11-28T12:00:00+00:00"}},
    )
    assert store.standing(PROJECT).wanted_at == NOON
    # WHEN the next one is begun THEN nobody wants it but who began it
    assert store.submit(wished(Wish(Kind.RELEASE))).created
    assert store.standing(PROJECT).wanted_at is None


def test_what_is_handed_over_is_taken_up_at_once(store: OperationStore) -> None:
    lease, operation = claimed(store)
    store.hand_over(lease, replace(operation, state=State.CONTINUES))
    assert store.active(PROJECT) == replace(operation, state=State.CONTINUES)
    assert not store.standing(PROJECT).held(NOON)
    again, operation = store.claim(PROJECT, operation.id, BERT, now=NOON, ttl=TTL)
    assert (again.token, operation.slices, operation.state) == (2, 2, State.RUNNING)
    assert [project for project, _ in store.unfinished()] == [PROJECT]
    store.finish(again, succeeded(operation, NOON))
    assert store.unfinished() == ()
    with pytest.raises(LeaseLost, match="SUCCEEDED"):
        store.claim(PROJECT, operation.id, ANNA, now=NOON, ttl=TTL)


def test_what_is_handed_over_during_a_claim_is_not_written_over(
    store: OperationStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN an owner whose lease has run out, and who hands over between the two looks of a claim
    lease, running = claimed(store)
    noted = replace(running, state=State.CONTINUES, notes={"export": "task-1"})
    looks: list[str] = []

    def looked(name: str) -> Callable[..., Any]:
        look = getattr(store, name)

        def once(*args: Any) -> Any:
            found = look(*args)
            looks.append(name)
            if len(looks) == 1:
                store.hand_over(lease, noted)
            return found

        return once

    for name in ("require", "standing"):
        monkeypatch.setattr(store, name, looked(name))
    # THEN the claim is refused
    with pytest.raises(OperationInProgress):
        store.claim(PROJECT, running.id, BERT, now=NOON + 2 * TTL, ttl=TTL)
    assert store.active(PROJECT) == noted


def test_a_forsaken_operation_may_be_superseded_and_a_living_one_not(store: OperationStore) -> None:
    lease, operation = claimed(store)
    destroy = wished(Wish(Kind.DESTROY))
    with pytest.raises(OperationInProgress):
        store.submit(destroy, supersede=lambda _: False)
    made = store.submit(destroy, supersede=lambda owner: owner == ANNA)
    assert made.created and store.active(PROJECT) == destroy
    old = store.require(PROJECT, operation.id)
    assert old.state is State.FAILED and old.failure and old.failure.code == "SUPERSEDED"
    with pytest.raises(LeaseLost):
        store.write(lease, operation)


def test_a_clean_up_that_was_left_bars_nobody(store: OperationStore) -> None:
    left = store.submit(wished(Wish(Kind.CLEAN))).operation
    lease, _ = store.claim(PROJECT, left.id, ANNA, now=NOON, ttl=TTL)
    with pytest.raises(OperationInProgress):
        store.submit(wished())
    after = wished(now=NOON + timedelta(minutes=2))
    assert store.submit(after).operation == after
    with pytest.raises(LeaseLost):
        store.write(lease, left)


def test_pages_of_operations(store: OperationStore) -> None:
    made = []
    for minute in range(5):
        operation = store.submit(wished(now=NOON + timedelta(minutes=minute))).operation
        lease, operation = store.claim(PROJECT, operation.id, ANNA, now=NOON, ttl=TTL)
        store.finish(lease, succeeded(operation, NOON))
        made.append(operation.id)
    first = store.list(PROJECT, limit=3)
    rest = store.list(PROJECT, limit=3, after=first.next)
    assert [one.id for one in (*first.operations, *rest.operations)] == made[::-1]
    assert rest.next is None and store.list("lab-1/none").operations == ()


def test_what_is_not_there(store: OperationStore, cloud: Cloud) -> None:
    assert store.get(PROJECT, "op-1") is None and store.latest(PROJECT) is None
    with pytest.raises(UnknownOperation):
        store.claim(PROJECT, "op-1", ANNA, now=NOON, ttl=TTL)
    with pytest.raises(NotBootstrapped):
        OperationStore(cloud, "other").submit(wished())


def test_an_item_from_elsewhere_is_said_to_be_one(store: OperationStore, cloud: Cloud) -> None:
    operation = store.submit(wished()).operation
    cloud.dynamodb.update_item(
        TableName="registry",
        Key={"pk": {"S": f"OPERATION#{PROJECT}"}, "sk": {"S": operation.id}},
        UpdateExpression="REMOVE slices",
    )
    with pytest.raises(BackendError, match=operation.id):
        store.get(PROJECT, operation.id)
