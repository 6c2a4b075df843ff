"""An installation for each case, as for the crash suite."""

from __future__ import annotations

from tests.crash.conftest import cloud, engine
from tests.functional.conftest import backend, make_backend, spec, terraform

__all__ = ["backend", "cloud", "engine", "make_backend", "spec", "terraform"]
