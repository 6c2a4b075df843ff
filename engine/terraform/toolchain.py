"""Finds Terraform (or OpenTofu) and the AWS provider, and says what it looked at when it cannot."""

from __future__ import annotations

import json
import os
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.errors import TerraformMissing
from engine.terraform import release
from engine.terraform.cli_config import plugin_cache, provider_source
from engine.terraform.mirror import ADD_ON_ROOTS, REGISTRIES, WANTED, holds_provider
from engine.terraform.programs import run_briefly

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(-\S+)?")
_AT_LEAST = (1, 11)
_BELOW = (2,)
_WANTED_VERSION = ">= 1.11, < 2"
_ANSWER_S = 20.0
_REGISTRY_S = 10.0


@dataclass(frozen=True)
class Toolchain:
    """What runs Terraform here.

    product          "terraform" or "tofu"
    provider_mirror  where the AWS provider lies on this machine; None when it comes from elsewhere
    cli_config       for TF_CLI_CONFIG_FILE
    """

    binary: Path
    version: str
    product: str
    provider_mirror: Path | None
    cli_config: Path


@dataclass(frozen=True)
class _Program:
    binary: Path
    version: str
    product: str
    platform: str


class _Refused(Exception):
    """Why a program that was found is not used."""


def prepare(
    home: Path,
    *,
    explicit: str | None,
    environ: Mapping[str, str],
    download_missing: bool = False,
    add_on_roots: Iterable[Path] = ADD_ON_ROOTS,
) -> Toolchain:
    """Find what Terraform needs, write its CLI configuration; safe and quick to repeat.

    home               the engine's own folder
    explicit           path or name of the program from the settings; if given (or PROVISIONER_TERRAFORM
                       is), that one or none: running another than the named one would be a surprise
    download_missing   fetch the pinned release where there is no usable program, and make sure that a
                       provider can be had; for set-up. Without it, nothing here uses the network.
    Raises             TerraformMissing, with what was looked at in details["refused"]
    """
    home = home.absolute()
    program = _find(home, explicit=explicit, environ=environ, download_missing=download_missing)
    source = provider_source(
        home,
        product=program.product,
        platform=program.platform,
        environ=environ,
        add_on_roots=add_on_roots,
    )
    if download_missing and source.asks_registry:
        _require_registry(home, program)
    return Toolchain(program.binary, program.version, program.product, source.mirror, source.cli_config)


def _find(
    home: Path, *, explicit: str | None, environ: Mapping[str, str], download_missing: bool
) -> _Program:
    refused: dict[str, str] = {}
    named = explicit or environ.get("PROVISIONER_TERRAFORM")
    candidates = [_named(named, environ)] if named else _candidates(home, environ)
    for binary in candidates:
        try:
            return _ask(binary, environ)
        except _Refused as reason:
            refused[str(binary)] = str(reason)
    if download_missing and not named:
        binary = release.download(home)
        try:
            return _ask(binary, environ)
        except _Refused as reason:
            refused[str(binary)] = str(reason)
    raise _missing(named, refused)


def _named(named: str, environ: Mapping[str, str]) -> Path:
    on_path = shutil.which(named, path=environ.get("PATH", "")) if os.sep not in named else None
    return Path(on_path or named).expanduser().absolute()


def _candidates(home: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    for name in REGISTRIES:
        if found := shutil.which(name, path=environ.get("PATH", "")):
            yield Path(found).absolute()
    if release.downloaded(home).is_file():
        yield release.downloaded(home)


def _ask(binary: Path, environ: Mapping[str, str]) -> _Program:
    """Ask a program what it is.

    Raises   _Refused
    """
    # Neither the user's CLI configuration nor the update check has a say in this.
    env = {name: environ[name] for name in ("PATH", "HOME") if name in environ}
    env |= {"CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": os.devnull}
    try:
        answer = run_briefly([str(binary), "version", "-json"], env=env, timeout_s=_ANSWER_S)
        words = run_briefly([str(binary), "version"], env=env, timeout_s=_ANSWER_S).stdout
    except FileNotFoundError:
        raise _Refused("it is not there") from None
    except OSError as error:  # also TimeoutError
        raise _Refused(f"it does not run: {error.strerror or error}") from error
    try:
        document = json.loads(answer.stdout)
        version, platform = str(document["terraform_version"]), str(document["platform"])
    except (ValueError, KeyError, TypeError):
        raise _Refused(f"it does not answer `version -json` as Terraform does ({answer.exit_code})") from None
    _require_version(version)
    # OpenTofu calls its version terraform_version too; only the words tell them apart.
    product = "tofu" if words.lstrip().startswith("OpenTofu") else "terraform"
    return _Program(binary, version, product, platform)


def _require_version(version: str) -> None:
    match = _VERSION.fullmatch(version)
    if not match:
        raise _Refused(f"its version {version!r} cannot be read")
    numbers = tuple(int(number) for number in match.groups()[:3])
    too_early = numbers == (*_AT_LEAST, 0) and match[4]
    if numbers < _AT_LEAST or too_early or numbers >= _BELOW:
        raise _Refused(f"it is {version}; {_WANTED_VERSION} is needed")


def _missing(named: str | None, refused: Mapping[str, str]) -> TerraformMissing:
    listed = "".join(f"\n  - {path}: {reason}" for path, reason in refused.items())
    if named:
        message = "The Terraform that the settings name cannot be used:" + listed
        hint = (
            "Correct `terraform` in the settings (or PROVISIONER_TERRAFORM), "
            "or remove it so that one is looked for."
        )
    else:
        found = f"; refused were:{listed}" if refused else "; no terraform or tofu is on PATH."
        message = f"There is no usable Terraform ({_WANTED_VERSION}) on this machine{found}"
        hint = "Run `provisioner setup` (or `make setup`), which downloads one, or install one yourself."
    return TerraformMissing(message, hint=hint, details={"refused": dict(refused)})


def _require_registry(home: Path, program: _Program) -> None:
    """Make sure that a provider can be had from the registry, or is cached from an earlier time.

    Raises   TerraformMissing
    """
    if holds_provider(plugin_cache(home), product=program.product, platform=program.platform):
        return
    host = REGISTRIES[program.product]
    try:
        # The registry's discovery document, which Terraform asks for first as well.
        address = f"https://{host}/.well-known/terraform.json"
        urllib.request.urlopen(address, timeout=_REGISTRY_S).close()
    except (urllib.error.URLError, OSError) as error:
        raise TerraformMissing(
            f"There is no {WANTED}, on this machine, and {host} cannot be reached "
            f"({getattr(error, 'reason', error)}).",
            hint="Let this machine reach that host. Or run `terraform providers mirror FOLDER` in a rendered "
            "workspace on a machine that can, copy the folder here and set TF_PLUGIN_MIRROR to it.",
        ) from error
