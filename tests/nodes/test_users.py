"""The project's user on a node: real useradd on a node's own files, a real home, real permissions."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.nodes.conftest import CONFIG, Node

KEY = "ssh-ed25519 AAAAfirst sim@pc-1\n"
SIM = {"uid": 2000, "gid": 2000}


def config(**user: Any) -> dict[str, Any]:
    made = copy.deepcopy(CONFIG)
    made["user"].update(user)
    # No storage: the scripts for it have tests of their own.
    made["storage"]["kind"] = "lustre"
    return made


def start(machine: Node, step: str = "head-start", **user: Any) -> Any:
    return machine.run(step, machine.configure(config(**user)))


def entries(machine: Node, database: str) -> dict[str, list[str]]:
    lines = (machine.root / "etc" / database).read_text().splitlines()
    return {line.split(":")[0]: line.split(":") for line in lines}


def etc(machine: Node) -> dict[str, str]:
    return {
        name: (machine.root / "etc" / name).read_text() for name in ("passwd", "group", "shadow", "gshadow")
    }


@pytest.mark.parametrize("step", ["head-start", "compute-start"])
def test_the_user_is_there_before_file_systems_and_slurm(machine: Node, step: str) -> None:
    done = start(machine, step)
    assert (done.returncode, done.stderr) == (0, "")
    user = entries(machine, "passwd")["sim"]
    assert user[2:4] == ["2000", "2000"] and user[5:] == ["/home/sim", "/bin/bash"]
    assert entries(machine, "group")["project"][2] == "2000"
    # no password, no other group, and no home yet: it would lie where the file system is mounted later
    assert entries(machine, "shadow")["sim"][1].startswith("!")
    assert [name for name, entry in entries(machine, "group").items() if "sim" in entry[3].split(",")] == []
    assert not (machine.root / "home/sim").exists()
    # AND the second time nothing changes
    before = etc(machine)
    assert start(machine, step).returncode == 0
    assert etc(machine) == before


def test_a_run_that_was_killed_is_made_up_for(machine: Node) -> None:
    # GIVEN a run that died between group and user
    machine.command("useradd", '#!/bin/bash\nkill -9 "$PPID"\n')
    assert start(machine).returncode != 0
    assert "project" in entries(machine, "group") and "sim" not in entries(machine, "passwd")
    # WHEN it runs again THEN the user is there
    (machine.root / "bin/useradd").unlink()
    assert start(machine).returncode == 0
    assert "sim" in entries(machine, "passwd")


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ({"uid": 1000}, "the id 1000 of sim belongs to ec2-user"),
        ({"gid": 1000}, "the id 1000 of project belongs to ec2-user"),
        ({"name": "ec2-user"}, "ec2-user has the id 1000 on this image, not 2000"),
        ({"group": "wheel"}, "wheel has the id 10 on this image, not 2000"),
    ],
)
def test_names_and_ids_of_others_are_left_alone(machine: Node, user: dict[str, Any], said: str) -> None:
    before = etc(machine)
    done = start(machine, **user)
    assert done.returncode == 1 and f"head-start/10-users failed: {said}" in done.stderr
    if "uid" not in user and "name" not in user:
        assert etc(machine) == before
    assert "sim:" not in etc(machine)["passwd"]


def test_an_image_that_has_the_user_gets_it_right(machine: Node) -> None:
    assert start(machine).returncode == 0
    passwd = machine.root / "etc/passwd"
    passwd.write_text(passwd.read_text().replace("/home/sim:/bin/bash", "/srv/sim:/sbin/nologin"))
    password = entries(machine, "shadow")["sim"][1]
    shadow = machine.root / "etc/shadow"
    shadow.write_text(shadow.read_text().replace(f"sim:{password}:", "sim:$6$salt$known:"))
    assert start(machine).returncode == 0
    assert entries(machine, "passwd")["sim"][5:] == ["/home/sim", "/bin/bash"]
    assert entries(machine, "shadow")["sim"][1].startswith("!")


def test_a_user_with_privileges_is_refused(machine: Node) -> None:
    # GIVEN an image on which the user is an administrator, by group
    assert start(machine).returncode == 0
    group = machine.root / "etc/group"
    group.write_text(group.read_text().replace("wheel:x:10:ec2-user", "wheel:x:10:ec2-user,sim"))
    done = start(machine)
    assert done.returncode == 1 and "sim is a member of wheel on this image" in done.stderr
    # or by sudo's own rules
    group.write_text(group.read_text().replace(",sim", ""))
    allows = "User sim may run the following commands on node:\n    (ALL) NOPASSWD: ALL"
    machine.command("sudo", f'#!/bin/bash\nprintf "%s\\n" "$*" >"$PROVISIONER_ROOT/asked"\necho "{allows}"\n')
    done = start(machine)
    assert done.returncode == 1 and "sim may use sudo on this image" in done.stderr
    assert (machine.root / "asked").read_text() == "-n -l -U sim\n"
    machine.command("sudo", '#!/bin/bash\necho "User sim is not allowed to run sudo on node."\nexit 1\n')
    assert start(machine).returncode == 0


@pytest.fixture
def head(machine: Node) -> Node:
    """A head node with its user, an empty file system for homes, and one for data."""
    machine.told("mkdir data && mount -t tmpfs none home && mount -t tmpfs -o mode=755 none data")
    machine.told("chmod 755 home && mkdir -p data/project/private")
    machine.put("s3://nodes/projects/pc-1/authorized_keys", KEY)
    assert start(machine).returncode == 0
    return machine


def test_the_home_is_the_users_alone_and_its_key_opens_it(head: Node) -> None:
    for _ in range(2):
        done = start(head, "head-configured")
        assert (done.returncode, done.stderr) == (0, "")
        modes = head.told("cd home/sim && stat -c '%a %u:%g %n' . .ssh .ssh/authorized_keys .bashrc")
        assert modes.splitlines() == [
            "700 2000:2000 .",
            "700 2000:2000 .ssh",
            "600 2000:2000 .ssh/authorized_keys",
            "644 2000:2000 .bashrc",
        ]
        assert head.told("cat home/sim/.ssh/authorized_keys; ls home/sim/.ssh") == KEY + "authorized_keys\n"
    # AND others don't see it
    assert "Permission denied" in head.sh("ls home/sim", uid=3000, gid=2000).stderr
    assert head.sh("echo mine > home/sim/file", **SIM).returncode == 0


def test_a_new_cluster_finds_the_home_and_brings_a_new_key(head: Node) -> None:
    # GIVEN a home of an earlier cluster, with files, its key, and one that somebody added
    assert start(head, "head-configured").returncode == 0
    assert (
        head.sh(
            "cd home/sim; echo old > results; echo ssh-rsa x >> .ssh/authorized_keys; rm .bashrc", **SIM
        ).returncode
        == 0
    )
    # WHEN a cluster is made again, or the key changes and the cluster is updated
    head.put("s3://nodes/projects/pc-1/authorized_keys", "ssh-ed25519 AAAAsecond sim@pc-1\n")
    assert start(head, "head-updated").returncode == 0
    # THEN the files are there, and the new key alone opens it
    assert head.told("cat home/sim/results; ls -A home/sim") == "old\n.ssh\nresults\n"
    assert head.told("cat home/sim/.ssh/authorized_keys") == "ssh-ed25519 AAAAsecond sim@pc-1\n"


@pytest.mark.parametrize("made", ["echo ssh-rsa x >", "ln -s ../keys"])
def test_a_key_of_an_earlier_cluster_does_not_live_on_in_sshds_second_file(head: Node, made: str) -> None:
    assert start(head, "head-configured").returncode == 0
    assert head.sh(f"cd home/sim; echo ssh-rsa x > keys; {made} .ssh/authorized_keys2", **SIM).returncode == 0
    # WHEN the next cluster is made
    done = start(head, "head-configured")
    # THEN its key alone opens the user, and the log says where the other file is
    assert (done.returncode, done.stderr) == (0, "")
    assert "authorized_keys2 stood in the way" in head.log
    assert (
        head.told("cd home/sim/.ssh; cat authorized_keys; ls | grep -v moved-aside")
        == KEY + "authorized_keys\n"
    )


def test_root_is_not_led_elsewhere_by_what_the_user_put_there(head: Node) -> None:
    assert start(head, "head-configured").returncode == 0
    head.told("echo precious > etc/precious && chmod 600 etc/precious")
    links = (
        "cd home/sim/.ssh && ln -sf ../../../etc/precious authorized_keys && ln -s ../../../etc/precious new"
    )
    assert head.sh(links, **SIM).returncode == 0
    done = start(head, "head-updated")
    assert (done.returncode, done.stderr) == (0, "")
    assert head.told("cat etc/precious") == "precious\n"
    assert head.told("cat home/sim/.ssh/authorized_keys; ls home/sim/.ssh") == KEY + "authorized_keys\n"
    # AND a file system's link in the home's place is no home
    head.told("mv home/sim home/other && ln -s /etc home/sim")
    assert "is not a directory" in start(head, "head-updated").stderr


@pytest.mark.parametrize(
    ("uid", "made", "aside"),
    [
        (2000, "rm -r .ssh; ln -s nowhere .ssh", ".ssh"),
        (2000, "rm -r .ssh; echo mine > .ssh", ".ssh"),
        (
            2000,
            "cd .ssh; rm authorized_keys; mkdir authorized_keys; echo > authorized_keys/x",
            "authorized_keys",
        ),
        # somebody else's, as after a restore by root, or led there by a link
        (0, "chown -R 0:0 .ssh", ".ssh"),
        (2000, "rm -r .ssh; ln -s ../../etc .ssh", ".ssh"),
        # the name that the new file has for a moment
        (2000, "mkdir .ssh/new", None),
        (2000, "mkfifo .ssh/new", None),
    ],
    ids=["dangling", "file", "keys-folder", "roots", "link-to-roots", "new-folder", "new-pipe"],
)
def test_what_stands_in_the_way_of_the_keys_is_moved_aside(
    head: Node, uid: int, made: str, aside: str | None
) -> None:
    # GIVEN a home whose user, or an administrator, left something else where the keys go
    assert start(head, "head-configured").returncode == 0
    assert head.sh(f"cd home/sim; {made}", uid=uid, gid=uid).returncode == 0
    # WHEN the next cluster is made THEN it comes up, with the keys in their place
    done = start(head, "head-configured")
    assert (done.returncode, done.stderr) == (0, "")
    assert head.told("cat home/sim/.ssh/authorized_keys") == KEY
    assert head.told("stat -c '%a %u' home/sim/.ssh home/sim/.ssh/authorized_keys") == "700 2000\n600 2000\n"
    # AND nothing is lost, and the log says where it is
    moved = head.told("cd home/sim; find . -name '*-moved-aside-*' -printf '%f\\n'").split()
    assert [name.split("-moved-")[0] for name in moved] == ([aside] if aside else [])
    assert ("stood in the way" in head.log) is bool(aside)


def test_a_folder_of_keys_may_be_a_link_to_another_of_the_users(head: Node) -> None:
    assert start(head, "head-configured").returncode == 0
    assert head.sh("cd home/sim; mv .ssh keys; ln -s keys .ssh", **SIM).returncode == 0
    assert start(head, "head-configured").returncode == 0
    assert head.told("readlink home/sim/.ssh; cat home/sim/keys/authorized_keys") == "keys\n" + KEY


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (None, "s3://nodes/projects/pc-1/authorized_keys"),
        ("", "the file of public keys holds none"),
        ("<Error/>", "the file of public keys holds none"),
    ],
)
def test_without_a_key_the_head_node_is_not_ready(head: Node, keys: str | None, said: str) -> None:
    path = head.s3 / "nodes/projects/pc-1/authorized_keys"
    path.unlink()
    if keys is not None:
        path.write_text(keys)
    done = start(head, "head-configured")
    assert done.returncode == 1 and "head-configured/10-users failed" in done.stderr and said in done.stderr


def test_a_home_of_another_id_is_nobodys_to_take(head: Node) -> None:
    head.told("mkdir home/sim && chown 2001:2001 home/sim")
    done = start(head, "head-configured")
    assert done.returncode == 1 and "belongs to user id 2001, not 2000: the setting user_uid" in done.stderr


def test_what_the_user_makes_is_the_groups_too(head: Node) -> None:
    profile = "etc/profile.d/provisioner-project.sh"
    assert head.sh(f". {profile}; umask", **SIM).stdout == "0007\n"
    assert head.sh(f"umask 022; . {profile}; umask", uid=1000, gid=1000).stdout == "0022\n"


@pytest.mark.parametrize("step", ["head-start", "compute-start"])
def test_whoever_signs_in_knows_the_cluster_s_name(head: Node, step: str) -> None:
    assert start(head, step).returncode == 0
    for who in (SIM, {"uid": 1000, "gid": 1000}):
        assert (
            head.sh(". etc/profile.d/provisioner-project.sh; printenv CLUSTER_NAME", **who).stdout == "pc-1\n"
        )
