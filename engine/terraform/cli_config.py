"""Terraform's CLI configuration: where `init` takes the AWS provider from.

Whose file Terraform is given, the first that applies:

1. TF_PLUGIN_MIRROR is set: ours, with that mirror.
2. The user's own file says where providers come from (`provider_installation`): the user's, as it is.
3. A mirror is found on this machine: ours, with that mirror.
4. The user's own file says anything else (credentials, a plugin cache): the user's, as it is.
5. Otherwise: ours, which asks the registry and keeps what it got.

The user's own file is the one TF_CLI_CONFIG_FILE names, or ~/.terraformrc (for OpenTofu ~/.tofurc).
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from engine.errors import TerraformMissing
from engine.terraform.mirror import (
    ADD_ON_ROOTS,
    PROVIDER,
    WANTED,
    add_on_folders,
    find_mirror,
    holds_provider,
    usual_roots,
)

_HEADER = "# Written by `provisioner`; changes are overwritten."
_COMMENT = re.compile(r"#[^\n]*|//[^\n]*|/\*.*?\*/", re.DOTALL)
_INSTALLATION = re.compile(r"(^|[\s{,])\"?provider_installation\"?\s*[:=]?\s*[\[{]")
_MIRROR_PATH = re.compile(
    r"filesystem_mirror\"?\s*[:=]?\s*[\[{]+[^}]*?path\"?\s*[:=]\s*\"([^\"]+)\"", re.DOTALL
)


@dataclass(frozen=True)
class ProviderSource:
    """cli_config: the file for Terraform. mirror: where the provider lies, if on this machine.
    asks_registry: whether our own file sends Terraform to the registry."""

    cli_config: Path
    mirror: Path | None
    asks_registry: bool


def provider_source(
    home: Path,
    *,
    product: str,
    platform: str,
    environ: Mapping[str, str],
    add_on_roots: Iterable[Path] = ADD_ON_ROOTS,
) -> ProviderSource:
    """Settle where the provider comes from, and write our own configuration file if it is the one.

    home   the engine's folder, absolute
    Raises TerraformMissing when TF_PLUGIN_MIRROR names a folder without a fitting provider
    """
    ours = home / "terraformrc"
    if named := environ.get("TF_PLUGIN_MIRROR"):
        return _written(ours, _named_mirror(Path(named).absolute(), product=product, platform=platform))
    users = _users_file(environ, product=product)
    text = _settings_in(users)
    if users and _INSTALLATION.search(text):
        paths = [Path(path) for path in _MIRROR_PATH.findall(text)]
        return ProviderSource(users, find_mirror(paths, product=product, platform=platform), False)
    candidates = chain(usual_roots(environ), add_on_folders(add_on_roots))
    mirror = find_mirror(candidates, product=product, platform=platform)
    if mirror is None and users and text:
        return ProviderSource(users, None, False)
    return _written(ours, mirror)


def plugin_cache(home: Path) -> Path:
    """Where Terraform keeps providers that came from the registry."""
    return home / "plugin-cache"


def _named_mirror(mirror: Path, *, product: str, platform: str) -> Path:
    if not holds_provider(mirror, product=product, platform=platform):
        raise TerraformMissing(
            f"TF_PLUGIN_MIRROR names {mirror}, which holds no {WANTED}, for {product} on {platform}.",
            hint="Fill it with `terraform providers mirror` on a machine with a way to the registry, "
            "or unset TF_PLUGIN_MIRROR.",
        )
    return mirror


def _users_file(environ: Mapping[str, str], *, product: str) -> Path | None:
    if named := environ.get("TF_CLI_CONFIG_FILE"):
        candidates = [Path(named).absolute()]
    elif home := environ.get("HOME"):
        names = (".tofurc", ".terraformrc") if product == "tofu" else (".terraformrc",)
        candidates = [Path(home, name) for name in names]
    else:
        candidates = []
    return next((file for file in candidates if file.is_file()), None)


def _settings_in(file: Path | None) -> str:
    """What a configuration file says, without comments; nothing for one that is ours."""
    try:
        text = file.read_text("utf-8") if file else ""
    except OSError:
        return ""
    return "" if text.startswith(_HEADER) else _COMMENT.sub("", text).strip()


def _written(ours: Path, mirror: Path | None) -> ProviderSource:
    ours.parent.mkdir(parents=True, exist_ok=True)
    if mirror is None:
        plugin_cache(ours.parent).mkdir(exist_ok=True)
    text = _from_mirror(mirror) if mirror else _from_registry(plugin_cache(ours.parent))
    if not ours.is_file() or ours.read_text("utf-8") != text:
        with tempfile.NamedTemporaryFile("w", dir=ours.parent, delete=False, encoding="utf-8") as file:
            file.write(text)
        Path(file.name).replace(ours)
    return ProviderSource(ours, mirror, asks_registry=mirror is None)


def _from_mirror(mirror: Path) -> str:
    return f"""{_HEADER}
disable_checkpoint = true

provider_installation {{
  filesystem_mirror {{
    path    = {json.dumps(str(mirror))}
    include = ["{PROVIDER}"]
  }}
  direct {{
    exclude = ["{PROVIDER}"]
  }}
}}
"""


def _from_registry(cache: Path) -> str:
    return f"""{_HEADER}
disable_checkpoint = true
plugin_cache_dir   = {json.dumps(str(cache))}

provider_installation {{
  direct {{}}
}}
"""
