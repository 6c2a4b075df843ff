"""The page of error codes: every class of the engine that has a code of its own, from its docstring."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module

import engine
from engine.errors import EngineError

_HEAD = """# Error codes

A command that fails prints its code in brackets (`[STATE_LOCKED]`); with `--json`, in an answer of the API
and in an operation's `error`, it is `code`. Codes are stable: compare them, not messages. Each message says
what happened, to which project, and what to do next. [Exit codes](cli.md#exit-codes), [statuses over
REST](api.md).

*Again* means that the same request may work later as it is; the service's worker tries those again by
itself. Where it is "sometimes", `retryable` beside the code says whether.

| Code | Exit | Again | What it says |
|---|---|---|---|
"""


def error_page() -> str:
    """Markdown: a row for each code, in the order of exit codes."""
    rows = sorted((one.exit_code, one.code, _row(one)) for one in coded_errors())
    return _HEAD + "".join(row for *_, row in rows)


def coded_errors() -> list[type[EngineError]]:
    """Every error class with a code of its own, wherever in the engine it stands."""
    for module in pkgutil.walk_packages(engine.__path__, "engine."):
        if not module.name.startswith("engine.local") and not module.name.endswith("__main__"):
            import_module(module.name)
    return [one for one in _below(EngineError) if "code" in vars(one)]


def _below(error: type[EngineError]) -> Iterator[type[EngineError]]:
    for one in error.__subclasses__():
        yield one
        yield from _below(one)


def _row(error: type[EngineError]) -> str:
    tries = {one.retryable for one in _below(EngineError) if one.code == error.code}
    again = "sometimes" if len(tries) > 1 else "yes" if error.retryable else ""
    says = " ".join((error.__doc__ or "").split("\n\n")[0].split())
    return f"| `{error.code}` | {error.exit_code} | {again} | {says} |\n"
