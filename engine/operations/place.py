"""Where projects are looked at and asked for: all that needs no Terraform."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from engine.aws.account import account_of
from engine.aws.registry import Registry
from engine.aws.session import Cloud
from engine.model.names import Names, names_for
from engine.model.settings import Settings
from engine.model.spec import ProjectSpec
from engine.model.tiers import Tier, load_catalogue


@dataclass(frozen=True, kw_only=True)
class Place:
    """settings have their account.

    now         UTC, aware; the cloud's, where others read what is written by it
    catalogue   the tiers that a spec may name
    """

    settings: Settings
    cloud: Cloud
    now: Callable[[], datetime]
    catalogue: tuple[Tier, ...] = field(default_factory=load_catalogue)

    @property
    def registry(self) -> Registry:
        return Registry(self.cloud, table=self.settings.registry_table)

    def names_of(self, spec: ProjectSpec) -> Names:
        """The names of a project, with what it took over under the names that it has."""
        return spec.names(self.settings.require_account())

    def names(self, vlab_id: str, project_id: str) -> Names:
        return names_for(vlab_id, project_id, account_id=self.settings.require_account())


def connect(settings: Settings) -> tuple[Cloud, Settings]:
    """The way to AWS that the settings describe, and the settings with their account filled in.

    Raises   AccessDenied or Unreachable when the account must be asked for and AWS does not answer
    """
    cloud = Cloud(
        region=settings.region,
        endpoint_url=settings.endpoint_url,
        local=settings.cloud == "local",
        s3_use_path_style=settings.s3_use_path_style,
        attempts=settings.aws_attempts,
    )
    if settings.account_id is None:
        settings = settings.with_account(account_of(cloud))
    return cloud, settings
