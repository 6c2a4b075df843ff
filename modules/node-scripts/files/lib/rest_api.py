"""Slurm's REST API on the head node: slurmrestd under its own user, behind a filter that checks tokens.

    rest_api.py keys      the keys of tokens in their place, before slurmctld first starts
    rest_api.py setup     the rest: Slurm's own settings, slurmrestd, the filter, the timer that looks for
                          other keys; without `rest` in the node configuration, none of that any more
    rest_api.py refresh   what the timer does: take the keys of the nodes bucket, where they are others

Slurm's settings are written here, not by ParallelCluster: it would write them into a running cluster before
any script of ours has a chance to fetch the keys, and slurmctld ends where they are missing.

Source   Slurm's guides "JWT Authentication" and "Slurm REST API"; slurmrestd(8)
"""

from __future__ import annotations

import contextlib
import hashlib
import pwd
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import jwks
import rest_filter
from node import StepError, at, config, fetch, run, step, write
from packages import ensure_program
from slurm_accounting import await_slurmctld, restart_slurmctld, restart_slurmdbd
from slurm_files import ETC, set_block, slurm

JWKS_FILE = f"{ETC}/jwks.json"
SLURM_USER = "slurm"
# slurmrestd refuses to run as root or as SlurmUser; the filter has nothing to hide from it.
USER = "slurmrestd"
FOLDER = "/etc/provisioner/rest-api"
APPLIED = "/var/lib/provisioner/jwks.applied"
UNITS = "/etc/systemd/system"
SLURMRESTD, FILTER, REFRESH = "provisioner-slurmrestd", "provisioner-rest-filter", "provisioner-refresh-jwks"
SOCKET = f"/run/{SLURMRESTD}/slurmrestd.sock"
OLDEST_HAPROXY = (2, 6)
# Older ones pass over userclaimfield, and then refuse every token that the filter lets through.
OLDEST_SLURM = (23, 2)
REFRESH_EVERY = "5min"
_STARTED = (f"{SLURMRESTD}.service", f"{FILTER}.service", f"{REFRESH}.timer")


def keys(settings: dict[str, Any]) -> None:
    """Put the keys in their place; slurmctld and slurmdbd do not start without the file."""
    if settings["rest"] is None:
        return
    text = _fetched(settings)
    jwks.parse(text)
    _install_keys(text)


def setup(settings: dict[str, Any]) -> None:
    """Make the head node what the configuration says. Repeating it changes nothing."""
    if settings["rest"] is None:
        _remove()
        return
    keys(settings)
    _require_slurm()
    haproxy = _haproxy(settings)
    _ensure_user()
    _set_slurm(["AuthAltTypes=auth/jwt", f"AuthAltParameters={_parameters(settings)}"])
    units = {
        f"{SLURMRESTD}.service": _slurmrestd_unit(),
        f"{FILTER}.service": _filter_unit(haproxy),
        f"{REFRESH}.service": _refresh_unit(settings),
        f"{REFRESH}.timer": _TIMER,
    }
    changed = [name for name, text in units.items() if write(at(f"{UNITS}/{name}"), text)]
    if changed:
        run("systemctl", "daemon-reload")
    _write_filter(settings, jwks.parse(at(JWKS_FILE).read_text("utf-8")), haproxy)
    for unit in _STARTED:
        run("systemctl", "enable", unit)
        run("systemctl", "restart" if unit in changed else "start", unit)
    _take_over(settings, haproxy)


def refresh(settings: dict[str, Any]) -> None:
    """Take the bucket's keys over, and let everybody who reads them do so anew.

    A refresh that broke off is done again the next time: what counts is what the daemons have read.
    """
    if settings["rest"] is None:
        return
    keys(settings)
    _take_over(settings, _haproxy(settings))


def _take_over(settings: dict[str, Any], haproxy: str) -> None:
    """Let slurmctld, slurmdbd and the filter read what lies there, where that is not what they have read."""
    text = at(JWKS_FILE).read_text("utf-8")
    found = jwks.parse(text)
    digest = hashlib.sha256((text + _write_filter(settings, found, haproxy)).encode()).hexdigest()
    applied = at(APPLIED)
    if applied.is_file() and applied.read_text("utf-8").strip() == digest:
        return
    # It reads the file when it starts, and only then; slurmctld keeps what it has to tell it meanwhile.
    restart_slurmdbd()
    run(slurm("scontrol"), "reconfigure")
    await_slurmctld()
    run("systemctl", "restart", f"{FILTER}.service")
    write(applied, digest + "\n")
    print(f"keys taken over: {', '.join(key.kid for key in found)}")


def _set_slurm(lines: list[str]) -> None:
    """Our lines in slurmdbd.conf and slurm.conf; both daemons look at these only when they start."""
    if set_block(at(f"{ETC}/slurmdbd.conf"), "rest-api", lines):
        restart_slurmdbd()
    if set_block(at(f"{ETC}/slurm.conf"), "rest-api", lines):
        restart_slurmctld()


def _remove() -> None:
    """The API was switched off."""
    for unit in _STARTED:
        if at(f"{UNITS}/{unit}").exists():
            run("systemctl", "disable", "--now", unit)
            at(f"{UNITS}/{unit}").unlink()
    _set_slurm([])


def _fetched(settings: dict[str, Any]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "jwks.json")
        fetch(settings["nodes_bucket"], settings["rest"]["jwks_key"], target)
        return target.read_text("utf-8", "replace")


def _install_keys(text: str) -> None:
    try:
        account = pwd.getpwnam(SLURM_USER)
    except KeyError:
        raise StepError(f"this image has no user {SLURM_USER}: it is none of ParallelCluster's") from None
    write(at(JWKS_FILE), text, 0o400, (account.pw_uid, account.pw_gid))


def _write_filter(settings: dict[str, Any], found: list[jwks.Key], haproxy: str) -> str:
    """Keys and configuration of the filter; one that HAProxy would not take replaces nothing.

    Gives   the configuration
    """
    folder = at(FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    for key in found:
        write(folder / key.file_name, key.pem())
    text = rest_filter.configuration(
        settings["rest"],
        found,
        user=settings["user"]["name"],
        folder=folder,
        socket=str(at(SOCKET)),
        maker="head-configured.d/40-rest-api",
    )
    tried = folder / "filter.cfg.tried"
    write(tried, text)
    run(haproxy, "-c", "-q", "-f", str(tried))
    tried.replace(folder / "filter.cfg")
    kept = {key.file_name for key in found}
    for file in folder.glob("*.pem"):
        if file.name not in kept:
            file.unlink()
    return text


def _require_slurm() -> None:
    said = run(slurm("scontrol"), "--version")
    found = re.search(r"([0-9]+)\.([0-9]+)", said)
    if found is None or (int(found[1]), int(found[2])) < OLDEST_SLURM:
        oldest = "{}.{:02}".format(*OLDEST_SLURM)
        there = found[0] if found else said.strip()
        raise StepError(f"the REST API needs Slurm {oldest} or newer, and this image has {there}")


def _haproxy(settings: dict[str, Any]) -> str:
    """The path of a HAProxy that can check tokens: jwt_verify came with 2.5, which had no long support."""
    program = ensure_program("haproxy", settings)
    said = run(program, "-v")
    found = re.search(r"version ([0-9]+)\.([0-9]+)", said)
    if found is None or (int(found[1]), int(found[2])) < OLDEST_HAPROXY:
        oldest = ".".join(map(str, OLDEST_HAPROXY))
        there = found[0] if found else "no version that it tells"
        raise StepError(
            f"HAProxy {oldest} or newer is needed for the REST API, and this image has {there}: "
            "use an image with a newer one, or with none and its package in the nodes bucket"
        )
    return program


def _ensure_user() -> None:
    with contextlib.suppress(KeyError):
        pwd.getpwnam(USER)
        return
    nologin = shutil.which("nologin") or "/usr/sbin/nologin"
    run("useradd", "--system", "--user-group", "--no-create-home", "--shell", nologin, USER)


def _parameters(settings: dict[str, Any]) -> str:
    return f"jwks={JWKS_FILE},userclaimfield={settings['rest']['user_claim']}"


def _slurmrestd_unit() -> str:
    return f"""\
[Unit]
Description=Slurm's REST API, for the filter in front of it
After=slurmctld.service slurmdbd.service network-online.target

[Service]
User={USER}
Group={USER}
# Its socket lies in a folder that only its own user may enter: there is no way around the filter.
RuntimeDirectory={SLURMRESTD}
RuntimeDirectoryMode=0700
Environment=SLURM_JWT=daemon SLURM_CONF={ETC}/slurm.conf
ExecStart={at("/opt/slurm/sbin/slurmrestd")} -a rest_auth/jwt unix:{at(SOCKET)}
Restart=always
RestartSec=5
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes

[Install]
WantedBy=multi-user.target
"""


def _filter_unit(haproxy: str) -> str:
    return f"""\
[Unit]
Description=The filter in front of Slurm's REST API
After={SLURMRESTD}.service network-online.target

[Service]
User={USER}
Group={USER}
ExecStart={haproxy} -db -f {at(FOLDER)}/filter.cfg
Restart=always
RestartSec=5
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes

[Install]
WantedBy=multi-user.target
"""


def _refresh_unit(settings: dict[str, Any]) -> str:
    return f"""\
[Unit]
Description=Look for other keys of tokens

[Service]
Type=oneshot
Environment=AWS_DEFAULT_REGION={settings["region"]} PYTHONDONTWRITEBYTECODE=1
ExecStart={sys.executable} {Path(__file__).resolve()} refresh
"""


_TIMER = f"""\
[Unit]
Description=Look for other keys of tokens

[Timer]
OnActiveSec={REFRESH_EVERY}
OnUnitActiveSec={REFRESH_EVERY}
RandomizedDelaySec=30

[Install]
WantedBy=timers.target
"""


def main() -> None:
    (action,) = sys.argv[1:]
    {"keys": keys, "setup": setup, "refresh": refresh}[action](config())


if __name__ == "__main__":
    step(main)
