"""The project's user on a node: group, user, home, and the keys that open it.

    users.py account    before anything else: the ids must be there before file systems and Slurm are
    users.py home       on the head node, once /home is mounted

The user and group ids are the same on every node of every cluster, since files on EFS, in Lustre and in
the bucket's metadata carry numbers. The user has no password and no privileges; administrators sign in as
the image's own user, with another key.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node import StepError, at, config, fetch, run, step, write

SHELL = "/bin/bash"
PRIVILEGED_GROUPS = {"root", "wheel", "sudo", "adm", "admin", "docker", "disk"}
PROFILE = "/etc/profile.d/provisioner-project.sh"


# The home outlives the cluster: what stood in the way here would stop every head node of the project.
_INSTALL_KEYS = """
umask 077
set_aside() {
    aside=$(mktemp -u "${1##*/}-moved-aside-XXXXXX")
    mv -T -- "$1" "$aside"
    echo "$PWD/$1 stood in the way of the keys; it is $PWD/$aside now"
}
if [[ -e .ssh || -L .ssh ]] && [[ ! -d .ssh || ! -O .ssh ]]; then
    set_aside .ssh
fi
mkdir -p .ssh
chmod 700 .ssh
if [[ -d .ssh/authorized_keys && ! -L .ssh/authorized_keys ]]; then
    set_aside .ssh/authorized_keys
fi
# sshd reads a second file, too (sshd_config(5), AuthorizedKeysFile), where an earlier cluster's key may be.
if [[ -e .ssh/authorized_keys2 || -L .ssh/authorized_keys2 ]]; then
    set_aside .ssh/authorized_keys2
fi
rm -rf .ssh/new
cat > .ssh/new
mv -fT .ssh/new .ssh/authorized_keys
"""


@dataclass(frozen=True)
class User:
    name: str
    uid: int
    group: str
    gid: int

    @property
    def home(self) -> str:
        return f"/home/{self.name}"


def user_of(settings: dict[str, Any]) -> User:
    given = settings["user"]
    return User(given["name"], int(given["uid"]), given["group"], int(given["gid"]))


def make_account(user: User) -> None:
    """Make group and user, or look whether they are what they should be.

    Raises   StepError when a name or an id belongs to somebody else, or the user may do more than others
    """
    if not _is_there("group", user.group, user.gid):
        run("groupadd", *_prefix(), "--gid", str(user.gid), user.group)
    wanted = {"gid": str(user.gid), "home": user.home, "shell": SHELL}
    if not _is_there("passwd", user.name, user.uid):
        # The home comes later: it is on a file system that is not mounted yet.
        options = [f"--{option.replace('home', 'home-dir')}={value}" for option, value in wanted.items()]
        run("useradd", *_prefix(), f"--uid={user.uid}", *options, "--no-create-home", user.name)
    entry = _entries("passwd")[user.name]
    there = {"gid": entry[3], "home": entry[5], "shell": entry[6]}
    amiss = [f"--{option}={value}" for option, value in wanted.items() if there[option] != value]
    if amiss:
        run("usermod", *_prefix(), *amiss, user.name)
    run("usermod", *_prefix(), "--lock", user.name)
    _refuse_privileges(user)


def write_profile(user: User, cluster: str) -> None:
    """What every login begins with; jobs have it from the login that submits them.

    Where ACLs are not to be had, the umask decides what the group may do with a new file. CLUSTER_NAME is
    what scripts know the cluster by.
    """
    write(
        at(PROFILE),
        f"export CLUSTER_NAME={cluster}\n"
        "# What a project's user makes is its group's too, and nobody else's.\n"
        f'if [ "$(id -g)" = {user.gid} ]; then umask 0007; fi\n',
    )


def make_home(user: User) -> None:
    """Make the home directory, or find it: it outlives the cluster, and so do the files in it."""
    home = at(user.home)
    if home.is_symlink() or (home.exists() and not home.is_dir()):
        raise StepError(f"{home} is not a directory; move it away and run this again")
    home.mkdir(mode=0o700, exist_ok=True)
    owner = home.stat().st_uid
    if owner not in (0, user.uid):
        raise StepError(
            f"{home} belongs to user id {owner}, not {user.uid}: the setting user_uid was changed after the "
            "project was made; change it back, or give the files to the new id"
        )
    if owner == 0:
        # Root's until all of it is done, so that a run that was stopped is made up for by the next.
        _copy_skeleton(home, user)
        os.chown(home, user.uid, user.gid)
    home.chmod(0o700)


def install_keys(user: User, lines: str) -> None:
    """Make these the keys, and the only ones, that open the user: those of an earlier cluster go."""
    if not any(line.startswith("ssh-") for line in lines.splitlines()):
        raise StepError("the file of public keys holds none; apply the project again to have it written anew")
    # In the user's name: what root writes into a folder of somebody else's may be led elsewhere by a link.
    as_user: dict[str, Any] = {"user": user.uid, "group": user.gid, "extra_groups": []}
    print(run("bash", "-euc", _INSTALL_KEYS, input=lines, cwd=at(user.home), **as_user), end="")


def fetch_keys(settings: dict[str, Any]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "authorized_keys"
        fetch(settings["nodes_bucket"], settings["authorized_keys_key"], target)
        return target.read_text("utf-8")


def _prefix() -> list[str]:
    root = os.environ.get("PROVISIONER_ROOT", "")
    return [f"--prefix={root}"] if root else []


def _entries(database: str) -> dict[str, list[str]]:
    """Name -> fields of /etc/passwd or /etc/group."""
    lines = at(f"/etc/{database}").read_text("utf-8").splitlines()
    return {line.split(":")[0]: line.split(":") for line in lines if ":" in line}


def _is_there(database: str, name: str, number: int) -> bool:
    entries = _entries(database)
    if name in entries and int(entries[name][2]) != number:
        raise StepError(
            f"{name} has the id {entries[name][2]} on this image, not {number}: choose another name in the "
            "settings"
        )
    others = [other for other, entry in entries.items() if int(entry[2]) == number and other != name]
    if others:
        raise StepError(
            f"the id {number} of {name} belongs to {others[0]} on this image: use an image without it, or, "
            "before there are projects, choose another id in the settings"
        )
    return name in entries


def _refuse_privileges(user: User) -> None:
    groups = _entries("group")
    member_of = {name for name, entry in groups.items() if user.name in entry[3].split(",")}
    privileged = sorted(member_of & PRIVILEGED_GROUPS)
    if privileged:
        raise StepError(
            f"{user.name} is a member of {', '.join(privileged)} on this image; take it out of there"
        )
    if shutil.which("sudo") is None:
        return
    # sudo's exit code differs between its versions, and its text with the language.
    said = subprocess.run(
        ["sudo", "-n", "-l", "-U", user.name],
        env={**os.environ, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    if "may run the following" in said:
        raise StepError(f"{user.name} may use sudo on this image; look at /etc/sudoers and /etc/sudoers.d")


def _copy_skeleton(home: Path, user: User) -> None:
    skeleton = at("/etc/skel")
    if not skeleton.is_dir():
        return
    shutil.copytree(skeleton, home, symlinks=True, dirs_exist_ok=True)
    for folder, folders, files in os.walk(home):
        for name in folders + files:
            os.chown(Path(folder) / name, user.uid, user.gid, follow_symlinks=False)


def main(action: str | None) -> None:
    settings = config()
    user = user_of(settings)
    if action == "account":
        make_account(user)
        write_profile(user, settings["project"]["cluster_name"])
    elif action == "home":
        make_home(user)
        install_keys(user, fetch_keys(settings))
    else:
        raise StepError("users.py: account or home is needed")


if __name__ == "__main__":
    step(lambda: main(sys.argv[1] if len(sys.argv) == 2 else None))
