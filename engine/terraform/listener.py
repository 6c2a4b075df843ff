"""Turns Terraform's output into events, log lines and diagnostics, without session tokens."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from engine.errors import TerraformError
from engine.model.session_tokens import without_session_tokens
from engine.terraform import diagnostics as reading
from engine.terraform.diagnostics import Diagnostic
from engine.terraform.events import ChangeSummary, DiagnosticSeen, Event, Message, decode, event_from


class Listener:
    """Hears one command.

    document   stdout is one document: kept as it is (sensitive values too), and neither logged nor told
    planned    whether a plan said what it came to
    """

    def __init__(
        self,
        on_event: Callable[[Event], None] | None,
        log: Callable[[str], None],
        *,
        document: bool,
    ) -> None:
        self.planned = False
        self._on_event = on_event
        self._log = log
        self._is_document = document
        self._document: list[str] = []
        self._diagnostics: list[Diagnostic] = []
        self._words: list[str] = []
        self._trouble: Exception | None = None
        self._is_told = on_event is not None

    def hear(self, stdout: Sequence[str], stderr: Sequence[str]) -> None:
        for line in stdout:
            if self._is_document:
                self._document.append(line)
            else:
                self._line(line)
        for line in stderr:
            self._line(line, is_error=True)

    def tell(self, event: Event) -> None:
        """Hand an event on. A display that breaks is not told again, and must not cut Terraform short."""
        if self._on_event is None or not self._is_told:
            return
        try:
            self._on_event(event)
        except Exception as trouble:  # noqa: BLE001  raised again by raise_trouble
            self._is_told = False
            self._trouble = self._trouble or trouble

    def raise_trouble(self) -> None:
        """Raise what went wrong on our own side while Terraform was running, if anything did."""
        if self._trouble:
            raise self._trouble

    def document(self) -> str:
        """All of stdout of a command whose stdout is a document."""
        return "\n".join(self._document)

    def diagnostics(self, *, failed: bool) -> tuple[Diagnostic, ...]:
        """What was complained about. Bare words on stderr count as an error only if the command failed
        and named no other."""
        said = "\n".join(self._words)
        found = (*self._diagnostics, *reading.from_text(said))
        if failed and not any(one.is_error for one in found):
            found += reading.from_bare_words(said)
        return found

    def keep(self, text: str) -> None:
        """Into the log. A full disk must not leave Terraform running with nobody waiting for it."""
        try:
            self._log(text)
        except OSError as error:
            self._trouble = self._trouble or TerraformError(
                f"Terraform has ended, but its log could not be written ({error.strerror or error}).",
                hint="Make room on the disk, then run the command again.",
            )

    def _line(self, line: str, *, is_error: bool = False) -> None:
        line = without_session_tokens(line)
        message = decode(line)
        if message is None:
            text = reading.plain(line)
            self.keep(text)
            if is_error:
                self._words.append(text)
            if text.strip():
                self.tell(Message(text, "raw"))
            return
        self.keep(json.dumps(message, ensure_ascii=False))
        event = event_from(message)
        if isinstance(event, DiagnosticSeen):
            self._diagnostics.append(event.diagnostic)
        if isinstance(event, ChangeSummary) and event.operation == "plan":
            self.planned = True
        self.tell(event)
