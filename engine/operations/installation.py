"""What an installation says of itself, read from its files and its environment: settings and tiers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import engine
from engine.errors import FieldProblem, InvalidSettings
from engine.model.settings import EffectiveSettings, load_settings, parse_settings
from engine.model.tiers import Tier, load_catalogue, merge_catalogues, parse_catalogue

if TYPE_CHECKING:
    from engine.model.prices import PriceTable

FILE_VARIABLE = "PROVISIONER_SETTINGS"
_DEFAULT_FILE = "provisioner.yaml"
_MAX_FILE_BYTES = 65_536


def base_folder() -> Path:
    """Where relative folders of the settings start: the checkout we run from, else the current folder."""
    checkout = Path(engine.__file__).parents[1]
    return checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()


def read_settings(
    *, environ: Mapping[str, str], file: str | None = None, flags: Mapping[str, Any] | None = None
) -> EffectiveSettings:
    """The settings and where each came from.

    file     path of the settings file; None: what the environment names, else provisioner.yaml if it is there
    Raises   InvalidSettings
    """
    named = file or environ.get(FILE_VARIABLE)
    path = Path(named or _DEFAULT_FILE)
    text = None if named is None and not path.is_file() else _settings_text(path)
    return load_settings(
        file=parse_settings(text, source=str(path)) if text is not None else None,
        file_source=str(path),
        environ={name: value for name, value in environ.items() if name != FILE_VARIABLE},
        flags=flags,
    )


def read_catalogue(effective: EffectiveSettings, *, base: Path) -> tuple[Tier, ...]:
    """The tiers of this installation: the built-in ones, and those of the file that the settings name.

    Raises   InvalidSettings
    """
    built_in = load_catalogue()
    if effective.settings.tiers is None:
        return built_in
    path = base / effective.settings.tiers
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSettings(
            f"The tier catalogue {path} cannot be read.",
            [FieldProblem("tiers", why_unread(error) + f" (from {effective.sources['tiers']})")],
            hint="Name an existing YAML file, or leave the setting out.",
        ) from error
    return merge_catalogues(built_in, parse_catalogue(text, source=str(path)))


def read_prices(effective: EffectiveSettings, *, base: Path) -> PriceTable:
    """The prices of this installation: of the file that the settings name, then the built-in ones.

    Raises   InvalidSettings
    """
    # The service's API reads no prices, and must start quickly.
    from engine.model.prices import load_prices, parse_prices

    if effective.settings.prices is None:
        return load_prices()
    path = base / effective.settings.prices
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSettings(
            f"The price table {path} cannot be read.",
            [FieldProblem("prices", why_unread(error) + f" (from {effective.sources['prices']})")],
            hint="Name an existing YAML file, or leave the setting out.",
        ) from error
    return parse_prices(text, source=str(path)).over(load_prices())


def require_folder(folder: Path, setting: str) -> Path:
    """The folder that a setting names, which need not be there yet, if it can be written to.

    Raises   InvalidSettings
    """
    # Below a folder that may not be entered, nothing is there to be seen.
    there = next(path for path in (folder, *folder.absolute().parents) if os.access(path, os.F_OK))
    if not there.is_dir():
        problem = f"{there} is a file, not a folder"
    elif not os.access(there, os.W_OK | os.X_OK):
        problem = f"{there} cannot be written to"
    else:
        return folder
    raise InvalidSettings(
        f"The engine cannot keep its files in {folder}.",
        [FieldProblem(setting, problem)],
        hint="Name a folder that may be written to; `provisioner settings` shows who names this one.",
    )


def read_text(path: Path) -> str:
    """A small UTF-8 file; one that is larger is cut behind the bound, and refused as what it should be."""
    with path.open("rb") as file:
        return file.read(_MAX_FILE_BYTES + 1).decode("utf-8")


def why_unread(error: OSError | UnicodeDecodeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not UTF-8"
    return (error.strerror or str(error)).lower()


def _settings_text(path: Path) -> str:
    try:
        return read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSettings(
            f"The settings file {path} cannot be read.",
            [FieldProblem(str(path), why_unread(error))],
            hint="Name an existing file, or leave --settings out.",
        ) from error
