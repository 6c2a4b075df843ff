"""Secret versions beyond moto: a secret's value is the version that has AWSCURRENT now.

moto remembers the version that was current when it was written, and goes on giving that one out
after the stage has moved. Source: Secrets Manager API reference, GetSecretValue.
"""

from __future__ import annotations

from typing import Any

from engine.local.patches import Patches

CURRENT = "AWSCURRENT"


def install(patches: Patches) -> None:
    from moto.secretsmanager.models import SecretsManagerBackend

    def update_secret_version_stage(self: Any, secret_id: str, *args: Any, **kwargs: Any) -> Any:
        answer = original(self, secret_id, *args, **kwargs)
        secret = self.secrets[secret_id]
        secret.default_version_id = _current_version(secret)
        return answer

    original = patches.set(SecretsManagerBackend, "update_secret_version_stage", update_secret_version_stage)


def current_text(backend: Any, arn: str) -> str | None:
    """The value that a reader of the secret gets; None when there is no such secret, or no value in it."""
    secret = next((one for one in backend.secrets.values() if one.arn == arn and not one.is_deleted()), None)
    version = _current_version(secret) if secret else None
    return secret.versions[version].get("secret_string") if secret and version else None


def _current_version(secret: Any) -> str | None:
    return next(
        (id_ for id_, version in secret.versions.items() if CURRENT in version["version_stages"]), None
    )
