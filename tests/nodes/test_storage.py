"""Where jobs keep their data: real file systems, real ACLs, and a fake of AWS's Mountpoint."""

from __future__ import annotations

import copy
import platform
import re
from typing import Any

import pytest

from tests.nodes.conftest import CONFIG, Node, required_by_slurmd

SIM = {"uid": 2000, "gid": 2000}
COLLEAGUE = {"uid": 3000, "gid": 2000}
STRANGER = {"uid": 3001, "gid": 3001}
ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]

# Does what systemd would with the unit's start, and notes what it was asked for.
FAKE_SYSTEMCTL = """#!/bin/bash
echo "$*" >>"$PROVISIONER_ROOT/systemctl"
[[ $1 == enable && $2 == --now ]] || exit 0
start=$(sed -n 's/^ExecStart=//p' "$PROVISIONER_ROOT/etc/systemd/system/$3")
mountpoint -q "${start##* }" || $start || { echo "Job for $3 failed." >&2; exit 1; }
"""
FAKE_MOUNT_S3 = """#!/bin/bash
echo "$*" >>"$PROVISIONER_ROOT/mount-s3"
exec mount -t tmpfs none "${@: -1}"
"""


def config(kind: str, **more: Any) -> dict[str, Any]:
    made = copy.deepcopy(CONFIG) | more
    made["storage"]["kind"] = kind
    return made


def prepare(machine: Node, kind: str, step: str = "head-configured", **more: Any) -> Any:
    return machine.run(step, machine.configure(config(kind, **more)))


@pytest.fixture
def lustre(machine: Node) -> Node:
    """A head node with Lustre: a file system with POSIX ACLs, and what links to buckets made in it."""
    machine.told(
        "mkdir data && mount -t tmpfs none home && mount -t tmpfs -o mode=755 none data && chmod 755 home"
    )
    machine.told(
        "mkdir -p data/project/public data/project/private/input/deep; echo 1 > data/project/private/input/x"
    )
    machine.put("s3://nodes/projects/pc-1/authorized_keys", "ssh-ed25519 AAAA sim@pc-1\n")
    return machine


@pytest.fixture
def efs(machine: Node) -> Node:
    """A node without Lustre: /home is a file system without POSIX ACLs, as EFS is."""
    machine.told("mount -t ramfs none home && chmod 755 home")
    assert "not supported" in machine.sh("setfacl -m g:1:r home").stderr
    machine.put("s3://nodes/projects/pc-1/authorized_keys", "ssh-ed25519 AAAA sim@pc-1\n")
    machine.command("systemctl", FAKE_SYSTEMCTL)
    machine.command("mount-s3", FAKE_MOUNT_S3)
    return machine


class TestLustre:
    def test_scratch_is_the_projects_and_nobody_elses(self, lustre: Node) -> None:
        for _ in range(2):
            done = prepare(lustre, "lustre")
            assert (done.returncode, done.stderr) == (0, "")
            assert lustre.told("stat -c '%a %u:%g' data/scratch") == "2770 0:2000\n"
            assert lustre.told("getfacl -cnp data/scratch").split() == [
                *("user::rwx", "group::rwx", "group:2000:rwx", "mask::rwx", "other::---"),
                *("default:user::rwx", "default:group::rwx", "default:group:2000:rwx"),
                *("default:mask::rwx", "default:other::---"),
            ]
        # WHEN the user works there, with a umask that keeps everybody out
        made = lustre.sh("umask 077; mkdir -p data/scratch/run/1; echo 42 > data/scratch/run/1/out", **SIM)
        assert made.returncode == 0, made.stderr
        # THEN the project's others can go on with it, and strangers see nothing
        assert (
            lustre.sh(
                "echo 43 >> data/scratch/run/1/out && rm data/scratch/run/1/out", **COLLEAGUE
            ).returncode
            == 0
        )
        assert "Permission denied" in lustre.sh("ls data/scratch", **STRANGER).stderr
        # AND nobody but root changes who may
        assert "not permitted" in lustre.sh("chmod 777 data/scratch", **SIM).stderr

    def test_what_came_from_the_bucket_can_be_worked_on(self, lustre: Node) -> None:
        lustre.told("echo precious > etc/precious; mkdir etc/closed; chmod 700 etc/closed")
        lustre.told("ln -s ../../../etc/closed data/project/private/link")
        assert prepare(lustre, "lustre").returncode == 0
        work = "cd data/project/private/input && cat x && echo 2 > deep/y && mv -f deep/y x && cat x"
        assert lustre.sh(work, **SIM).stdout == "1\n2\n"
        assert "Permission denied" in lustre.sh("ls data/project/private", **STRANGER).stderr
        # AND a link among it leads root nowhere
        assert lustre.told("stat -c '%a %g' etc/closed") == "700 0\n"
        # AND what everybody shares stays as it is
        assert lustre.told("stat -c '%a %u:%g' data/project/public") == "755 0:0\n"

    def test_files_of_earlier_times_keep_their_owner(self, lustre: Node) -> None:
        lustre.told(
            "mkdir -p data/scratch data/project/private/mine && chown 2000:2000 data/project/private/mine"
        )
        lustre.told(
            "chmod 700 data/project/private/mine; echo x > data/scratch/old; chown 2000:2000 data/scratch/old"
        )
        assert prepare(lustre, "lustre").returncode == 0
        assert lustre.told("stat -c '%a %u:%g' data/project/private/mine") == "700 2000:2000\n"
        assert lustre.sh("cat data/scratch/old", **SIM).stdout == "x\n"

    def test_nothing_is_kept_on_the_nodes_own_disk(self, lustre: Node) -> None:
        lustre.told("umount data")
        for step in ("head-configured", "compute-configured"):
            done = prepare(lustre, "lustre", step)
            assert done.returncode == 1 and "no file system is mounted at" in done.stderr
        assert list((lustre.root / "data").iterdir()) == []

    def test_a_link_in_the_place_of_scratch_is_refused(self, lustre: Node) -> None:
        lustre.told("ln -s ../etc data/scratch")
        done = prepare(lustre, "lustre")
        assert done.returncode == 1 and "data/scratch is not a directory; move it away" in done.stderr

    def test_compute_nodes_find_it_as_it_is(self, lustre: Node) -> None:
        assert prepare(lustre, "lustre").returncode == 0
        before = lustre.told("stat -c '%z %n' data/scratch data/project/private")
        assert prepare(lustre, "lustre", "compute-configured").returncode == 0
        assert lustre.told("stat -c '%z %n' data/scratch data/project/private") == before


class TestEfs:
    def test_the_same_places_are_there(self, efs: Node) -> None:
        for _ in range(2):
            done = prepare(efs, "efs")
            assert (done.returncode, done.stderr) == (0, "")
        assert efs.told("stat -c '%a %u:%g' data/scratch") == "2770 0:2000\n"
        assert efs.told("stat -f -c %T data/scratch") == "ramfs\n"
        # one line, although it ran twice, so that it is there after a reboot
        fstab = (efs.root / "etc/fstab").read_text()
        home, scratch = efs.root / "home", efs.root / "data/scratch"
        options = f"bind,nosuid,nodev,x-systemd.requires-mounts-for={home},_netdev"
        assert fstab == f"{home}/scratch {scratch} none {options} 0 0\n"
        # WHEN the user works there with the umask that a login gives
        login = ". etc/profile.d/provisioner-project.sh"
        (efs.root / "etc/profile.d").mkdir(exist_ok=True)
        assert efs.run("head-start", efs.configure(config("efs"))).returncode == 0
        made = efs.sh(f"{login}; mkdir -p data/scratch/run/1; echo 42 > data/scratch/run/1/out", **SIM)
        assert made.returncode == 0, made.stderr
        # THEN the group comes with the folder, and the rights with the umask
        assert efs.told("stat -c '%a %u:%g' home/scratch/run/1 home/scratch/run/1/out") == (
            "2770 2000:2000\n660 2000:2000\n"
        )
        assert efs.sh("echo 43 >> data/scratch/run/1/out", **COLLEAGUE).returncode == 0
        assert "Permission denied" in efs.sh("ls data/scratch", **STRANGER).stderr

    def test_the_buckets_are_mounted_as_they_should_be(self, efs: Node) -> None:
        assert prepare(efs, "efs").returncode == 0
        folder = efs.root / "data/project"
        calls = [set(line.split()) for line in (efs.root / "mount-s3").read_text().splitlines()]
        both = {"--allow-other", "--region=eu-west-3", "--gid=2000"}
        assert calls == [
            {
                *both,
                "--read-only",
                "--uid=0",
                "--dir-mode=0755",
                "--file-mode=0644",
                "public",
                f"{folder}/public",
            },
            {
                *both,
                *("--prefix=private/", "--uid=2000", "--dir-mode=0770", "--file-mode=0660"),
                *("--allow-delete", "--allow-overwrite", "project", f"{folder}/private"),
            },
        ]
        # AND they come back after a reboot
        asked = (efs.root / "systemctl").read_text().splitlines()
        assert asked == [
            *("daemon-reload", "enable provisioner-no-privileges-home.service"),
            *("daemon-reload", "enable --now provisioner-public.service"),
            *("daemon-reload", "enable --now provisioner-private.service"),
            *("daemon-reload", "enable provisioner-buckets.service"),
        ]
        # AND the second time, and on a compute node, nothing is mounted twice
        assert prepare(efs, "efs", "compute-configured").returncode == 0
        assert len((efs.root / "mount-s3").read_text().splitlines()) == 2
        assert (efs.root / "systemctl").read_text().count("daemon-reload") == 4

    def test_no_job_starts_before_the_buckets_are_there_after_a_reboot(self, efs: Node) -> None:
        for step in ("head-configured", "compute-configured"):
            assert prepare(efs, "efs", step).returncode == 0
        unit = required_by_slurmd(efs, "provisioner-buckets.service")
        mounts = [f"provisioner-{name}.service" for name in ("public", "private")]
        assert f"After={' '.join(mounts)}\n" in unit and "TimeoutStartSec=300\n" in unit
        (wait,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
        efs.told(wait)
        # GIVEN a boot at which the first attempt to mount a bucket fails THEN what slurmd requires waits
        place = efs.root / "data/project/private"
        efs.told(f"umount {place}")
        assert efs.sh(f"timeout 2 {wait}").returncode == 124
        # WHEN the second one succeeds THEN it ends
        efs.told(f"(sleep 2; mount -t tmpfs none {place}) & {wait}; mountpoint -q {place}; wait")
        # AND no mount takes slurmd with it when it is started again while jobs run
        for mount in mounts:
            assert "RequiredBy=" not in (efs.root / "etc/systemd/system" / mount).read_text()

    def test_systemd_takes_the_units(self, efs: Node) -> None:
        assert prepare(efs, "efs").returncode == 0
        for name in ("public", "private", "buckets", "no-privileges-home"):
            unit = efs.root / f"etc/systemd/system/provisioner-{name}.service"
            checked = efs.sh(f"systemd-analyze verify --man=no {unit}")
            assert str(unit.name) not in checked.stderr, checked.stderr

    def test_data_of_an_earlier_cluster_is_there_again(self, efs: Node) -> None:
        efs.told(
            "mkdir -m 1777 home/scratch && cd home/scratch && echo old > results && chown 2000:2000 results"
        )
        assert prepare(efs, "efs").returncode == 0
        assert efs.sh("cat data/scratch/results", **SIM).stdout == "old\n"

    def test_a_run_that_was_killed_is_made_up_for(self, efs: Node) -> None:
        efs.command("mount", '#!/bin/bash\nkill -9 "$PPID"\n')
        assert prepare(efs, "efs").returncode != 0
        assert efs.sh("mountpoint -q data/scratch").returncode != 0
        (efs.root / "bin/mount").unlink()
        assert prepare(efs, "efs").returncode == 0
        assert efs.sh("mountpoint -q data/scratch").returncode == 0
        assert (efs.root / "etc/fstab").read_text().count("data/scratch") == 1

    def test_without_its_home_file_system_nothing_is_made(self, efs: Node) -> None:
        efs.told("umount home")
        done = prepare(efs, "efs", "compute-configured")
        assert done.returncode == 1 and "no file system is mounted at" in done.stderr
        assert not (efs.root / "data").exists()

    @pytest.mark.parametrize(
        ("os", "installer", "package"),
        [("alinux2023", "dnf", "mount-s3.rpm"), ("ubuntu2404", "apt-get", "mount-s3.deb")],
    )
    def test_mountpoint_comes_from_the_nodes_bucket(
        self, efs: Node, os: str, installer: str, package: str
    ) -> None:
        # GIVEN an image without it
        program = (efs.root / "bin/mount-s3").read_text()
        (efs.root / "bin/mount-s3").unlink()
        # WHEN the bucket lacks it THEN the reason says what to put where
        done = prepare(efs, "efs", os=os)
        place = f"s3://nodes/packages/{os}/{ARCHITECTURE}/{package}"
        assert done.returncode == 1 and f"put it to {place}" in done.stderr and "docs/setup.md" in done.stderr
        # WHEN it is there THEN it is installed, once
        efs.put(place, program)
        (efs.root / "program").write_text(program)
        install = 'cd "$PROVISIONER_ROOT" && cmp "${@: -1}" program && install -m 755 program bin/mount-s3'
        efs.command(installer, f'#!/bin/bash\necho "$*" >>"$PROVISIONER_ROOT/installed"\n{install}\n')
        for _ in range(2):
            assert prepare(efs, "efs", os=os).returncode == 0
        (call,) = (efs.root / "installed").read_text().splitlines()
        assert call.startswith("install -y ") and call.endswith(package)

    def test_a_package_that_cannot_be_installed_says_so(self, efs: Node) -> None:
        (efs.root / "bin/mount-s3").unlink()
        efs.put(f"s3://nodes/packages/alinux2023/{ARCHITECTURE}/mount-s3.rpm", "x")
        efs.command("dnf", "#!/bin/bash\necho 'nothing provides fuse-libs' >&2\nexit 1\n")
        assert "nothing provides fuse-libs" in prepare(efs, "efs").stderr
        efs.command("dnf", "#!/bin/bash\n")
        assert "there is still no mount-s3" in prepare(efs, "efs").stderr

    def test_a_bucket_that_cannot_be_mounted_says_where_to_look(self, efs: Node) -> None:
        efs.command("mount-s3", "#!/bin/bash\necho 'Error: Access Denied' >&2\nexit 1\n")
        done = prepare(efs, "efs")
        assert done.returncode == 1
        assert "s3://public cannot be mounted, `journalctl -u provisioner-public.service`" in done.stderr
        efs.command("mount-s3", "#!/bin/bash\n")
        assert "s3://public is not mounted at" in prepare(efs, "efs").stderr


@pytest.mark.parametrize(
    ("kind", "places"), [("lustre", ["home", "data"]), ("efs", ["home", "data/scratch"])]
)
@pytest.mark.parametrize("step", ["head-configured", "compute-configured"])
def test_no_file_of_shared_storage_makes_anybody_root(
    request: pytest.FixtureRequest, kind: str, places: list[str], step: str
) -> None:
    # GIVEN storage into which somebody who is root elsewhere has put a program of root's, and a device
    node: Node = request.getfixturevalue(kind)
    node.told("mkdir -p home/scratch home/of-root data/of-root; mknod -m 666 home/of-root/null c 1 3")
    node.told("for each in home data; do install -m 4755 /usr/bin/id $each/of-root; done")
    node.told("install -m 4755 /usr/bin/id home/scratch; chmod 777 home/scratch")
    assert node.sh("home/of-root/id -nu; : >home/of-root/null", **SIM).stdout == "root\n"
    before = flags(node, "home")
    # WHEN the node is ready THEN that makes nobody root
    assert prepare(node, kind, step).returncode == 0
    assert {"nosuid", "nodev"} <= flags(node, places[0]) & flags(node, places[1])
    for place in ("home/of-root", "data/of-root") if kind == "lustre" else ("home/of-root", "home/scratch"):
        assert node.sh(f"{place}/id -u", **SIM).stdout == "2000\n"
    assert "Permission denied" in node.sh(": >home/of-root/null", **SIM).stderr
    # AND what else the mount was made with stays, as it does when the node does it again after a reboot
    assert flags(node, "home") == before | {"nosuid", "nodev"}
    node.told("mount -o remount,bind,suid,dev home home")
    unit = node.root / "etc/systemd/system/provisioner-no-privileges-home.service"
    (command,) = re.findall(r"^ExecStart=(.*)$", unit.read_text(), re.MULTILINE)
    node.told(command)
    assert flags(node, "home") == before | {"nosuid", "nodev"}


def test_flags_of_a_mount_are_no_matter_of_its_helper(lustre: Node) -> None:
    # GIVEN a home as ParallelCluster mounts it, with options that only efs-utils' helper knows
    lustre.told("umount home; mount -t tmpfs -o noatime,mode=755 none home")
    (lustre.root / "fstab").write_text(f"fs-1:/ {lustre.root}/home efs _netdev,noresvport,tls 0 0\n")
    lustre.told("mount --bind fstab /etc/fstab")
    assert prepare(lustre, "lustre", "compute-configured").returncode == 0
    assert flags(lustre, "home") >= {"nosuid", "nodev", "noatime"}


@pytest.mark.parametrize("step", ["head-configured", "compute-configured"])
def test_a_file_system_that_comes_late_after_a_reboot_makes_nobody_root_either(
    lustre: Node, step: str
) -> None:
    # GIVEN an fstab as ParallelCluster writes it
    home, data = lustre.root / "home", lustre.root / "data"
    fstab = lustre.root / "etc/fstab"
    text = f"""# fs-0:/ {home} efs tls 0 0
UUID=1 / xfs defaults 0 0
10.0.0.9:{home} /opt/shared nfs hard 0 0
fs-1:/ {home} efs _netdev,noresvport,tls 0 0
fs-2:/ {home}/more efs tls 0 0
fs-3@tcp:/x\t{data}  lustre defaults,noauto,x-systemd.automount,nodev 0 0"""
    fstab.write_text(text)
    # WHEN the node is ready THEN whatever mounts them again does it without privileges, and others as before
    for _ in range(2):
        assert prepare(lustre, "lustre", step).returncode == 0
        assert fstab.read_text() == text.replace("noresvport,tls", "noresvport,tls,nosuid,nodev").replace(
            "automount,nodev", "automount,nodev,nosuid"
        )


def test_no_job_starts_where_a_place_is_missing_after_a_reboot(lustre: Node) -> None:
    assert prepare(lustre, "lustre", "compute-configured").returncode == 0
    # Each place by itself: one that does not come leaves the other as it should be.
    for name in ("home", "data"):
        unit = f"provisioner-no-privileges-{name}.service"
        assert f"RequiresMountsFor={lustre.root}/{name}\n" in required_by_slurmd(lustre, unit)


def flags(node: Node, place: str) -> set[str]:
    return set(node.told(f"findmnt --noheadings --output VFS-OPTIONS {place}").strip().split(","))


def test_storage_of_another_kind_is_refused(machine: Node) -> None:
    machine.told("mount -t tmpfs none home")
    machine.put("s3://nodes/projects/pc-1/authorized_keys", "ssh-ed25519 AAAA sim@pc-1\n")
    done = prepare(machine, "tape")
    assert done.returncode == 1 and "there is no storage of the kind 'tape'" in done.stderr


def test_a_configuration_that_lacks_something_says_what(machine: Node) -> None:
    machine.told("mount -t tmpfs none home")
    machine.put("s3://nodes/projects/pc-1/authorized_keys", "ssh-ed25519 AAAA sim@pc-1\n")
    lacking = {key: value for key, value in CONFIG.items() if key != "storage"}
    done = machine.run("compute-configured", machine.configure(lacking))
    assert (
        done.returncode == 1
        and "the node configuration has no storage; apply the project again" in done.stderr
    )
