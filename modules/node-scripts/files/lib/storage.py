"""The places where jobs keep their data, the same whatever the project's storage.

    storage.py head       on the head node, once the file systems are mounted
    storage.py compute    on a compute node, likewise

                      lustre                          efs
    project/public    linked to the public bucket     the bucket, mounted read-only by Mountpoint
    project/private   linked to the private bucket    private/ of the bucket, mounted by Mountpoint
    scratch           a directory of Lustre           /home/scratch, bound to its place

No file there makes a program root, or stands for a device, whoever has put it there: EFS believes the user id
that a client says.

What is scratch or private is the project's group's, and nobody else's. Lustre has POSIX ACLs, and default
ones are inherited whatever a program's umask. EFS has none (EFS user guide, "Unsupported NFSv4 features"):
there the group comes from the set-group-id bit and its rights from the umask (users.py).
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from node import StepError, at, config, run, step, write
from packages import ensure_program
from users import User, user_of

HOMES = "/home"
EFS_SCRATCH = "/home/scratch"
UNITS = "/etc/systemd/system"
HAND_OVER_S = 300
BUCKETS_S = 300
NO_PRIVILEGES = "nosuid,nodev"


def prepare(settings: dict[str, Any], *, head: bool) -> None:
    """Raises   StepError when a file system is missing, or a bucket cannot be mounted."""
    data, kind, user = settings["storage"]["data_directory"], settings["storage"]["kind"], user_of(settings)
    _require_mounted(HOMES)
    if kind == "lustre":
        _require_mounted(data)
        give_no_privileges(HOMES)
        give_no_privileges(data)
        if head:
            open_to_project(at(f"{data}/scratch"), user, acl=True)
            open_to_project(at(f"{data}/project/private"), user, acl=True)
            hand_over_folders(at(f"{data}/project/private"), user)
    elif kind == "efs":
        give_no_privileges(HOMES)
        if head:
            open_to_project(at(EFS_SCRATCH), user, acl=False)
        bind(EFS_SCRATCH, f"{data}/scratch")
        mount_buckets(settings, user)
    else:
        raise StepError(f"there is no storage of the kind {kind!r}")


def give_no_privileges(folder: str) -> None:
    """Mount without set-user-id files and devices, now and after a reboot.

    Now by flags of the mount alone: neither its helper nor the server is asked. The place is named twice,
    since mount would add fstab's options to those of a place that is named once. After a reboot by fstab,
    whoever mounts it then and whenever; and the unit keeps slurmd from starting where that is not so.
    Source   mount(2), "Remounting an existing mount": MS_REMOUNT with MS_BIND; mount(8), "remount"
    """
    place, name = at(folder), f"provisioner-no-privileges-{Path(folder).name}.service"
    options = ["-o", f"remount,bind,{NO_PRIVILEGES}"]
    run("mount", *options, str(place), str(place))
    _add_options(place, NO_PRIVILEGES.split(","))
    unit = f"""[Unit]
Description=No privileges by files in {place}
RequiresMountsFor={place}
Before=slurmd.service

[Service]
Type=oneshot
RemainAfterExit=true
ExecStart=/usr/bin/mount {" ".join(options)} {place} {place}

[Install]
WantedBy=multi-user.target
# Without it a compute node takes no jobs. A head node has no slurmd.
RequiredBy=slurmd.service
"""
    if write(at(f"{UNITS}/{name}"), unit):
        run("systemctl", "daemon-reload")
    run("systemctl", "enable", name)


def _add_options(place: Path, options: list[str]) -> None:
    """Have fstab's line of a place, if it has one, name these options too; the last ones count."""

    def added(line: re.Match[str]) -> str:
        there = line[2].split(",")
        return line[1] + ",".join(there + [option for option in options if option not in there])

    fstab = at("/etc/fstab")
    if fstab.exists():
        there = fstab.read_text("utf-8")
        of_place = rf"^([ \t]*[^#\s]\S*[ \t]+{re.escape(str(place))}[ \t]+\S+[ \t]+)(\S+)"
        write(fstab, re.sub(of_place, added, there, flags=re.MULTILINE))


def open_to_project(folder: Path, user: User, *, acl: bool) -> None:
    """Make a directory, or open one that is there: root's, the project's group's, and nobody else's.

    acl   whether its file system has POSIX ACLs; a node without setfacl does without
    """
    # A link here could lead root to any directory of the node.
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise StepError(f"{folder} is not a directory; move it away and run this again")
    folder.mkdir(parents=True, exist_ok=True)
    os.chown(folder, 0, user.gid)
    folder.chmod(0o2770)
    if acl and shutil.which("setfacl"):
        run("setfacl", "--modify", acl_for(user), str(folder))
    elif acl:
        print(f"setfacl is not on this image: new files in {folder} go by the umask")


def acl_for(user: User) -> str:
    """Entries of setfacl: full rights for owner and group, none for others, in all that is made below."""
    own = ["u::rwx", "g::rwx", f"g:{user.gid}:rwx", "o::-"]
    return ",".join(own + [f"d:{entry}" for entry in own])


def hand_over_folders(folder: Path, user: User) -> None:
    """Let the group work in the folders that came from the bucket.

    What somebody has put into the bucket without Lustre's metadata arrives as root's, and closed to others'
    writing; files among it can then be read and replaced. Very many folders are not waited for. Through
    descriptors: the user may be at work already, and could put a link in a folder's place.
    """
    until = time.monotonic() + HAND_OVER_S
    for _, _, _, descriptor in os.fwalk(folder):
        found = os.fstat(descriptor)
        if found.st_uid == 0 and found.st_gid != user.gid:
            os.fchown(descriptor, -1, user.gid)
            os.fchmod(descriptor, 0o2770)
        if time.monotonic() > until:
            print(f"not all folders in {folder} are the group's yet: there are too many of them")
            return


def bind(source: str, target: str) -> None:
    """Make a directory appear in a second place, now and after a reboot."""
    at(target).mkdir(parents=True, exist_ok=True)
    options = f"bind,{NO_PRIVILEGES},x-systemd.requires-mounts-for={at(HOMES)},_netdev"
    line = f"{at(source)} {at(target)} none {options} 0 0\n"
    fstab = at("/etc/fstab")
    there = fstab.read_text("utf-8") if fstab.exists() else ""
    if line not in there.splitlines(keepends=True):
        write(fstab, there + ("" if there.endswith("\n") or not there else "\n") + line)
    if not os.path.ismount(at(target)):
        run("mount", "-o", f"bind,{NO_PRIVILEGES}", str(at(source)), str(at(target)))


def mount_buckets(settings: dict[str, Any], user: User) -> None:
    """Mount both buckets by Mountpoint for Amazon S3, now and after a reboot.

    No cache: what another node has written is seen as soon as its file is closed.
    """
    program = ensure_program("mount-s3", settings)
    storage = settings["storage"]
    folder = f"{storage['data_directory']}/project"
    always = ["--allow-other", f"--region={settings['region']}", f"--gid={user.gid}"]
    public = [*always, "--read-only", "--uid=0", "--dir-mode=0755", "--file-mode=0644"]
    rights = [
        "--allow-delete",
        "--allow-overwrite",
        f"--uid={user.uid}",
        "--dir-mode=0770",
        "--file-mode=0660",
    ]
    private = [*always, "--prefix=private/", *rights]
    _mount_bucket(program, storage["public_bucket"], f"{folder}/public", public)
    _mount_bucket(program, storage["private_bucket"], f"{folder}/private", private)
    _hold_jobs_back(f"{folder}/public", f"{folder}/private")


def _mount_bucket(program: str, bucket: str, folder: str, options: list[str]) -> None:
    place, name = at(folder), f"provisioner-{Path(folder).name}.service"
    if not os.path.ismount(place):
        place.mkdir(parents=True, exist_ok=True)
    unit = f"""[Unit]
Description=Bucket {bucket} at {place}
Wants=network-online.target
After=network-online.target
Before=slurmd.service

[Service]
Type=forking
# What is left of one that died must go first.
ExecStartPre=-/usr/bin/umount --lazy {place}
ExecStart={program} {" ".join(options)} {bucket} {place}
ExecStop=/usr/bin/umount {place}
Restart=on-failure
RestartSec=5

[Install]
WantedBy=multi-user.target
"""
    if write(at(f"{UNITS}/{name}"), unit):
        run("systemctl", "daemon-reload")
    try:
        run("systemctl", "enable", "--now", name)
    except StepError as error:
        raise StepError(
            f"s3://{bucket} cannot be mounted, `journalctl -u {name}` on the node says why ({error})"
        ) from None
    if not os.path.ismount(place):
        raise StepError(f"s3://{bucket} is not mounted at {place}, although {name} was started")


def _hold_jobs_back(*folders: str) -> None:
    """Have slurmd start, after a reboot, once all of these are mounted, or not at all.

    A unit of its own: the first attempt of a mount may fail and the second succeed, which `After=` does not
    wait for; and slurmd, if it required the mounts themselves, would be restarted with one that is, and jobs
    with it.
    Source   systemd.unit(5), "Requires="
    """
    places = [at(folder) for folder in folders]
    names = [f"provisioner-{place.name}.service" for place in places]
    mounted = " && ".join(f"mountpoint -q {place}" for place in places)
    name = "provisioner-buckets.service"
    unit = f"""[Unit]
Description=Buckets at {" and ".join(map(str, places))}
Wants={" ".join(names)}
After={" ".join(names)}
Before=slurmd.service

[Service]
Type=oneshot
RemainAfterExit=true
TimeoutStartSec={BUCKETS_S}
ExecStart=/bin/bash -c 'until {mounted}; do sleep 1; done'

[Install]
# Without it a compute node takes no jobs. A head node has no slurmd.
RequiredBy=slurmd.service
"""
    if write(at(f"{UNITS}/{name}"), unit):
        run("systemctl", "daemon-reload")
    run("systemctl", "enable", name)


def _require_mounted(folder: str) -> None:
    if not os.path.ismount(at(folder)):
        raise StepError(
            f"no file system is mounted at {at(folder)}; nothing may be kept on the node's own disk"
        )


def main(node: str | None) -> None:
    if node not in ("head", "compute"):
        raise StepError("storage.py: head or compute is needed")
    prepare(config(), head=node == "head")


if __name__ == "__main__":
    step(lambda: main(sys.argv[1] if len(sys.argv) == 2 else None))
