"""The Terraforms at work for one engine, to be stopped from another thread or a signal's handler."""

from __future__ import annotations

import threading
import weakref

from engine.errors import TerraformInterrupted
from engine.terraform.runner import Runner


class Runners:
    """Knows runners without keeping them.

    for_good   once interrupted, those that come later are interrupted too, and waiting ends
    """

    def __init__(self, *, for_good: bool = False) -> None:
        self._for_good = for_good
        self._stopped = threading.Event()
        # Appending to a list and copying it take no lock that a signal's handler could find taken.
        self._known: list[weakref.ref[Runner]] = []

    def add(self, runner: Runner) -> None:
        self._known.append(weakref.ref(runner))
        if self._stopped.is_set():
            runner.interrupt()

    def interrupt(self) -> None:
        """Ask each to stop gracefully; returns at once."""
        if self._for_good:
            self._stopped.set()
        for runner in self._living():
            runner.interrupt()

    def close(self) -> None:
        """Let go what they keep between commands."""
        for runner in self._living():
            runner.close()

    def pause(self, seconds: float) -> None:
        """Wait. Raises TerraformInterrupted when it was interrupted for good."""
        if self._stopped.wait(seconds):
            raise TerraformInterrupted(
                "The work was stopped on request while it waited.", hint="Run the command again."
            )

    def _living(self) -> list[Runner]:
        return [runner for one in list(self._known) if (runner := one()) is not None]
