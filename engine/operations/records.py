"""The registry's record of a project, kept true around every piece of work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from engine.aws.registry import Phase, ProjectRecord
from engine.errors import BackendError, DataAtRisk, EngineError, InvalidSpec, LeaseLost, UnknownProject
from engine.model.operation import Failure, Operation
from engine.model.spec import ProjectSpec, dump_spec, load_spec, spec_digest
from engine.operations.place import Place

if TYPE_CHECKING:
    from engine.operations.engine import Engine


class SpecUnreadable(BackendError):
    """What was written down of a project is no spec of this version's; nobody's request is to blame."""

    code = "SPEC_UNREADABLE"


AT_WORK = (Phase.APPLYING, Phase.PARKING, Phase.DESTROYING)
"""A run is at work on the project, or was put down or died at it."""
# What failed is told in full by the command; the record keeps what fits into a table.
_MESSAGE_CHARS = 1000


def record_of(place: Place, vlab_id: str, project_id: str) -> ProjectRecord:
    """The project's record.

    Raises   UnknownProject
    """
    record = place.registry.get(vlab_id, project_id)
    if record is None:
        raise UnknownProject(
            f"There is no project {vlab_id}/{project_id}.",
            hint="`provisioner list` shows the projects; `provisioner apply SPEC` makes one.",
        )
    return record


def spec_of(record: ProjectRecord) -> ProjectSpec:
    """The spec that was last applied (or planned, where nothing was applied yet).

    Raises   SpecUnreadable where a newer version of the engine wrote it
    """
    source = f"registry record of {record.project}"
    try:
        return load_spec(record.spec_json, source=source)
    except InvalidSpec as error:
        raise SpecUnreadable(
            f"This version cannot read the spec that is recorded of {record.project}:\n{error.message}",
            hint="A newer version wrote it: use that one, or apply the project's spec with this one.",
        ) from error


def note_planned(place: Place, spec: ProjectSpec) -> ProjectRecord:
    """The project's record, made with phase PLANNED when it is new; an existing one is left alone."""
    return place.registry.get(spec.vlab_id, spec.project_id) or first_record(place, spec)


def first_record(place: Place, spec: ProjectSpec) -> ProjectRecord:
    """Make the project's record, with phase PLANNED.

    Raises   OperationInProgress when there is one already
    """
    return place.registry.put_new(
        vlab_id=spec.vlab_id,
        project_id=spec.project_id,
        spec_json=dump_spec(spec),
        spec_digest=spec_digest(spec),
        phase=Phase.PLANNED,
        cluster=place.names(spec.vlab_id, spec.project_id).cluster,
        now=place.now(),
    )


def require_data(record: ProjectRecord) -> None:
    """Refuse to do anything but delete where the data's deletion has begun.

    Raises   DataAtRisk
    """
    if record.phase is Phase.DESTROYING:
        raise DataAtRisk(
            f"The data of {record.project} is being deleted already, and some of it is gone.",
            hint=f"`provisioner destroy {record.project} --purge-data` brings that to its end; after that a "
            "new project of that name can be made.",
        )


@contextmanager
def working(
    engine: Engine, spec: ProjectSpec, phase: Phase, *, done: Phase, record: ProjectRecord | None = None
) -> Iterator[None]:
    """Record that work is under way; afterwards how it ended.

    An interruption or an error leaves phase FAILED with its message, which the next run overwrites; when
    the time of the run is up, the phase stays. So does DESTROYING in any case: that data is gone is not
    forgotten. A run that lost its lease writes nothing more. A project that is brought up keeps its data,
    whatever was to become of it.
    record   as it was read, where nothing may have changed since
    Raises   OperationInProgress when the record moved under us; DataAtRisk where its data is being deleted
    """
    engine.check()
    record = record or note_planned(engine, spec)
    if phase is not Phase.DESTROYING:
        require_data(record)
    record = engine.registry.replace(
        record,
        now=engine.now(),
        phase=phase,
        message="",
        spec_json=dump_spec(spec),
        spec_digest=spec_digest(spec),
        purge_at=None if done is Phase.READY else ...,
    )
    try:
        yield
        engine.check_owned()
    except LeaseLost:
        raise
    except EngineError as error:
        if engine.duty is not None and (engine.duty.lost or engine.duty.stopping):
            _continues(engine, record)
            raise
        _failed(engine, record, f"{error.code}: {error.message}")
        raise
    except BaseException as error:
        _failed(engine, record, f"interrupted by {type(error).__name__}; run it again")
        raise
    engine.registry.replace(record, now=engine.now(), phase=done, message="")


def give_up(engine: Engine, operation: Operation, failure: Failure) -> None:
    """Say in the record why no run goes on with what an earlier one of the operation began; never raises.
    Work that failed under `working` has said so itself, and what is refused because the data is being deleted
    does not hide why that failed."""
    message = f"{failure.code}: {failure.message}"[:_MESSAGE_CHARS]
    with suppress(EngineError):
        record = engine.registry.get(operation.vlab_id, operation.project_id)
        if record is None or (record.phase is Phase.DESTROYING and not operation.wish.purge_data):
            return
        if record.phase in AT_WORK and record.message != message:
            _failed(engine, record, message)


def _continues(engine: Engine, record: ProjectRecord) -> None:
    with suppress(EngineError):
        engine.check_owned()
        engine.registry.replace(record, now=engine.now(), message="the next run goes on with it")


def _failed(engine: Engine, record: ProjectRecord, message: str) -> None:
    # The error that brought us here is the one to tell, not that its record could not be written.
    phase = record.phase if record.phase is Phase.DESTROYING else Phase.FAILED
    with suppress(EngineError):
        engine.registry.replace(record, now=engine.now(), phase=phase, message=message[:_MESSAGE_CHARS])
