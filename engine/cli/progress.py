"""Live progress on stderr: one line a finished resource, and on a terminal what is under way."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

from engine.cli.terminal import has_live_view, styled
from engine.terraform import events

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live
    from rich.spinner import Spinner

_VERBS = {
    "create": ("creating", "created"),
    "update": ("updating", "updated"),
    "delete": ("deleting", "deleted"),
    "read": ("reading", "read"),
    "replace": ("replacing", "replaced"),
}
_SHOWN_AT_ONCE = 8
# Runners end a job that says nothing for an hour, and an export or a cluster may take longer.
_SILENT_S = 300.0


@dataclass
class _Work:
    """Resources under way.

    at            address -> (what is being done, since when)
    interrupted   Terraform was asked to stop: what ends now is broken off, and the next run asks AWS about it
    """

    at: dict[str, tuple[str, float]] = field(default_factory=dict)
    interrupted: bool = False

    def take(self, event: events.Event) -> str | None:
        """Follow one event; gives the line to print, if it is worth one."""
        match event:
            case events.ResourceStarted(address=address, action=action) if action != "read":
                self.at[address] = (_verb(action, 0), time.monotonic())
            case events.ResourceFinished(address=address, action=action, elapsed_s=elapsed) if (
                action != "read"
            ):
                if self.at.pop(address, None) is None:
                    return None  # a data source
                return f"{styled('✓', fg='green')} {_verb(action, 1)} {address} {_seconds(elapsed)}"
            case events.ResourceFailed(address=address, action=action, elapsed_s=elapsed):
                self.at.pop(address, None)
                if self.interrupted:
                    mark, ended = styled("◌", fg="yellow"), "interrupted"
                else:
                    mark, ended = styled("✗", fg="red"), "failed"
                return f"{mark} {_verb(action, 0)} {address} {ended} {_seconds(elapsed)}"
            case events.CommandStarted():
                self.interrupted = False
            case events.Interrupting():
                self.interrupted = True
                return styled(event.text, fg="yellow")
        return None


def _verb(action: str, tense: int) -> str:
    return _VERBS.get(action, (action, action))[tense]


def _seconds(elapsed_s: float) -> str:
    return styled(f"({elapsed_s:.0f}s)", dim=True) if elapsed_s >= 1 else ""


class Lines:
    """A reporter that prints lines, each with its project in front; several may share one lock."""

    def __init__(self, label: str, lock: threading.Lock | None = None) -> None:
        self._label = label
        self._lock = lock or threading.Lock()
        self._work = _Work()
        self.said_at = time.monotonic()

    def step(self, text: str, phase: str = "") -> None:  # noqa: ARG002 (the reporter's signature)
        self._print(styled(text, bold=True))

    def note(self, text: str) -> None:
        self._print(text)

    def terraform(self, event: events.Event) -> None:
        line = self._work.take(event)
        if line:
            self._print(line)

    def _print(self, text: str) -> None:
        self.said_at = time.monotonic()
        with self._lock:
            click.echo(f"   {styled(self._label, fg='cyan')}  {text}", err=True)


class Progress:
    """A reporter for one project: a live view on a terminal, plain lines elsewhere."""

    def __init__(self, label: str) -> None:
        self._lines = Lines(label)
        self._label = label
        self._step = ""
        self._work = _Work()
        self._live: Live | None = None
        self._spinner: Spinner | None = None
        self._over = threading.Event()

    def __enter__(self) -> Self:
        if has_live_view():
            self._start()
        else:
            threading.Thread(target=self._break_silence, name="progress", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._stop()

    def step(self, text: str, phase: str = "") -> None:  # noqa: ARG002 (the reporter's signature)
        self._step = text
        if self._live is None:
            self._lines.step(text)

    def note(self, text: str) -> None:
        self._say(text)

    def terraform(self, event: events.Event) -> None:
        if self._live is None:
            self._lines.terraform(event)
            return
        line = self._work.take(event)
        if line:
            self._say(line)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Out of the way while something else is shown or asked."""
        live = self._live is not None
        self._stop()
        try:
            yield
        finally:
            if live:
                self._start()

    def _break_silence(self) -> None:
        """Where lines are read later, say now and then that something is still under way."""
        began, step = time.monotonic(), self._step
        while not self._over.wait(_SILENT_S / 10):
            now = time.monotonic()
            if self._step != step:
                began, step = now, self._step
            if now - self._lines.said_at >= _SILENT_S:
                self._lines.note(f"{step or 'It'} goes on ({(now - began) / 60:.0f} min)")

    def _say(self, text: str) -> None:
        if self._live is None:
            self._lines.note(text)
        else:
            from rich.text import Text

            self._live.console.print(Text.from_ansi(text))

    def _start(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(
            get_renderable=self._view, console=Console(stderr=True), refresh_per_second=8, transient=True
        )
        self._live.start()

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _view(self) -> RenderableType:
        from rich.console import Group
        from rich.spinner import Spinner
        from rich.text import Text

        now = time.monotonic()
        under_way = sorted(self._work.at.items(), key=lambda item: item[1][1])
        rows = [
            Text(f"  {verb} {address} {now - since:.0f}s", style="dim")
            for address, (verb, since) in under_way[:_SHOWN_AT_ONCE]
        ]
        if len(under_way) > _SHOWN_AT_ONCE:
            rows.append(Text(f"  and {len(under_way) - _SHOWN_AT_ONCE} more", style="dim"))
        # One spinner for as long as it turns: a new one for each frame would stand still.
        if self._spinner is None:
            self._spinner = Spinner("dots")
        self._spinner.update(text=Text(f"{self._label}  {self._step}"))
        return Group(self._spinner, *rows)
