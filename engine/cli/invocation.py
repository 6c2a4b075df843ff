"""One call of the command line: its settings, where they came from, and the engine they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import FieldProblem, InvalidSpec, Unreachable
from engine.model.settings import EffectiveSettings, Settings
from engine.operations.installation import (
    base_folder,
    read_catalogue,
    read_prices,
    read_settings,
    read_text,
    require_folder,
    why_unread,
)

if TYPE_CHECKING:
    from engine.model.prices import PriceTable
    from engine.model.spec import ProjectSpec
    from engine.model.tiers import Tier
    from engine.operations.engine import Engine
    from engine.operations.reporting import Reporter


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
        return read_settings(environ=self.environ, file=self.settings_file, flags=self.flags)

    @property
    def settings(self) -> Settings:
        return self.effective.settings

    @cached_property
    def home(self) -> Path:
        """The engine's own folder: local cloud, Terraform download, logs.

        Raises   InvalidSettings
        """
        return require_folder(base_folder() / self.settings.home, "home")

    @cached_property
    def catalogue(self) -> tuple[Tier, ...]:
        """The tiers of this installation: the built-in ones, and those of the file that the settings name.

        Raises   InvalidSettings
        """
        return read_catalogue(self.effective, base=base_folder())

    @cached_property
    def prices(self) -> PriceTable:
        """The prices of this installation: of the file that the settings name, then the built-in ones.

        Raises   InvalidSettings
        """
        return read_prices(self.effective, base=base_folder())

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


def read_spec(path: Path, *, known_tiers: tuple[str, ...]) -> ProjectSpec:
    """The spec in a file.

    Raises   InvalidSpec
    """
    from engine.model.spec import load_spec

    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSpec(
            f"The spec {path} cannot be read.",
            [FieldProblem(str(path), why_unread(error))],
            hint="A spec is a small UTF-8 YAML file; examples/ has some.",
        ) from error
    return load_spec(text, source=str(path), known_tiers=known_tiers)
