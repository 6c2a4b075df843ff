"""Plans that are kept: saved with their review under a digest, approved, and applied exactly as they are.

    plan --save ──► digest ──► a person reads the review ──► approve ──► apply --plan ──► the same bytes

Nothing is rendered or planned again on the way. What a plan was made of and with is compared with what there
is now, and any difference refuses it: a new plan costs a minute, one that was not reviewed costs trust.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from engine.aws.account import caller_of
from engine.aws.plan_store import PlanStore, already_applied
from engine.errors import (
    OutOfTime,
    PlanEngineMoved,
    PlanExpired,
    PlanModulesMoved,
    PlanNotApproved,
    PlanOfAnotherProject,
    PlanProviderMoved,
    PlanRefused,
    PlanSettingsMoved,
    PlanSpecMoved,
    PlanStateMoved,
    PlanTampered,
    TerraformInterrupted,
)
from engine.model.names import Names
from engine.model.saved_plan import (
    PLAN_PART,
    SPEC_PART,
    WORKSPACE_PART,
    Approval,
    Manifest,
    PlanRecord,
    Standing,
    sha256,
)
from engine.model.spec import ProjectSpec, dump_spec, load_spec, spec_digest
from engine.model.tiers import last_tier
from engine.operations import adopt, records, states
from engine.operations.engine import Engine
from engine.operations.files import write_private
from engine.operations.folders import read_workspace, restore_workspace
from engine.operations.holding import holding_workspace
from engine.operations.place import Place
from engine.operations.planning import Planned, Purpose, check_ground, reserve_block
from engine.operations.policy import review_context
from engine.operations.provision import Approve, Provisioned, carry_out, plan
from engine.operations.spec_checks import check_spec
from engine.operations.states import read_state
from engine.operations.user_policies import check_plan
from engine.operations.versions import made_with
from engine.review.model import Review
from engine.review.outline import headline
from engine.review.plan import build_review
from engine.review.reports import TEXT_REPORT, reports
from engine.terraform.plan_file import planned_state
from engine.workspace.render import render_workspace

_MOVED = (
    ("engine", PlanEngineMoved, "the engine"),
    ("code", PlanEngineMoved, "the engine's code"),
    ("modules", PlanModulesMoved, "the Terraform modules"),
    ("terraform", PlanProviderMoved, "Terraform"),
    ("providers", PlanProviderMoved, "the provider's lock file"),
)
_AGAIN = "Plan again with `provisioner plan SPEC --save`, and have the new plan reviewed."


@dataclass(frozen=True)
class _Loaded:
    """A saved plan, every byte of which is what its digest says."""

    record: PlanRecord
    manifest: Manifest
    spec: ProjectSpec
    workspace: Mapping[str, str]
    plan: bytes = field(repr=False)

    @property
    def project(self) -> str:
        return self.manifest.project


def plan_store(place: Place) -> PlanStore:
    settings = place.settings
    return PlanStore(place.cloud, bucket=settings.state_bucket, table=settings.registry_table)


def plan_and_save(engine: Engine, spec: ProjectSpec) -> tuple[Planned, PlanRecord]:
    """Plan the project, keep the plan under a digest, and take its file off the disk.

    Raises   what `provision.plan` raises; BackendError when the bucket does not encrypt, PlanStateMoved when
             the state moved meanwhile
    """
    with holding_workspace(engine, engine.names_of(spec)):
        planned = plan(engine, spec, Purpose.SAVE)
        return planned, _save(engine, planned)


def _save(engine: Engine, planned: Planned) -> PlanRecord:
    engine.reporter.step("Saving the plan")
    names, spec = planned.names, planned.spec
    lineage, serial = planned_state(planned.plan_file)
    texts = {
        SPEC_PART: dump_spec(spec),
        WORKSPACE_PART: json.dumps(read_workspace(planned.folder), sort_keys=True),
        **reports(planned.review),
    }
    parts = {name: text.encode() for name, text in texts.items()}
    parts[PLAN_PART] = planned.plan_file.read_bytes()
    now = engine.now()
    manifest = Manifest(
        vlab_id=spec.vlab_id,
        project_id=spec.project_id,
        created_at=now,
        created_by=caller_of(engine.cloud),
        expires_at=now + timedelta(days=engine.settings.plan_days),
        has_changes=planned.has_changes,
        spec_digest=spec_digest(spec),
        registered_digest=_registered_digest(engine, names),
        lineage=lineage,
        serial=serial,
        made_with=made_with(engine),
        parts={name: sha256(content) for name, content in sorted(parts.items())},
    )
    _require_state(engine, names, manifest)
    review = planned.review
    record = plan_store(engine).save(manifest, parts, headline=headline(review), risk=review.risk.value)
    planned.plan_file.unlink()
    return record


def list_plans(place: Place, project: str | None = None) -> list[PlanRecord]:
    """The saved plans, the newest first.

    project   "vlab/project"; None: of all projects
    """
    return sorted(plan_store(place).list(project), key=lambda one: one.created_at, reverse=True)


def find_plan(place: Place, digest: str) -> PlanRecord:
    """The saved plan that a person names, by its digest or enough of its beginning.

    Raises   UnknownPlan
    """
    return plan_store(place).require(digest)


def read_review(place: Place, digest: str) -> str:
    """The review of a saved plan as text, as it was saved. It holds no secrets.

    Raises   UnknownPlan, PlanTampered
    """
    store = plan_store(place)
    record = store.require(digest)
    return store.part(record, store.manifest(record), TEXT_REPORT).decode()


def approve_plan(place: Place, digest: str, *, name: str = "") -> PlanRecord:
    """Record that the caller agrees to exactly this plan.

    name     of the person, where the credentials are a pipeline's
    Raises   UnknownPlan, PlanTampered, PlanExpired, PlanApplied
    """
    store = plan_store(place)
    record = store.require(digest)
    manifest = store.manifest(record)
    _require_alive(place, record, manifest)
    for part in manifest.parts:
        store.part(record, manifest, part)
    return store.approve(record, Approval(caller_of(place.cloud), name, place.now()))


def apply_plan(
    engine: Engine,
    digest: str,
    *,
    approve: Approve,
    spec: ProjectSpec | None = None,
    project: str | None = None,
    approved_by: str | None = None,
    within_s: float | None = None,
) -> Provisioned:
    """Apply exactly the plan that is saved under this digest, once.

    approve      asked when nobody approved the plan before
    spec         what the project's spec is now; None: not compared
    project      "vlab/project" that it must be of; None: not compared
    approved_by  record the approval of this person first
    Raises       UnknownPlan; PlanTampered, PlanExpired, PlanApplied, PlanOfAnotherProject, PlanSpecMoved,
                 PlanStateMoved, PlanModulesMoved, PlanEngineMoved, PlanProviderMoved, PlanSettingsMoved,
                 PlanNotApproved (nothing was changed), and what `provision` raises
    """
    engine = engine.within(within_s)
    engine.reporter.step("Reading the saved plan", "PLANNING")
    store = plan_store(engine)
    record = store.require(digest)
    wanted = spec.project if spec else project
    if wanted is not None and record.project != wanted:
        raise PlanOfAnotherProject(
            f"That plan is of {record.project}, not of {wanted}. Nothing was changed.",
            hint=f"`provisioner plans {wanted}` lists the plans of {wanted}.",
            details={"digest": record.digest, "project": record.project},
        )
    loaded = _load(store, record)
    _require_alive(engine, record, loaded.manifest)
    names = engine.names_of(loaded.spec)
    _require_spec(engine, names, loaded, spec)
    _require_made_with(engine, loaded)
    _require_state(engine, names, loaded.manifest)
    check_spec(engine, loaded.spec)
    engine = check_ground(engine, names)
    _require_same_workspace(engine, names, loaded)
    if approved_by is not None:
        record = approve_plan(engine, record.digest, name=approved_by)
    _require_approved(engine, record)
    with holding_workspace(engine, names):
        return _apply(engine, names, loaded, record, approve=approve)


def _apply(
    engine: Engine,
    names: Names,
    loaded: _Loaded,
    record: PlanRecord,
    *,
    approve: Approve,
) -> Provisioned:
    store = plan_store(engine)
    caller = caller_of(engine.cloud)
    begun = False

    def begin(at_work: Engine) -> None:
        # Once more under the lease: what was looked at before may have moved while somebody read.
        _require_state(at_work, names, loaded.manifest)
        project = at_work.registry.get(names.vlab_id, names.project_id)
        if project is not None:
            records.require_data(project)
        operation_id = at_work.duty.operation.id if at_work.duty else ""
        store.mark_applied(record, by=caller, operation_id=operation_id, now=at_work.now())
        nonlocal begun
        begun = True
        if at_work.duty is not None:
            at_work.duty.tell(
                "plan",
                f"Applies the saved plan {record.digest}" + _approved_by(record),
                data={"digest": record.digest, "approvals": [one.to_dict() for one in record.approvals]},
            )

    def agreed(review: Review) -> None:
        if not record.approvals:
            approve(review)

    folder = engine.folder(names)
    restore_workspace(folder, loaded.workspace)
    states.claim_workspace(engine, names)
    runner = engine.runner(names)
    states.require_sound(engine, names)
    runner.init()
    states.push_errored(engine, names, runner)
    plan_file = _plan_file(folder, record)
    try:
        write_private(plan_file, loaded.plan)
        shown = runner.show_plan(plan_file)
        context = review_context(engine, loaded.spec, names)
        review = build_review(
            shown,
            project=names.project,
            own_queues=loaded.spec.queues is not None,
            context=replace(
                context,
                policy_results=check_plan(engine, shown),
                young=adopt.young_records(engine, names, shown),
            ),
        )
        has_changes = loaded.manifest.has_changes
        planned = Planned(loaded.spec, names, folder, runner, plan_file, review, has_changes)
        return carry_out(engine, planned, approve=agreed, begin=begin)
    except (OutOfTime, TerraformInterrupted) as stop:
        # A state that could not be saved comes before all else.
        if begun and stop.details.get("state_saved", True):
            stop.hint = _what_goes_on(engine)
        raise
    finally:
        plan_file.unlink(missing_ok=True)


def _what_goes_on(engine: Engine) -> str:
    """The same command would be refused: its plan was begun."""
    if engine.settings.plan_approval == "required":
        return f"A saved plan is applied once, so this one is not taken up again. {_AGAIN}"
    return (
        "A saved plan is applied once, so this one is not taken up again: `provisioner apply SPEC` goes on "
        "with the work, or plan what is left with `provisioner plan SPEC --save`."
    )


def _plan_file(folder: Path, record: PlanRecord) -> Path:
    return folder / f"{record.digest.removeprefix('sha256:')[:16]}.tfplan"


def _load(store: PlanStore, record: PlanRecord) -> _Loaded:
    manifest = store.manifest(record)
    parts = {name: store.part(record, manifest, name) for name in manifest.parts}
    try:
        spec = load_spec(parts[SPEC_PART].decode(), source=f"saved plan of {record.project}")
        workspace: dict[str, str] = json.loads(parts[WORKSPACE_PART])
        content = parts[PLAN_PART]
    except (KeyError, ValueError) as error:
        raise PlanTampered(
            f"The saved plan of {record.project} cannot be read: {error}. Nothing was changed.", hint=_AGAIN
        ) from error
    if spec.project != manifest.project or spec_digest(spec) != manifest.spec_digest:
        raise PlanTampered(
            f"The saved plan of {record.project} does not hold the spec that it names. Nothing was changed.",
            hint=_AGAIN,
        )
    return _Loaded(record, manifest, spec, workspace, content)


def _require_alive(place: Place, record: PlanRecord, manifest: Manifest) -> None:
    if record.standing(place.now()) is Standing.APPLIED:
        raise already_applied(record)
    # The manifest's date is what the digest stands for; the record's is for lists.
    if place.now() >= manifest.expires_at:
        raise PlanExpired(
            f"That plan of {record.project} was good until {manifest.expires_at:%Y-%m-%d %H:%M UTC}. "
            "Nothing was changed.",
            hint=_AGAIN,
            details={"digest": record.digest, "expires_at": manifest.expires_at.isoformat()},
        )


def _require_spec(engine: Engine, names: Names, loaded: _Loaded, spec: ProjectSpec | None) -> None:
    if spec is not None and spec_digest(spec) != loaded.manifest.spec_digest:
        fields = _different_fields(spec.model_dump(mode="json"), loaded.spec.model_dump(mode="json"))
        raise _moved(PlanSpecMoved, loaded, f"its spec has changed since ({', '.join(fields)})")
    if _registered_digest(engine, names) != loaded.manifest.registered_digest:
        raise _moved(PlanSpecMoved, loaded, "another spec was applied since, or the project destroyed")


def _require_made_with(engine: Engine, loaded: _Loaded) -> None:
    now, then = made_with(engine), loaded.manifest.made_with
    for name, error, said in _MOVED:
        before, after = getattr(then, name), getattr(now, name)
        if before != after:
            what = f"{said} is another one by now ({before[:20]} → {after[:20]})"
            raise _moved(error, loaded, what.replace("modules is another one", "modules are others"))


def _require_state(engine: Engine, names: Names, manifest: Manifest) -> None:
    state = read_state(engine, names)
    lineage, serial = str(state.get("lineage", "")), int(state.get("serial", 0))
    if (lineage, serial) == (manifest.lineage, manifest.serial) or (not state and not manifest.serial):
        return
    begun_anew = " of another lineage" if lineage != manifest.lineage else ""
    raise PlanStateMoved(
        f"That plan of {manifest.project} is not of its present state: it was made with serial "
        f"{manifest.serial}, and the state is at serial {serial}{begun_anew}. Nothing was changed.",
        hint=_AGAIN,
        details={"digest": manifest.digest, "planned_serial": manifest.serial, "serial": serial},
    )


def _require_same_workspace(engine: Engine, names: Names, loaded: _Loaded) -> None:
    """What is applied is what was stored; this only finds out whether it would still be made like that."""
    cidr = reserve_block(engine.cloud, engine.settings, names.project, now=engine.now())
    tier = last_tier(engine.catalogue, loaded.spec)
    fresh = render_workspace(loaded.spec, engine.settings, tier, subnet_cidr=cidr)
    moved = [name for name, text in fresh.items() if loaded.workspace.get(name) != text]
    if moved:
        raise _moved(
            PlanSettingsMoved,
            loaded,
            f"settings, tiers or the project's address block would give another {' and '.join(moved)} by now",
        )


def _require_approved(engine: Engine, record: PlanRecord) -> None:
    if engine.settings.plan_approval == "required" and not record.approvals:
        raise PlanNotApproved(
            f"Nobody has approved that plan of {record.project}, and this installation demands it. "
            "Nothing was changed.",
            hint=f"`provisioner approve {record.digest}`, or `--approved-by NAME` beside `apply --plan`.",
            details={"digest": record.digest},
        )


def _moved(error: type[PlanRefused], loaded: _Loaded, why: str) -> PlanRefused:
    return error(
        f"That plan of {loaded.project} is not applied: {why}. Nothing was changed.",
        hint=_AGAIN,
        details={"digest": loaded.record.digest},
    )


def _registered_digest(engine: Engine, names: Names) -> str:
    record = engine.registry.get(names.vlab_id, names.project_id)
    return record.spec_digest if record else ""


def _different_fields(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


def _approved_by(record: PlanRecord) -> str:
    return f", approved by {', '.join(one.who for one in record.approvals)}" if record.approvals else ""
