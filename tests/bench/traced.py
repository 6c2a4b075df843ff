"""A command line whose parts are timed: `python -m tests.bench.traced OUT.json ARGUMENT...`

Writes [{part, detail, begin, end}], in seconds since the process was started. Parts may lie within others:
what the provider refreshes is within Terraform's plan.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

Span = dict[str, Any]


class Trace:
    def __init__(self) -> None:
        self.spans: list[Span] = []
        self._open: dict[tuple[str, str], float] = {}

    @contextmanager
    def part(self, part: str, detail: str = "") -> Any:
        begin = now()
        try:
            yield
        finally:
            self.add(part, detail, begin, now())

    def add(self, part: str, detail: str, begin: float, end: float) -> None:
        self.spans.append({"part": part, "detail": detail, "begin": round(begin, 3), "end": round(end, 3)})

    def around(self, owner: Any, name: str, part: str, detail: str = "") -> None:
        """Time every call of a function or method."""
        called = getattr(owner, name)

        @wraps(called)
        def timed(*arguments: Any, **more: Any) -> Any:
            with self.part(part, detail or name):
                return called(*arguments, **more)

        setattr(owner, name, timed)

    def hear(self, event: Any) -> None:
        """What Terraform says of single resources."""
        kind = type(event).__name__
        address = getattr(event, "address", "")
        if kind in ("RefreshStarted", "ResourceStarted"):
            self._open[kind[:7], address] = now()
        elif kind in ("RefreshFinished", "ResourceFinished"):
            begin = self._open.pop((kind[:7], address), None)
            if begin is not None:
                self.add(_told(kind, event), address, begin, now())


def _told(kind: str, event: Any) -> str:
    if kind == "RefreshFinished" or event.action == "read":
        return "refresh"
    waits = ("aws_cloudformation_stack", "aws_fsx_lustre_file_system", "aws_fsx_data_repository_association")
    return "waiting" if event.type in waits else "resource"


def now() -> float:
    return time.time() - _STARTED


def _started() -> float:
    """When this process was started. Source: proc(5), starttime in /proc/self/stat"""
    ticks = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    return time.time() - (uptime - ticks / os.sysconf("SC_CLK_TCK"))


_STARTED = _started()


def main(out: str, arguments: list[str]) -> int:
    trace = Trace()
    with trace.part("start", "Python and imports"):
        import engine.cli.apply
        import engine.cli.plan  # noqa: F401
        from engine.cli.main import run
        from engine.operations import access, adopt, planning, policy, provision, records, states, token_keys
        from engine.terraform.provider import PrivateProvider
        from engine.terraform.runner import Runner

    looks: list[tuple[Any, str]] = [
        (planning, "check_backend"),
        (planning, "find_shared_ground"),
        (planning, "on_its_release"),
        (planning, "reserve_block"),
        (records, "note_planned"),
        (states, "require_sound"),
        (adopt.Sweep, "_settled"),
        (access, "ensure_keys"),
        (token_keys, "ensure_keys"),
        (provision, "_require_complete"),
    ]
    for owner, name in looks:
        trace.around(owner, name, "AWS, by the engine")
    trace.around(planning, "render_workspace", "rendering")
    trace.around(planning, "write_workspace", "rendering")
    trace.around(planning, "build_review", "review")
    trace.around(planning, "reports", "review")
    trace.around(policy, "review_context", "review")
    trace.around(planning, "review_context", "review")
    trace.around(PrivateProvider, "environment", "provider start")
    _time_commands(trace, Runner)
    code = run(arguments)
    trace.add("whole", " ".join(arguments[:1]), 0.0, now())
    Path(out).write_text(json.dumps(trace.spans))
    return code


def _time_commands(trace: Trace, runner: Any) -> None:
    watch: Callable[..., int] = runner._watch

    def timed(self: Any, argv: Any, env: Any, out: Any, err: Any, listener: Any) -> int:
        told = listener.tell

        def tell(event: Any) -> None:
            trace.hear(event)
            told(event)

        listener.tell = tell
        with trace.part("Terraform", argv[1]):
            return watch(self, argv, env, out, err, listener)

    runner._watch = timed


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], sys.argv[2:]))
