"""The second net under secrets: a text that is hidden in one place is hidden in every place.

Terraform's masks are the first. They can't follow a secret that a provider copies into an attribute
of its own, so everything a review shows is searched for the texts that the masks hide.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from engine.review.model import SENSITIVE, AttributeChange, Change, ClusterUpdate, Fact, OutputChange

_SHORTEST = 8
"""Shorter texts ("true", "eu-west") are no secrets by themselves and would blot out half the report."""


class Redaction:
    """Replaces every secret text by "(sensitive)"."""

    def __init__(self, secrets: Iterable[str]):
        longest_first = sorted({s for s in secrets if len(s) >= _SHORTEST}, key=lambda s: (-len(s), s))
        pattern = "|".join(re.escape(secret) for secret in longest_first)
        self._pattern = re.compile(pattern) if pattern else None

    def value(self, value: Any) -> Any:
        """A JSON-ready value without the secrets, also inside longer texts and keys."""
        if self._pattern is None:
            return value
        if isinstance(value, str):
            return self._pattern.sub(SENSITIVE, value)
        if isinstance(value, Mapping):
            return {self.value(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.value(item) for item in value)
        return value

    def change(self, change: Change) -> Change:
        """The change without the secrets. Addresses stay: Terraform keeps secrets out of them."""
        if self._pattern is None:
            return change
        return replace(
            change,
            imported_id=self.value(change.imported_id),
            reasons=self.value(change.reasons),
            consequence=self.value(change.consequence),
            attributes=tuple(self._attribute(attribute) for attribute in change.attributes),
            facts=tuple(Fact(fact.label, self.value(fact.value)) for fact in change.facts),
        )

    def cluster_update(self, update: ClusterUpdate) -> ClusterUpdate:
        """The key without the secrets: names of queues and tags are in it."""
        return replace(update, key=self.value(update.key))

    def output(self, output: OutputChange) -> OutputChange:
        """The output without the secrets."""
        before, after = self.value(output.before), self.value(output.after)
        hidden = output.sensitive or before != output.before or after != output.after
        return replace(output, before=before, after=after, sensitive=hidden)

    def _attribute(self, attribute: AttributeChange) -> AttributeChange:
        clean: Callable[[Any], Any] = self.value
        before, after = clean(attribute.before), clean(attribute.after)
        hidden = attribute.sensitive or before != attribute.before or after != attribute.after
        return replace(
            attribute,
            path=clean(attribute.path),
            label=clean(attribute.label),
            before=before,
            after=after,
            sensitive=hidden,
        )
