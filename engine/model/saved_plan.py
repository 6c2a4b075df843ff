"""A plan that is kept: what it was made of and with, under one digest, and what became of it.

    digest ──► manifest ──► hash of every part (plan file, spec, workspace, reviews)
                   └──► project, state, versions, expiry

The digest is the SHA-256 of the manifest's bytes, and the manifest holds the hash of every part: who names
the digest names every byte of all of it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

FORMAT = 1
PLAN_PART, SPEC_PART, WORKSPACE_PART = "project.tfplan", "spec.json", "workspace.json"
SHORT_DIGITS = 12
"""Of a digest: what lists show, and the fewest that name a plan; by chance no two plans share 48 bits."""
_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_BEGINNING = re.compile(rf"(?:sha256:)?([0-9a-f]{{{SHORT_DIGITS},64}})")


class Standing(StrEnum):
    """What may be done with a saved plan."""

    WAITING = "waiting"
    APPROVED = "approved"
    APPLIED = "applied"
    EXPIRED = "expired"


@dataclass(frozen=True)
class MadeWith:
    """What a plan was made with; it is applied with the same, or not at all.

    engine       version of the engine
    code         hash of the engine's own files
    modules      hash of the Terraform modules that the workspace calls
    terraform    product and version, such as "terraform 1.11.4"
    providers    hash of the lock file, which holds versions and hashes of the providers
    """

    engine: str
    code: str
    modules: str
    terraform: str
    providers: str


@dataclass(frozen=True)
class Manifest:
    """What one saved plan is.

    created_by       ARN of the caller
    expires_at       UTC, aware; from then on it is not applied any more
    spec_digest      of the spec that was planned; registered_digest of what the registry held then
    lineage, serial  of the state that was planned with; "" and 0 where there was none
    parts            name -> SHA-256 in hex
    """

    vlab_id: str
    project_id: str
    created_at: datetime
    created_by: str
    expires_at: datetime
    has_changes: bool
    spec_digest: str
    registered_digest: str
    lineage: str
    serial: int
    made_with: MadeWith
    parts: Mapping[str, str]

    @property
    def project(self) -> str:
        return f"{self.vlab_id}/{self.project_id}"

    @property
    def digest(self) -> str:
        """ "sha256:" and 64 hexadecimal digits."""
        return f"sha256:{sha256(self.to_bytes())}"

    def to_bytes(self) -> bytes:
        """The canonical text: the same manifest gives the same bytes."""
        document = {
            **vars(self),
            "format": FORMAT,
            "created_at": self.created_at.isoformat(),
            "expires_at": self.expires_at.isoformat(),
            "made_with": vars(self.made_with),
            "parts": dict(self.parts),
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Manifest:
        """Raises   ValueError, KeyError, TypeError for what is no manifest of this format"""
        document = json.loads(content)
        if document.pop("format") != FORMAT:
            raise ValueError("another format of manifest")
        return cls(
            **{
                **document,
                "created_at": datetime.fromisoformat(document["created_at"]),
                "expires_at": datetime.fromisoformat(document["expires_at"]),
                "made_with": MadeWith(**document["made_with"]),
            }
        )


@dataclass(frozen=True)
class Approval:
    """That somebody agreed to a plan.

    by     ARN of the caller
    name   of the person, "" where none was given beside it
    """

    by: str
    name: str
    at: datetime

    @property
    def who(self) -> str:
        return self.name or self.by

    def to_dict(self) -> dict[str, str]:
        return {"by": self.by, "name": self.name, "at": self.at.isoformat()}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Approval:
        return cls(document["by"], document["name"], datetime.fromisoformat(document["at"]))


@dataclass(frozen=True)
class PlanRecord:
    """What is known of a saved plan without reading it, and what became of it.

    headline     the review in one sentence
    applied_at   when an apply of it was begun; None: never. operation_id is that apply
    """

    digest: str
    vlab_id: str
    project_id: str
    created_at: datetime
    created_by: str
    expires_at: datetime
    has_changes: bool
    headline: str
    risk: str
    approvals: tuple[Approval, ...] = ()
    applied_at: datetime | None = None
    applied_by: str = ""
    operation_id: str = ""

    @property
    def project(self) -> str:
        return f"{self.vlab_id}/{self.project_id}"

    @property
    def short_digest(self) -> str:
        """As much of the digest as names the plan, for lists."""
        return self.digest[: len("sha256:") + SHORT_DIGITS]

    def standing(self, now: datetime) -> Standing:
        if self.applied_at is not None:
            return Standing.APPLIED
        if now >= self.expires_at:
            return Standing.EXPIRED
        return Standing.APPROVED if self.approvals else Standing.WAITING

    def to_dict(self, now: datetime) -> dict[str, Any]:
        """JSON-ready; keys are stable."""
        return {
            "digest": self.digest,
            "project": self.project,
            "state": str(self.standing(now)),
            "has_changes": self.has_changes,
            "summary": self.headline,
            "risk": self.risk,
            "created_at": self.created_at.isoformat(),
            "created_by": self.created_by,
            "expires_at": self.expires_at.isoformat(),
            "approvals": [one.to_dict() for one in self.approvals],
            "applied_at": self.applied_at.isoformat() if self.applied_at else None,
            "applied_by": self.applied_by or None,
            "operation_id": self.operation_id or None,
        }


def sha256(content: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()


def hash_of_files(files: Mapping[str, str | bytes]) -> str:
    """One hash over many files, path -> content; names and borders between files count."""
    lines = sorted(
        f"{path} {sha256(content.encode() if isinstance(content, str) else content)}"
        for path, content in files.items()
    )
    return sha256("\n".join(lines).encode())


def hex_of(digest: str) -> str | None:
    """The 64 digits of a digest as people give it, with or without "sha256:"; None for anything else."""
    found = _DIGEST.fullmatch(digest.strip().lower())
    return found.group(1) if found else None


def beginning_of(digest: str) -> str | None:
    """The digits of a digest, or of its beginning, as people give them; None for fewer than SHORT_DIGITS, and
    for anything else."""
    found = _BEGINNING.fullmatch(digest.strip().lower())
    return found.group(1) if found else None
