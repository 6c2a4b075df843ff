"""What an operation tells while it runs. Callers decide how it looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from engine.terraform.events import Event


class Reporter(Protocol):
    """Told from the thread that runs the operation; must not raise."""

    def step(self, text: str, phase: str = "") -> None:
        """A new step of the operation begins.

        phase   one upper-case word for what it belongs to; "" goes on with the phase before
        """

    def note(self, text: str) -> None:
        """Something worth knowing that needs no action."""

    def terraform(self, event: Event) -> None:
        """Terraform reported something."""


class Silent:
    """A reporter that says nothing."""

    def step(self, text: str, phase: str = "") -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def terraform(self, event: Event) -> None:
        pass
