"""Generated workspaces on disk: written whole, never over something that is not ours."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path, PurePosixPath

import engine
from engine.errors import RequestError
from engine.terraform.initialised import forget_init
from engine.workspace.render import GENERATED_FILES, SPEC_FILE

BOOTSTRAP_FILES = ("main.tf", "outputs.tf", "variables.tf", "versions.tf", ".terraform.lock.hcl")
"""The files of workspaces/bootstrap that are the root: not a person's variables or state beside them."""

ERRORED = "errored.tfstate"
"""Where Terraform leaves a state that it could not save."""

_INSTALLATION_FILE = "installation.json"
_MODULES_FOLDER = "modules"
_BOOTSTRAP_FOLDER = "workspaces/bootstrap"
# What a module's author needs and a workspace does not.
_LEFT_OUT = ("tests", "examples", ".terraform", "__pycache__")


class FolderInUse(RequestError):
    """The folder for the project's workspace is a file, or holds something else."""

    code = "FOLDER_IN_USE"


def modules_root() -> Path:
    """The Terraform modules: beside the package in a checkout, inside it when installed."""
    package = Path(engine.__file__).parent
    installed = package / "_modules"
    return installed if installed.is_dir() else package.parent / _MODULES_FOLDER


def bootstrap_root() -> Path:
    """The Terraform root of the backend: beside the package in a checkout, inside it when installed."""
    package = Path(engine.__file__).parent
    installed = package / "_workspaces" / "bootstrap"
    return installed if installed.is_dir() else package.parent / _BOOTSTRAP_FOLDER


def write_bootstrap(folder: Path, files: Mapping[str, str], modules: tuple[str, ...]) -> Path:
    """Make the folder hold workspaces/bootstrap, these generated files and modules; gives the root's folder.

    Terraform's own files (state, .terraform, plans) stay; configuration of an earlier time goes.
    """
    originals = {name: (bootstrap_root() / name).read_text("utf-8") for name in BOOTSTRAP_FILES}
    copies = {f"{_BOOTSTRAP_FOLDER}/{name}": text for name, text in originals.items()}
    wanted = {**copies, **files, **module_files(modules)}
    for path, text in wanted.items():
        write_if_changed(folder / path, text)
    root = folder / _BOOTSTRAP_FOLDER
    configuration = [path for pattern in ("*.tf", "*.tf.json") for path in root.glob(pattern)]
    _remove_unwanted(folder, configuration, set(wanted))
    return root


def write_workspace(folder: Path, files: Mapping[str, str], modules: tuple[str, ...]) -> None:
    """Make the folder hold exactly these files and modules, beside Terraform's own (.terraform, plans).

    Unchanged files keep their modification time. Files of an earlier rendering that are not part
    of this one go.
    Raises   FolderInUse when the folder holds anything else than a workspace of this project.
    """
    restore_workspace(folder, {**files, **module_files(modules)})


def restore_workspace(folder: Path, files: Mapping[str, str]) -> None:
    """Make the folder hold exactly these files, modules among them; otherwise as `write_workspace`.

    Raises   FolderInUse; ValueError for a path that is none of a workspace's
    """
    strange = [path for path in files if not _is_of_workspace(path)]
    if strange:
        raise ValueError(f"{strange[0]!r} is no file of a workspace")
    there = json.loads(files[SPEC_FILE])
    check_folder(folder, there["vlab_id"], there["project_id"])
    folder.mkdir(parents=True, exist_ok=True)
    _say_whose(folder, files[SPEC_FILE])
    for path, text in files.items():
        write_if_changed(folder / path, text)
    _remove_stale(folder, set(files))


def read_workspace(folder: Path) -> dict[str, str]:
    """What `restore_workspace` would write there: the generated files and the modules, path -> text."""
    generated = [folder / name for name in GENERATED_FILES]
    modules = sorted((folder / _MODULES_FOLDER).rglob("*"))
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8")
        for path in [*generated, *modules]
        if path.is_file()
    }


def _is_of_workspace(path: str) -> bool:
    parts = PurePosixPath(path).parts
    in_modules = parts[:1] == (_MODULES_FOLDER,) and len(parts) > 1 and ".." not in parts
    return path in GENERATED_FILES or in_modules


def _say_whose(folder: Path, spec: str) -> None:
    """Write the spec before anything else, and whole: whoever dies after that leaves a folder that is known
    to be the project's, and the next run goes on in it."""
    _write_whole(folder / SPEC_FILE, spec)


def _write_whole(file: Path, text: str) -> None:
    """Write a small file of a workspace so that whoever dies leaves the old one or the new one.

    Raises   OSError
    """
    if file.is_file() and file.read_bytes() == text.encode():
        return
    beside = file.parent.with_name(f".{file.parent.name}.{os.getpid()}")
    write_if_changed(beside, text)
    beside.replace(file)


def check_folder(folder: Path, vlab_id: str, project_id: str) -> None:
    """Look whether a project's workspace may be written there: the folder is new, empty, or the project's.

    Raises   FolderInUse
    """
    if folder.exists() and not folder.is_dir():
        raise FolderInUse(f"{folder} is a file, not a folder.", hint="Name a new or empty folder.")
    if not folder.exists() or not any(folder.iterdir()):
        return
    try:
        there = json.loads((folder / SPEC_FILE).read_text("utf-8"))
        owner = (there["vlab_id"], there["project_id"])
    except (OSError, ValueError, KeyError, TypeError):
        raise FolderInUse(
            f"{folder} is not empty and holds no workspace of ours.", hint="Name a new or empty folder."
        ) from None
    if owner != (vlab_id, project_id):
        raise FolderInUse(
            f"{folder} holds the workspace of {owner[0]}/{owner[1]}, not of {vlab_id}/{project_id}.",
            hint="Name another folder: one folder, one project.",
        )


@dataclass(frozen=True)
class Installation:
    """Where a workspace's state is kept: two installations may be worked on from one checkout."""

    account_id: str
    state_bucket: str


def hand_over(folder: Path, installation: Installation) -> Path | None:
    """Make a workspace that is written this installation's: what Terraform has left in it for another one is
    trusted no more, and its state that could not be saved is put beside the folder, until that one is back.

    Gives   where such a state was put; None: there was none
    """
    before, errored, aside = _last_used_for(folder), folder / ERRORED, None
    if before is not None and before != installation:
        forget_init(folder)
        if errored.is_file():
            aside = free_name(_place_beside(folder, before))
            errored.rename(aside)
    own = _place_beside(folder, installation)
    if own.is_file() and not errored.exists():
        own.rename(errored)
    _write_whole(folder / _INSTALLATION_FILE, json.dumps(vars(installation)) + "\n")
    return aside


def _last_used_for(folder: Path) -> Installation | None:
    """None where nothing says so: the workspace is new, or of a time when that was not written down."""
    try:
        return Installation(**json.loads((folder / _INSTALLATION_FILE).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _place_beside(folder: Path, installation: Installation) -> Path:
    return folder.with_name(f"{folder.name}.{installation.account_id}.{installation.state_bucket}.{ERRORED}")


def free_name(path: Path, ending: str = "") -> Path:
    """The path with the first number behind it, and `ending`, under which there is nothing; without an ending
    the path itself where that is free."""
    numbered = (path.with_name(f"{path.name}.{number}{ending}") for number in count(1))
    return next(one for one in chain([] if ending else [path], numbered) if not one.exists())


def remove_workspace(folder: Path) -> None:
    """Take a workspace off the disk; not being there is fine."""
    shutil.rmtree(folder, ignore_errors=True)


def module_files(modules: tuple[str, ...]) -> dict[str, str]:
    """The files of these modules as they lie in a workspace, path -> text."""
    root = modules_root()
    return {
        f"{_MODULES_FOLDER}/{path.relative_to(root).as_posix()}": path.read_text("utf-8")
        for module in modules
        for path in sorted((root / module).rglob("*"))
        if path.is_file() and not set(path.relative_to(root / module).parts) & set(_LEFT_OUT)
    }


def write_if_changed(path: Path, text: str) -> None:
    """Write a file, its folder too; one that holds the same already keeps its modification time."""
    if path.is_file() and path.read_bytes() == text.encode():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8", newline="\n")


def _remove_stale(folder: Path, wanted: set[str]) -> None:
    _remove_unwanted(folder, [folder / name for name in GENERATED_FILES if (folder / name).is_file()], wanted)


def _remove_unwanted(folder: Path, candidates: list[Path], wanted: set[str]) -> None:
    in_modules = [path for path in (folder / _MODULES_FOLDER).rglob("*") if path.is_file()]
    for path in candidates + in_modules:
        if path.relative_to(folder).as_posix() not in wanted:
            path.unlink()
