"""The spec: what a project asks for, as its owner writes it in YAML or JSON."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from engine.errors import FieldProblem, InvalidSpec
from engine.model import tags as tag_rules
from engine.model.documents import Document, Unreadable, examine_document
from engine.model.existing import Existing
from engine.model.fields import (
    Allowed,
    Refusal,
    Strict,
    document_problems,
    example_line,
    refuse_all,
    refused,
)
from engine.model.instance_types import INSTANCE_TYPE_ALLOWED, InstanceType
from engine.model.names import ID_ALLOWED, ID_PATTERN, Names, id_problem, names_for
from engine.model.queues import (
    QUEUES_MAX,
    Queue,
    RootVolume,
    cluster_refusals,
    head_node_refusals,
    some,
)
from engine.model.rules import Waiver
from engine.model.wording import counted, shown

SMALLEST = "{vlab_id: lab-1, project_id: proj-1}"

THROUGHPUTS = (125, 250, 500, 1000)
TAILOR_MADE = "tailor-made"
"""The tier of a spec that gives queues of its own; no catalogue may have one of that name."""
TIER_PATTERN = r"^[a-z][a-z0-9-]{0,24}$"


def _identifier(text: str) -> str:
    problem = id_problem(text)
    if problem:
        raise refused(problem)
    return text


def _capacity(gib: int) -> int:
    if gib != 1200 and (gib < 2400 or gib % 2400):
        below = max(gib // 2400 * 2400, 1200)
        above = 1200 if gib <= 1200 else (gib // 2400 + 1) * 2400
        near = f"; the sizes next to it are {below} and {above}" if gib > 1200 else ""
        raise refused(f"{shown(gib)} is not a size that FSx for Lustre offers{near}")
    return gib


def _throughput(mbps_per_tib: int) -> int:
    if mbps_per_tib not in THROUGHPUTS:
        raise refused(f"{shown(mbps_per_tib)} is not one of the choices")
    return mbps_per_tib


def _tier(name: str) -> str:
    if not re.fullmatch(TIER_PATTERN, name):
        raise refused(f"{shown(name)} is not a tier's name")
    return name


def _tag_value(value: str) -> str:
    tag_rules.check_text(value, tag_rules.VALUE_LENGTH)
    return value


def _owner(text: str) -> str:
    if not text:
        raise refused("is empty: leave it out or fill it in")
    tag_rules.check_text(text, tag_rules.KEY_LENGTH)
    return text


Identifier = Annotated[
    str,
    AfterValidator(_identifier),
    Allowed(ID_ALLOWED),
    Field(json_schema_extra={"pattern": ID_PATTERN, "minLength": 1, "maxLength": 64}),
]
ScaledownIdle = Annotated[
    Annotated[int, Field(ge=-1, le=10_080)], Allowed("a whole number from -1 (never) to 10080 (a week)")
]


def _left_out(value: Any) -> bool:
    """Of a field that came later: not written where it says nothing, so that older specs' digests stay."""
    return value is None


# Sizes and throughput are those of PERSISTENT_2 SSD: FSx for Lustre user guide, "Deployment options".
class LustreStorage(Strict, title="Lustre storage"):
    """An FSx for Lustre file system (PERSISTENT_2, SSD, LZ4) at /data, linked to S3, beside the EFS home."""

    kind: Literal["lustre"] = Field(default="lustre", description="A Lustre file system, filled from S3.")
    capacity_gib: Annotated[
        int,
        AfterValidator(_capacity),
        Allowed("1200, or a multiple of 2400"),
        Field(json_schema_extra={"anyOf": [{"const": 1200}, {"multipleOf": 2400, "minimum": 2400}]}),
    ] = Field(
        default=1200,
        title="Capacity (GiB)",
        description="Size in GiB: 1200, or a multiple of 2400. It can grow later, never shrink.",
        examples=[2400],
    )
    throughput_mbps_per_tib: Annotated[
        int,
        AfterValidator(_throughput),
        Allowed("125, 250, 500 or 1000"),
        Field(json_schema_extra={"enum": list(THROUGHPUTS)}),
    ] = Field(
        default=250,
        title="Throughput (MB/s per TiB)",
        description="Throughput in MB/s for each TiB of capacity: 125, 250, 500 or 1000.",
        examples=[250],
    )


class EfsStorage(Strict, title="EFS storage"):
    """No Lustre: the project works in its EFS home alone. Cheap; EFS grows by itself and has no size."""

    kind: Literal["efs"] = Field(default="efs", description="The EFS home only.")


class Compute(Strict):
    """How much the project may compute."""

    max_nodes: Annotated[
        Annotated[int, Field(ge=1, le=1000)] | None, Allowed("a whole number from 1 to 1000")
    ] = Field(
        default=None,
        title="Most nodes",
        description="Most nodes of each compute resource at a time; the tier's own figures where left out.",
        examples=[8],
    )
    scaledown_idle_min: ScaledownIdle | None = Field(
        default=None,
        title="Idle time (minutes)",
        description="Minutes after which an idle node is given back, -1 for never; the tier's, or 10, where "
        "left out.",
        examples=[20],
        exclude_if=_left_out,
    )


class HeadNode(Strict, title="Head node"):
    """The node that people log in to and that runs Slurm's controller."""

    instance_type: Annotated[InstanceType | None, Allowed(INSTANCE_TYPE_ALLOWED)] = Field(
        default=None,
        title="Instance type",
        description="EC2 instance type of the head node; the installation's setting where left out.",
        examples=["t3.large"],
    )
    root_volume: Annotated[RootVolume | None, Allowed("a mapping of the fields of root_volume")] = Field(
        default=None,
        title="Root volume",
        description="The head node's disk, where the image's own does not fit.",
        examples=[{"size_gib": 100}],
        exclude_if=_left_out,
    )


class ProjectSpec(Strict):
    """What a project asks for. The two ids name the project for good; other ids are another project."""

    vlab_id: Identifier = Field(
        title="Virtual lab",
        description="The virtual lab the project belongs to. Upper and lower case differ.",
        examples=["lab-1"],
    )
    project_id: Identifier = Field(
        title="Project",
        description="The project, unique in its virtual lab. Upper and lower case differ.",
        examples=["proj-1"],
    )
    tier: Annotated[
        str,
        AfterValidator(_tier),
        Allowed("the name of a tier of the installation"),
        Field(json_schema_extra={"pattern": TIER_PATTERN}),
    ] = Field(
        default="debug",
        title="Tier",
        description="The set of Slurm queues and instance types, by the name it has in the tier catalogue.",
        examples=["debug"],
    )
    queues: Annotated[
        Annotated[tuple[Queue, ...], Field(strict=False), AfterValidator(some)] | None,
        Allowed("a list of queues"),
    ] = Field(
        default=None,
        title="Queues",
        description="Slurm queues of the project's own, instead of a tier's.",
        examples=[
            [
                {
                    "name": "batch",
                    "compute_resources": [
                        {"name": "m7i", "instance_types": ["m7i.8xlarge"], "max_count": 10}
                    ],
                }
            ]
        ],
        json_schema_extra={"minItems": 1, "maxItems": QUEUES_MAX},
        exclude_if=_left_out,
    )
    storage: Annotated[
        LustreStorage | EfsStorage,
        Field(discriminator="kind"),
        Allowed("{kind: lustre} or {kind: efs}"),
    ] = Field(
        default=LustreStorage(),
        title="Storage",
        description="The working storage: a Lustre file system, or the EFS home alone.",
        examples=[{"kind": "lustre", "capacity_gib": 2400}, {"kind": "efs"}],
    )
    compute: Annotated[Compute, Allowed("a mapping of the fields of compute")] = Field(
        default=Compute(),
        title="Compute",
        description="Limits on the compute nodes.",
        examples=[{"max_nodes": 8}],
    )
    head_node: Annotated[HeadNode, Allowed("a mapping of the fields of head_node")] = Field(
        default=HeadNode(),
        title="Head node",
        description="The head node, where the installation's choice does not fit.",
        examples=[{"instance_type": "t3.large"}],
    )
    owner: Annotated[
        Annotated[str, AfterValidator(_owner)] | None,
        Allowed(f"1 to 128 characters: {tag_rules.CHARACTERS}"),
    ] = Field(
        default=None,
        title="Owner",
        description="Who answers for the project: a tag on all that it owns. The virtual lab where left out.",
        examples=["ada@example.org"],
        json_schema_extra={"pattern": tag_rules.ASCII_PATTERN, "minLength": 1, "maxLength": 128},
    )
    tags: Annotated[
        dict[
            Annotated[str, AfterValidator(tag_rules.check_key)],
            Annotated[str, AfterValidator(_tag_value)],
        ],
        Field(max_length=tag_rules.MAX_TAGS),
        Allowed(f"text keys and values of {tag_rules.CHARACTERS}"),
    ] = Field(
        default_factory=dict,
        title="Tags",
        description="Tags on all that the project owns. Keys up to 128 characters, values 1 to 256; at most "
        "30. Keys beginning with aws:, parallelcluster: or provisioner: and the key Name are taken.",
        examples=[{"cost-center": "4711"}],
        json_schema_extra={
            "default": {},
            "propertyNames": {
                "pattern": tag_rules.ASCII_PATTERN,
                "minLength": 1,
                "maxLength": 128,
                "not": {"pattern": "^([Aa][Ww][Ss]|parallelcluster|provisioner):|^Name$"},
            },
            "additionalProperties": {
                "type": "string",
                "pattern": tag_rules.ASCII_PATTERN,
                "minLength": 1,
                "maxLength": 256,
            },
        },
    )

    existing: Annotated[Existing | None, Allowed("a mapping of the fields of existing")] = Field(
        default=None,
        title="Existing",
        description="What the project takes over instead of making it (`provisioner adopt`). It stays in the "
        "spec for good: without it the project would want a bucket and a home of its own names.",
        examples=[{"bucket": "genomics-2019", "home": "fs-0123456789abcdef0"}],
        exclude_if=_left_out,
    )
    waivers: Annotated[
        Annotated[tuple[Waiver, ...], Field(strict=False)] | None,
        Allowed("a list of waivers"),
    ] = Field(
        default=None,
        title="Waivers",
        description="Rules of the review that do not hold for this project for a while, with reasons.",
        examples=[
            [{"rule": "data-loss", "reason": "scratch data, given up by its owner", "until": "2026-12-31"}]
        ],
        exclude_if=_left_out,
    )

    @model_validator(mode="before")
    @classmethod
    def _named_by_its_queues(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("queues") is not None and "tier" not in values:
            return {**values, "tier": TAILOR_MADE}
        return values

    @model_validator(mode="after")
    def _check(self) -> Self:
        refuse_all("ProjectSpec", self._refusals())
        return self

    def _refusals(self) -> Iterator[Refusal]:
        if self.queues is None:
            if self.tier == TAILOR_MADE:
                yield Refusal(
                    ("queues",),
                    f"is missing: tier {TAILOR_MADE} stands for queues of the spec's own",
                    "a list of queues, or another tier",
                )
            return
        if self.tier != TAILOR_MADE:
            yield Refusal(
                ("queues",),
                f"stands beside tier {self.tier}: a spec names a tier, or has queues of its own",
                "one of tier and queues",
            )
        if self.compute.max_nodes is not None:
            yield Refusal(
                ("compute", "max_nodes"),
                "resizes a tier: with queues of your own, say max_count of each compute resource",
                "left out",
            )
        yield from cluster_refusals(self.queues)
        yield from head_node_refusals(self.head_node.instance_type, self.queues)

    @property
    def project(self) -> str:
        """The project as people write it: "vlab/project"."""
        return f"{self.vlab_id}/{self.project_id}"

    def names(self, account_id: str) -> Names:
        """The project's names, with what it took over under the names that it has. Raises as `names_for`."""
        names = names_for(self.vlab_id, self.project_id, account_id=account_id)
        if self.existing is None or self.existing.bucket is None:
            return names
        return replace(names, bucket=self.existing.bucket)

    @property
    def owner_or_default(self) -> str:
        return self.owner or self.vlab_id


def load_spec(text: str, *, source: str, known_tiers: Collection[str] | None = None) -> ProjectSpec:
    """The spec in a YAML or JSON text.

    source        where the text came from, for messages: a path, "request body"
    known_tiers   the names in the tier catalogue; None for a spec that was taken in before: neither its tier
                  nor what has been refused only since then keeps its project from being released
    Raises        InvalidSpec with everything that is wrong at once
    """
    try:
        document = examine_document(text)
    except Unreadable as error:
        raise _invalid(source, error.problems) from None
    if document.value is None:
        raise _invalid(source, [FieldProblem("document", "is empty", "a mapping", SMALLEST)])
    if not isinstance(document.value, dict):
        raise _invalid(
            source, [FieldProblem("document", "must be a mapping of fields", "a mapping", SMALLEST)]
        )
    spec, refusal = None, None
    try:
        spec = ProjectSpec.model_validate(document.value)
    except ValidationError as error:
        refusal = error
    problems = document_problems(ProjectSpec, document, refusal)
    if known_tiers is not None:
        problems += [*_tier_problems(document, known_tiers), *_tag_problems(document, spec)]
    if spec is None or problems:
        raise _invalid(source, problems)
    return spec


def dump_spec(spec: ProjectSpec) -> str:
    """The spec as canonical JSON, defaults included; `load_spec` gives the same spec back."""
    return json.dumps(spec.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def spec_digest(spec: ProjectSpec) -> str:
    """SHA-256 (hex) of what the spec asks for: order of keys and left-out defaults make no difference."""
    canonical = json.dumps(
        spec.model_dump(mode="json"), sort_keys=True, ensure_ascii=True, separators=(",", ":")
    )
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def spec_json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a spec, for editors.

    It takes every new spec that `load_spec` takes, and a few more: letters of other scripts in tags and
    the tier catalogue are `load_spec`'s to check.
    """
    schema = ProjectSpec.model_json_schema()
    for kind in ("LustreStorage", "EfsStorage"):
        schema["$defs"][kind]["required"] = ["kind"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:parallelcluster-provisioner:spec",
        **schema,
        "title": "Project spec",
        "examples": [
            {
                "vlab_id": "lab-1",
                "project_id": "proj-1",
                "tier": "debug",
                "storage": {"kind": "lustre"},
            }
        ],
    }


def _tier_problems(document: Document, known_tiers: Collection[str]) -> list[FieldProblem]:
    tier = document.value.get("tier", ProjectSpec.model_fields["tier"].default)
    if tier in known_tiers or document.value.get("queues") or tier == TAILOR_MADE:
        return []
    if not isinstance(tier, str) or not re.fullmatch(TIER_PATTERN, tier):
        return []  # said already
    names = sorted(known_tiers)
    near = difflib.get_close_matches(tier, names, n=1)
    return [
        FieldProblem(
            "tier",
            f"{shown(tier)} is not in the tier catalogue"
            + (f"; did you mean {near[0]}?" if near else "")
            + document.where(("tier",)),
            ", ".join(names),
            example_line("tier", near[0] if near else names[0]) if names else "",
        )
    ]


def _tag_problems(document: Document, spec: ProjectSpec | None) -> Iterator[FieldProblem]:
    """What the cluster's stack would fail by, after the storage has been made: an empty value (CloudFormation
    API, Tag: at least one character), and keys that IAM takes for one. The stack hands its tags to the roles
    that it makes, and IAM refuses them (InvalidInput, "Duplicate tag keys found. Please note that Tag keys
    are case insensitive")."""
    known: dict[str, str] = {}
    for key, value in spec.tags.items() if spec else ():
        if not value:
            yield FieldProblem(
                f"tags.{key}",
                "is empty: CloudFormation, which makes the cluster, takes no tag without a value"
                + document.where(("tags", key)),
                "1 to 256 characters",
            )
        first = known.setdefault(key.lower(), key)
        if first != key:
            yield FieldProblem(
                f"tags.{key}",
                f"differs from {shown(first)} in upper and lower case alone: to IAM, which keeps the tags of "
                "the cluster's roles, they are one key" + document.where(("tags", key)),
                "one of the two",
            )


def _invalid(source: str, problems: list[FieldProblem]) -> InvalidSpec:
    count, problems = counted(problems)
    return InvalidSpec(
        f"The spec in {source} has {count}.",
        problems,
        hint="docs/spec.md lists the fields, and examples/ has specs to start from.",
    )
