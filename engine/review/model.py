"""What a review is: every change of one saved plan, what follows from it, and how risky it is.

Values only. `plan.build_review` makes them, `text`, `markdown` and `document` show them. No value
that Terraform marks sensitive is ever stored here; SENSITIVE stands in its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from engine.model.cluster_updates import Need

if TYPE_CHECKING:
    from engine.review.amounts import Cost
    from engine.review.shape import ClusterShape

SENSITIVE = "(sensitive)"
KNOWN_AFTER_APPLY = "(known after apply)"


class Action(StrEnum):
    """What Terraform will do with one resource."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    READ = "read"
    """A data source that can only be read during apply."""
    NO_CHANGE = "no-change"
    IMPORT = "import"
    """Taken over as it is; one that is also changed is an UPDATE or REPLACE with an `imported_id`."""
    FORGET = "forget"
    """Leaves Terraform's state, stays in AWS."""
    MOVE = "move"
    """Another address, nothing else; one that is also changed keeps its action and `previous_address`."""


class Risk(StrEnum):
    """How much a plan, or one finding, asks for a second look."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """0 (none) to 3 (high), for comparing."""
        return list(Risk).index(self)


@dataclass(frozen=True)
class AttributeChange:
    """One attribute that differs.

    path      where, list positions as numbers: `a.b[0].c`; a key that is no plain word is quoted
    label     the same for a person: list members by their name where they have one (`queues[debug].c`)
    before, after   JSON-ready; None where there is nothing on that side. JSON held in a string
              (templates, policies) is given parsed.
    """

    path: str
    label: str
    before: Any
    after: Any
    sensitive: bool = False
    unknown: bool = False
    forces_replacement: bool = False


@dataclass(frozen=True)
class Fact:
    """One telling attribute of something that is created or deleted."""

    label: str
    value: Any


@dataclass(frozen=True)
class Change:
    """What happens to one resource (or data source).

    address           Terraform's full address; `module` is its module part ("" for the root)
    kind              row of the knowledge table: the type, or a narrower word ("cluster")
    reason_code       Terraform's `action_reason`, "" when it gives none
    reasons           why, in plain words
    data_bearing      it holds what Terraform can't make again
    loses_data        some of that is lost: deleted, replaced, or kept for fewer days
    consequence       what it means for the project's users, sentences; empty when nothing is known
    attributes        of UPDATE and REPLACE: each leaf that differs; of CREATE, DELETE and FORGET:
                      each top-level attribute that is set; else empty
    facts             the few attributes worth showing when it is created or deleted
    deposed           key of a left-over object of an interrupted replacement, "" normally
    """

    address: str
    module: str
    mode: str
    type: str
    name: str
    kind: str
    action: Action
    data_bearing: bool = False
    loses_data: bool = False
    create_before_destroy: bool = False
    previous_address: str = ""
    imported_id: str = ""
    deposed: str = ""
    reason_code: str = ""
    reasons: tuple[str, ...] = ()
    consequence: tuple[str, ...] = ()
    attributes: tuple[AttributeChange, ...] = ()
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True)
class OutputChange:
    """One output value that differs. Never its value when it is sensitive."""

    name: str
    action: Action
    before: Any
    after: Any
    sensitive: bool = False
    unknown: bool = False


@dataclass(frozen=True)
class Finding:
    """One thing a rule wants seen.

    rule      the rule's name, stable: people and waivers refer to it
    address   the resource, "" when it is about the whole plan
    hint      what to do about it
    refuses   the error code with which an apply is refused for it, "" where it is only told
    waived    the reason why the spec waives it, and until when; "" where it does not
    """

    rule: str
    severity: Risk
    address: str
    message: str
    hint: str = ""
    refuses: str = ""
    waived: str = ""

    @property
    def stands_against(self) -> bool:
        """Whether an apply is refused for it."""
        return bool(self.refuses) and not self.waived


NODE_CONFIG = "node.json"
"""What the node configuration is called in its bucket, and in keys of updates."""


@dataclass(frozen=True)
class ClusterUpdate:
    """One changed key of a running cluster's configuration, or of its nodes' (node.json).

    address    the resource in the plan
    key        with the names of queues and the like: Scheduling.SlurmQueues[debug].CapacityType; or
               node.json: user.uid
    fields     of the spec, or "setting ...", that it may come from; empty: the engine's own
    need       what AWS asks for, or our own software on the nodes
    strategy   the QueueUpdateStrategy that the update would go by
    """

    address: str
    key: str
    fields: tuple[str, ...]
    need: Need
    strategy: str

    @property
    def refused_while_running(self) -> bool:
        """It is refused unless the compute fleet is stopped, or always."""
        return not self.need.permitted(self.strategy, fleet_stopped=False)

    @property
    def refused_always(self) -> bool:
        return self.need is Need.NEW_CLUSTER

    @property
    def named(self) -> str:
        """For people: the field it comes from, and the key."""
        return f"{' or '.join(self.fields)} ({self.key})" if self.fields else self.key

    @property
    def says(self) -> str:
        """The consequence, as the beginning of a sentence that goes on with the key."""
        if self.refused_always:
            by = "this engine" if self.key.startswith(NODE_CONFIG) else "AWS"
            return f"Refused by {by}, since only a new cluster can have it"
        if self.refused_while_running:
            return "Refused by AWS while the compute fleet runs"
        if self.need is Need.LIVE:
            return "Live, while jobs run"
        if self.strategy == "TERMINATE":
            return "Nodes of the queue end at once, with the jobs on them"
        return "Running jobs finish first, then their nodes are made anew"


@dataclass(frozen=True)
class Counts:
    """How many; `add` and `destroy` count a replacement once each, as Terraform does."""

    add: int = 0
    change: int = 0
    destroy: int = 0
    replace: int = 0
    imported: int = 0
    moved: int = 0
    forgotten: int = 0
    read: int = 0
    unchanged: int = 0


@dataclass(frozen=True)
class ClusterSides:
    """The cluster before and after; `known_from` is "plan", or "spec" where the plan can't know it yet."""

    before: ClusterShape | None = None
    after: ClusterShape | None = None
    known_from: str = ""


@dataclass(frozen=True)
class Review:
    """One plan, reviewed.

    project      "vlab/project"
    changes      every entry of the plan's resource_changes, also the unchanged ones, by address
    cluster_updates   each key that changes in the configuration of a running cluster, and what that needs
    drift        what somebody changed outside Terraform since the last apply (actions UPDATE, DELETE)
    errored      planning failed part way: the plan shows only a part
    applyable    Terraform would apply it
    complete     False when Terraform put something off to a later plan
    risk         the highest severity among the findings, a waived one counting as MEDIUM at most; at least
                 LOW when anything changes
    risk_reasons why it is that, in words
    cost         None where no region was given
    cluster      the cluster before and after, as its configuration describes it; None where there is none
    edges        address of what depends, and of what it depends on; without indices of count and for_each
    """

    project: str
    terraform_version: str
    changes: tuple[Change, ...]
    counts: Counts
    drift: tuple[Change, ...]
    outputs: tuple[OutputChange, ...]
    errored: bool
    applyable: bool
    complete: bool
    risk: Risk
    findings: tuple[Finding, ...]
    cluster_updates: tuple[ClusterUpdate, ...] = ()
    risk_reasons: tuple[str, ...] = ()
    cost: Cost | None = None
    cluster: ClusterSides = ClusterSides()
    edges: tuple[tuple[str, str], ...] = ()

    def with_action(self, *actions: Action) -> tuple[Change, ...]:
        """The changes with one of these actions, in the review's order."""
        return tuple(change for change in self.changes if change.action in actions)

    @property
    def nothing_to_do(self) -> bool:
        """True when applying would touch neither a resource nor an output."""
        idle = (Action.NO_CHANGE, Action.READ)
        return not self.outputs and all(change.action in idle for change in self.changes)
