"""With what a plan is made: the engine's own files, the modules, Terraform and the providers."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import engine as engine_package
from engine.model.saved_plan import MadeWith, hash_of_files, sha256
from engine.operations.engine import Engine
from engine.operations.folders import module_files
from engine.workspace.render import MODULES, lock_file

# The local cloud plays AWS, and has no part in a plan; the modules have a hash of their own.
_LEFT_OUT = ("local", "_modules", "_workspaces", "__pycache__")


def made_with(engine: Engine) -> MadeWith:
    """What this engine makes plans with. Raises   TerraformMissing"""
    toolchain = engine.toolchain
    return MadeWith(
        engine=engine_package.__version__,
        code=_code(),
        modules=hash_of_files(module_files(MODULES)),
        terraform=f"{toolchain.product} {toolchain.version}",
        providers=sha256(lock_file().encode()),
    )


@cache
def _code() -> str:
    """A hash of the engine's own files: the version alone does not tell two checkouts apart."""
    package = Path(engine_package.__file__).parent
    return hash_of_files(
        {
            path.relative_to(package).as_posix(): path.read_bytes()
            for path in package.rglob("*")
            if path.is_file()
            and not set(path.relative_to(package).parts[:-1]) & set(_LEFT_OUT)
            and path.suffix != ".pyc"
        }
    )
