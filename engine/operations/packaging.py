"""The accounting function as Lambda takes it: one zip, and the same bytes for the same code.

Lambda brings Python and boto3; the zip brings the engine's modules that the handler imports, PyMySQL,
and, where one is given, the file with RDS's certificate authorities.
"""

from __future__ import annotations

import ast
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import engine
from engine.accounting.handler import HANDLER
from engine.errors import RequestError

CA_FILE = "rds-ca.pem"
_LIBRARY = "pymysql"
# The earliest that a zip can hold. Real times would make every build another one.
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_READABLE = 0o100644 << 16


@dataclass(frozen=True)
class Package:
    path: Path
    files: tuple[str, ...]


def package_function(out: Path, *, ca_file: Path | None = None) -> Package:
    """Write the zip of the accounting function.

    ca_file   PEM file that goes beside the code as rds-ca.pem: /var/task/rds-ca.pem in Lambda
    Raises    RequestError when ca_file holds no certificates, or the zip cannot be written
    """
    content = dict(sorted([*_engine_files(), *_library_files(), *_authorities(ca_file)]))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        # Stored, not deflated: the bytes would depend on the machine's zlib, and this is small.
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
            for name, body in content.items():
                archive.writestr(_entry(name), body)
    except OSError as error:
        raise RequestError(
            f"{out} cannot be written: {error.strerror}.", hint="Name a file in a folder of yours."
        ) from error
    return Package(out, tuple(content))


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, date_time=_TIMESTAMP)
    entry.create_system = _UNIX
    entry.external_attr = _READABLE
    return entry


def _engine_files() -> Iterator[tuple[str, bytes]]:
    """The handler's module and every module of ours that it leads to, packages included."""
    root = Path(engine.__file__).parents[1]
    waiting, seen = [HANDLER.rpartition(".")[0]], set()
    while waiting:
        module = waiting.pop()
        path = _module_file(root, module)
        if path is None or path in seen:
            continue
        seen.add(path)
        source = path.read_bytes()
        yield path.relative_to(root).as_posix(), source
        waiting += [module.rpartition(".")[0], *_imports(ast.parse(source))]


def _module_file(root: Path, module: str) -> Path | None:
    """Where a module of ours lies; None for what is not ours, or no module (a name from one)."""
    if module.partition(".")[0] != engine.__name__:
        return None
    stem = root / module.replace(".", "/")
    return next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()), None)


def _imports(node: ast.AST) -> Iterator[str]:
    """Modules that are imported anywhere in the code, but for those that type checkers alone look at."""
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    for child in ast.iter_child_nodes(node):
        yield from _imports(child)


def _library_files() -> Iterator[tuple[str, bytes]]:
    """PyMySQL's code, and its licence, which has to go where the code goes."""
    for file in metadata.files(_LIBRARY) or []:
        if file.suffix == ".py" or file.name == "LICENSE":
            yield file.as_posix(), file.read_binary()


def _authorities(ca_file: Path | None) -> Iterator[tuple[str, bytes]]:
    if ca_file is None:
        return
    try:
        content = ca_file.read_bytes()
    except OSError as error:
        raise RequestError(f"{ca_file} cannot be read: {error.strerror}.", hint="Name a PEM file.") from error
    if b"-----BEGIN CERTIFICATE-----" not in content:
        raise RequestError(
            f"{ca_file} holds no certificate.",
            hint="Download the bundle of your region: RDS user guide, "
            '"Using SSL/TLS to encrypt a connection to a DB instance".',
        )
    yield CA_FILE, content
