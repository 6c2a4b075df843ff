"""Looking for what a plan would create and AWS has already."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from engine.aws.session import Cloud
from engine.errors import BackendError
from engine.model import tags

T = TypeVar("T")
Tags = Mapping[str, str]


class OrphanConflict(BackendError):
    """Something stands where the project's own resource would come, and cannot be taken over."""

    code = "ORPHAN_CONFLICT"


class Life(StrEnum):
    """How far AWS is with a resource."""

    READY = "ready"
    IN_PROGRESS = "in progress"
    FAILED = "failed"
    """It will not become usable by waiting; Terraform replaces it."""
    GOING = "going"
    """It is being deleted."""


@dataclass(frozen=True)
class Wanted:
    """One resource that a plan would create.

    address   full Terraform address
    module    its module part, "" for the root
    values    the planned values; what is known only after apply is left out
    """

    address: str
    type: str
    module: str
    values: Mapping[str, Any]

    @property
    def tag(self) -> str:
        """What its tag `provisioner:address` says."""
        return tags.address_tag(self.address)


@dataclass(frozen=True)
class Known:
    """A resource that is in the state, or was found. id: what Terraform calls `id`."""

    address: str
    type: str
    id: str

    @property
    def module(self) -> str:
        """`module.efs` of `module.efs.aws_efs_file_system.this`; "" in the root."""
        return self.address.rpartition(f".{self.type}.")[0]


@dataclass(frozen=True)
class Found:
    """A resource that AWS has.

    import_id   what an import block takes
    id          what Terraform will call `id`; others refer to it
    says        AWS's own word for its state, where it has one
    """

    import_id: str
    id: str
    life: Life = Life.READY
    says: str = ""


@dataclass
class Search:
    """One look at AWS for one project. What several rows need is asked once.

    known   everything of the project that is in the state; what is found joins it
    """

    cloud: Cloud
    account_id: str
    vlab_id: str
    project_id: str
    known: list[Known]
    _asked: dict[str, Any] = field(default_factory=dict)

    @property
    def project(self) -> str:
        return f"{self.vlab_id}/{self.project_id}"

    def once(self, what: str, ask: Callable[[], T]) -> T:
        """The answer to a question, asked when it first comes up."""
        if what not in self._asked:
            self._asked[what] = ask()
        answer: T = self._asked[what]
        return answer

    def parent(self, wanted: Wanted, kind: str) -> str | None:
        """Id of the one resource of a type that `wanted` hangs on: of its own module, else of the workspace.

        None when there is none, or more than one: then there is nothing to go by.
        """
        of_kind = [one for one in self.known if one.type == kind]
        beside = [one for one in of_kind if one.module == wanted.module]
        chosen = beside or of_kind
        return chosen[0].id if len(chosen) == 1 else None

    def is_ours(self, found: Tags) -> bool:
        return found.get(tags.VLAB) == self.vlab_id and found.get(tags.PROJECT) == self.project_id

    def by_address(self, wanted: Wanted, what: str, candidates: Sequence[tuple[str, Tags]]) -> str | None:
        """Id of the one candidate that carries the project's tags and the wanted address.

        candidates   (id, tags)
        Raises       OrphanConflict when there are two: which of them is in use, no tag tells
        """
        ids = [
            id_ for id_, found in candidates if self.is_ours(found) and found.get(tags.ADDRESS) == wanted.tag
        ]
        if len(ids) > 1:
            raise OrphanConflict(
                f"{self.project} has {len(ids)} {what} for {wanted.address}: {', '.join(sorted(ids))}.",
                hint="Find out which of them is in use and delete the others, then run this again.",
                details={"address": wanted.address, "ids": sorted(ids)},
            )
        return ids[0] if ids else None

    def require_ours(self, wanted: Wanted, what: str, found: Tags) -> None:
        """Refuse what has the project's name and somebody else's tags.

        Without any tag it counts as the project's: the name holds a hash of its ids, and some services take
        the tags by a second call, before which the engine may have been killed.
        Raises   OrphanConflict
        """
        if not found or self.is_ours(found):
            return
        owner = f"{found.get(tags.VLAB, '?')}/{found.get(tags.PROJECT, '?')}"
        whose = (
            f"is tagged for {owner}" if tags.PROJECT in found else "carries tags that are not the engine's"
        )
        raise OrphanConflict(
            f"{what} exists and {whose}; {self.project} needs that name for {wanted.address}. "
            "It was left as it is.",
            hint="Find out who made it. Delete or rename it, or tag it for the project, then run this again.",
            details={"address": wanted.address, "tags": dict(found)},
        )


def tag_map(pairs: Sequence[Any] | None) -> dict[str, str]:
    """AWS's lists of Key and Value as a dictionary."""
    return {pair["Key"]: pair["Value"] for pair in pairs or ()}
