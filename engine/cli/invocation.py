"""One call of the command line: its settings, where they came from, and the engine they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import engine
from engine.errors import FieldProblem, InvalidSettings, InvalidSpec, Unreachable
from engine.model.settings import EffectiveSettings, Settings, load_settings, parse_settings

if TYPE_CHECKING:
    from engine.model.prices import PriceTable
    from engine.model.spec import ProjectSpec
    from engine.model.tiers import Tier
    from engine.operations.engine import Engine
    from engine.operations.reporting import Reporter

_FILE_VARIABLE = "PROVISIONER_SETTINGS"
_DEFAULT_FILE = "provisioner.yaml"
_MAX_FILE_BYTES = 65_536


def base_folder() -> Path:
    """Where relative folders of the settings start: the checkout we run from, else the current folder."""
    checkout = Path(engine.__file__).parents[1]
    return checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()


@dataclass(frozen=True)
class Invocation:
    """settings_file and flags as given; environ is the caller's environment."""

    settings_file: str | None
    flags: Mapping[str, Any]
    environ: Mapping[str, str]

    @cached_property
    def effective(self) -> EffectiveSettings:
        """The settings and where each came from.

        Raises   InvalidSettings
        """
        environ = {name: value for name, value in self.environ.items() if name != _FILE_VARIABLE}
        text, source = self._settings_text()
        return load_settings(
            file=parse_settings(text, source=source) if text is not None else None,
            file_source=source,
            environ=environ,
            flags=self.flags,
        )

    @property
    def settings(self) -> Settings:
        return self.effective.settings

    @cached_property
    def home(self) -> Path:
        """The engine's own folder: local cloud, Terraform download, logs."""
        return base_folder() / self.settings.home

    @cached_property
    def catalogue(self) -> tuple[Tier, ...]:
        """The tiers of this installation: the built-in ones, and those of the file that the settings name.

        Raises   InvalidSettings
        """
        from engine.model.tiers import load_catalogue, merge_catalogues, parse_catalogue

        built_in = load_catalogue()
        if self.settings.tiers is None:
            return built_in
        path = base_folder() / self.settings.tiers
        try:
            text = _read_text(path)
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidSettings(
                f"The tier catalogue {path} cannot be read.",
                [FieldProblem("tiers", _why(error) + f" (from {self.effective.sources['tiers']})")],
                hint="Name an existing YAML file, or leave the setting out.",
            ) from error
        return merge_catalogues(built_in, parse_catalogue(text, source=str(path)))

    @cached_property
    def prices(self) -> PriceTable:
        """The prices of this installation: of the file that the settings name, then the built-in ones.

        Raises   InvalidSettings
        """
        from engine.model.prices import load_prices, parse_prices

        if self.settings.prices is None:
            return load_prices()
        path = base_folder() / self.settings.prices
        try:
            text = _read_text(path)
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidSettings(
                f"The price table {path} cannot be read.",
                [FieldProblem("prices", _why(error) + f" (from {self.effective.sources['prices']})")],
                hint="Name an existing YAML file, or leave the setting out.",
            ) from error
        return parse_prices(text, source=str(path)).over(load_prices())

    def engine(self, reporter: Reporter) -> Engine:
        """The engine that the settings describe, connected.

        Raises   Unreachable when the local cloud is asked for and not up
        """
        from engine.operations.engine import open_engine

        return open_engine(
            self.reachable_settings(),
            base=base_folder(),
            environ=self.environ,
            reporter=reporter,
            catalogue=self.catalogue,
            prices=self.prices,
        )

    def reachable_settings(self) -> Settings:
        """The settings with the endpoint of the local cloud filled in, if that is where we work."""
        settings = self.settings
        if settings.cloud != "local" or settings.endpoint_url:
            return settings
        from engine.local import control

        status = control.status(self.home)
        if status.state != "running" or status.record is None:
            raise Unreachable(
                "The local cloud is not running."
                if status.state == "stopped"
                else "The local cloud has died; what it held is gone.",
                hint="Start it with `provisioner local up`; for a real account, say --cloud aws.",
            )
        return settings.model_copy(update={"endpoint_url": status.record.endpoint})

    def _settings_text(self) -> tuple[str | None, str]:
        named = self.settings_file or self.environ.get(_FILE_VARIABLE)
        path = Path(named or _DEFAULT_FILE)
        if named is None and not path.is_file():
            return None, str(path)
        try:
            return _read_text(path), str(path)
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidSettings(
                f"The settings file {path} cannot be read.",
                [FieldProblem(str(path), _why(error))],
                hint="Name an existing file, or leave --settings out.",
            ) from error


def read_spec(path: Path, *, known_tiers: tuple[str, ...]) -> ProjectSpec:
    """The spec in a file.

    Raises   InvalidSpec
    """
    from engine.model.spec import load_spec

    try:
        text = _read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSpec(
            f"The spec {path} cannot be read.",
            [FieldProblem(str(path), _why(error))],
            hint="A spec is a small UTF-8 YAML file; examples/ has some.",
        ) from error
    return load_spec(text, source=str(path), known_tiers=known_tiers)


def _read_text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_MAX_FILE_BYTES + 1).decode("utf-8")


def _why(error: OSError | UnicodeDecodeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not UTF-8"
    return (error.strerror or str(error)).lower()
