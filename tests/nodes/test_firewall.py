"""What ordinary users may not reach from a node: real rules, in a network of the node's own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.nodes.conftest import CONFIG, Node, required_by_slurmd

SIM = {"uid": 2000, "gid": 2000}
# Slurm's, as ParallelCluster makes it.
SLURM = {"uid": 401, "gid": 401}
REFUSED = "Connection refused"
STEPS = ("head-start", "head-configured", "head-updated", "compute-start", "compute-configured")
METADATA = ["169.254.169.254:80", "fd00:ec2::254:80"]

# Instance metadata, as far as a connection to it goes.
LISTEN = """
import socket, sys, threading
def answer(server):
    while True:
        server.accept()[0].close()
for place in sys.argv[1:]:
    address, _, port = place.rpartition(":")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    server = socket.create_server((address, int(port)), family=family)
    threading.Thread(target=answer, args=(server,)).start()
print("ready", flush=True)
"""


@pytest.fixture(params=["iptables-nft", "iptables-legacy"])
def firewalled(
    machine: Node,
    render: Callable[[dict[str, str]], str],
    files: dict[str, str],
    request: pytest.FixtureRequest,
) -> Node:
    """A node with the scripts of the firewall alone, and with either of the two programs named iptables."""
    if shutil.which(request.param) is None:
        missing = "The firewall of the nodes is made by iptables: `make setup-services` brings it."
        if os.environ.get("REQUIRE_SERVICES"):
            pytest.fail(missing)
        pytest.skip(missing)
    machine.software = render(
        {name: text for name, text in files.items() if ".d/" not in name or name.endswith("-firewall")}
    )
    for name in ("iptables", "iptables-restore", "ip6tables", "ip6tables-restore"):
        program = shutil.which(name.replace("tables", request.param.removeprefix("ip")))
        machine.command(name, f'#!/bin/bash\nexec {program} "$@"\n')
    if request.param == "iptables-legacy" and machine.sh("iptables-legacy -S").returncode != 0:
        pytest.skip("The kernel has no iptables of the older kind.")
    machine.told("mkdir -p etc/systemd/system && ip link set lo up")
    machine.told("ip address add 169.254.169.254 dev lo && ip address add fd00:ec2::254 dev lo nodad")
    return machine


@pytest.fixture
def listen(firewalled: Node) -> Iterator[Callable[..., None]]:
    """Answer at these addresses and ports of the node, until the test is over."""
    started: list[subprocess.Popen[str]] = []

    def listening(*places: str) -> None:
        command = [*firewalled.inside, sys.executable, "-c", LISTEN, *places]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert (started[-1].stdout or sys.stdin).readline() == "ready\n"

    yield listening
    for process in started:
        process.kill()
        process.communicate()


def start(node: Node, step: str) -> None:
    done = node.run(step, node.configure(CONFIG))
    assert (done.returncode, done.stderr) == (0, "")


def reach(node: Node, places: list[str], **who: int) -> set[str]:
    """What connections come to: nothing, or what went wrong."""
    tries = [
        f'said=$( (exec 3<>/dev/tcp/{address}/{port}) 2>&1); echo "${{said##*: }}"'
        for address, _, port in (place.rpartition(":") for place in places)
    ]
    return set(node.sh("\n".join(tries), **who).stdout.splitlines())


def rules(node: Node) -> str:
    return as_root(node, "iptables -S; ip6tables -S")


def as_root(node: Node, script: str) -> str:
    return node.told(f"export PATH={node.root}/bin:$PATH PROVISIONER_ROOT={node.root}\n{script}")


def test_jobs_cannot_take_on_the_nodes_role(firewalled: Node, listen: Callable[..., None]) -> None:
    listen(*METADATA, "127.0.0.1:80")
    assert reach(firewalled, METADATA, **SIM) == {""}
    # WHEN a compute node has started
    start(firewalled, "compute-start")
    # THEN instance metadata answers neither a job, nor the image's own user, nor one in a user's namespace
    for uid in (1000, 2000, 100000, 4294967294):
        assert reach(firewalled, METADATA, uid=uid, gid=uid) == {REFUSED}
    # AND root and Slurm as before, and whatever else a job asks
    assert reach(firewalled, METADATA) == reach(firewalled, METADATA, **SLURM) == {""}
    assert reach(firewalled, ["127.0.0.1:80"], **SIM) == {""}


def test_a_head_nodes_metadata_is_left_to_parallelcluster(
    firewalled: Node, listen: Callable[..., None]
) -> None:
    # It lets the image's own user in, who administers the cluster.
    listen(*METADATA)
    start(firewalled, "head-start")
    assert reach(firewalled, METADATA, uid=1000, gid=1000) == {""}


@pytest.mark.parametrize("step", STEPS)
def test_nobody_becomes_root_by_saying_so_to_nfs(
    firewalled: Node, listen: Callable[..., None], step: str
) -> None:
    tunnels = [f"127.0.0.1:{port}" for port in (20049, 20449, 20450, 21048)]
    nfs = ["127.0.0.1:2049", "fd00:ec2::254:2049", *tunnels, "::1:20200"]
    others = ["127.0.0.1:2048", "127.0.0.1:20048", "127.0.0.1:21050"]
    listen(*nfs, *others)
    assert reach(firewalled, nfs, **SIM) == {""}
    # WHEN the node has started THEN no program of a user reaches EFS, its tunnel or the head node's exports
    start(firewalled, step)
    assert reach(firewalled, nfs, **SIM) == {REFUSED}
    # AND root, whose helper mounts, and Slurm do, and users reach the ports beside
    assert reach(firewalled, nfs) == reach(firewalled, nfs, **SLURM) == {""}
    assert reach(firewalled, others, **SIM) == {""}


def efs_utils(node: Node, configuration: str) -> None:
    node.told("mkdir -p etc/amazon/efs")
    (node.root / "etc/amazon/efs/efs-utils.conf").write_text(configuration)


def test_tunnels_are_where_the_image_says_too(firewalled: Node, listen: Callable[..., None]) -> None:
    tunnels = [f"127.0.0.1:{port}" for port in (20049, 21048, 30000, 30100)]
    others = [f"127.0.0.1:{port}" for port in (29999, 30101, 40000)]
    listen(*tunnels, *others)
    efs_utils(
        firewalled,
        "[DEFAULT]\nlogging_level = INFO\n\n[mount]\n# port_range_lower_bound = 1\n"
        "port_range_lower_bound = 30000\nport_range_upper_bound=30100\n\n"
        "[mount-watchdog]\nport_range_upper_bound = 65535\n",
    )
    start(firewalled, "compute-start")
    assert reach(firewalled, tunnels, **SIM) == {REFUSED}
    assert reach(firewalled, others, **SIM) == {""}


@pytest.mark.parametrize(
    "bounds",
    [
        ("", ""),
        ("20049", "21049"),
        ("30000", ""),
        ("30100", "30000"),
        ("0", "65536"),
        ("1; reboot", "$(reboot)"),
        ("99999999999999999999", "2e5"),
    ],
)
def test_an_odd_configuration_of_tunnels_changes_nothing(firewalled: Node, bounds: tuple[str, str]) -> None:
    start(firewalled, "compute-start")
    before = rules(firewalled)
    low, high = bounds
    efs_utils(firewalled, f"[mount]\nport_range_lower_bound = {low}\nport_range_upper_bound = {high}\n")
    start(firewalled, "compute-start")
    assert rules(firewalled) == before


MOUNTED = """proc /proc proc rw,nosuid 0 0
10.0.0.9:/opt/slurm /opt/slurm nfs4 rw,vers=4.2,port=30000,clientaddr=10.0.0.8,addr=10.0.0.9 0 0
127.0.0.1:/ /home nfs4 rw,vers=4.1,noresvport,proto=tcp,port={port},clientaddr=127.0.0.1,addr=127.0.0.1 0 0
"""


@pytest.mark.parametrize("step", ["head-configured", "compute-configured"])
def test_a_tunnel_that_users_could_reach_ends_the_step(firewalled: Node, step: str) -> None:
    mounts = firewalled.root / "proc/mounts"
    for port in (0, 20049, 20584, 21048):
        mounts.write_text(MOUNTED.format(port=port))
        start(firewalled, step)
    # WHEN the file system is reached by another port THEN no job starts on the node
    mounts.write_text(MOUNTED.format(port=30000))
    done = firewalled.run(step, firewalled.configure(CONFIG))
    assert done.returncode == 1
    assert f"{step}/05-firewall failed: /home is mounted through port 30000 of this node" in done.stderr
    # AND it does where the image names that port
    efs_utils(firewalled, "[mount]\nport_range_lower_bound = 30000\nport_range_upper_bound = 30001\n")
    start(firewalled, step)


@pytest.mark.parametrize("step", STEPS)
def test_it_can_run_again_and_comes_back_after_a_reboot(firewalled: Node, step: str) -> None:
    before = rules(firewalled)
    start(firewalled, step)
    made = rules(firewalled)
    assert made != before
    # WHEN it runs again THEN nothing is there twice
    start(firewalled, step)
    assert rules(firewalled) == made
    # WHEN the node boots, or ParallelCluster puts back the rules it saved, with ours among them or not
    unit = firewalled.root / "etc/systemd/system/provisioner-firewall.service"
    (command,) = re.findall(r"^ExecStart=(.*)$", unit.read_text(), re.MULTILINE)
    for happens in (
        "for each in iptables ip6tables; do $each -F; $each -X; done",
        "for each in iptables ip6tables; do $each-save | $each-restore; done",
    ):
        as_root(firewalled, happens)
        as_root(firewalled, command)
        assert rules(firewalled) == made
    assert (firewalled.root / "systemctl").read_text().splitlines() == [
        *("daemon-reload", "enable provisioner-firewall.service"),
    ] * 2


# As its cookbook writes it: templates/imds/parallelcluster-iptables.service.erb, restore_tables.sh.erb.
PARALLELCLUSTERS = "parallelcluster-iptables.service"
RESTORES = """[Unit]
After=network-online.target

[Service]
ExecStart={root}/bin/restore_tables.sh
ExecStop={root}/bin/save_tables.sh

[Install]
WantedBy=multi-user.target
"""


def parallelcluster_keeps_metadata(node: Node) -> None:
    chain = "PARALLELCLUSTER_IMDS"
    for iptables, metadata in (("iptables", "169.254.169.254"), ("ip6tables", "fd00:ec2::254")):
        as_root(node, f"{iptables} -N {chain}; {iptables} -A OUTPUT -d {metadata} -j {chain}")
        as_root(node, f"{iptables} -A {chain} -d {metadata} -j REJECT")


def parallelcluster_saves_its_rules(node: Node) -> None:
    """Its recipe for instance metadata does, before the first script of ours runs."""
    parallelcluster_keeps_metadata(node)
    (node.root / "etc/systemd/system" / PARALLELCLUSTERS).write_text(RESTORES.format(root=node.root))
    each = "for each in iptables ip6tables; do $each{}; done"
    as_root(node, each.format("-save >etc/$each.rules"))
    node.command("restore_tables.sh", "#!/bin/bash\n" + each.format("-restore <etc/$each.rules"))
    node.command("save_tables.sh", "#!/bin/bash\n" + each.format("-save >etc/$each.rules"))


def start_unit(node: Node, name: str) -> None:
    """What systemd runs for a unit with its drop-ins."""
    unit = node.root / "etc/systemd/system" / name
    text = "\n".join(
        path.read_text("utf-8") for path in (unit, *sorted(unit.with_name(f"{name}.d").glob("*.conf")))
    )
    for setting in ("ExecStart", "ExecStartPost"):
        for command in re.findall(rf"^{setting}=-?(.*)$", text, re.MULTILINE):
            as_root(node, command)


@pytest.mark.parametrize("step", ["head-start", "head-configured", "head-updated"])
def test_rules_that_parallelcluster_puts_back_at_a_boot_take_none_of_ours(
    firewalled: Node, listen: Callable[..., None], step: str
) -> None:
    listen("127.0.0.1:2049")
    # GIVEN a head node, whose rules ParallelCluster saved before ours were there
    parallelcluster_saves_its_rules(firewalled)
    start(firewalled, step)
    # WHEN it boots, and ParallelCluster's rules come back in place of all others after ours, or before
    names = ["provisioner-firewall.service", PARALLELCLUSTERS]
    for order in (names, names[::-1]):
        as_root(firewalled, "for each in iptables ip6tables; do $each -F; $each -X; done")
        for name in order:
            start_unit(firewalled, name)
        # THEN no program of a user speaks NFS
        assert reach(firewalled, ["127.0.0.1:2049"], **SIM) == {REFUSED}


def test_the_firewall_waits_for_what_parallelcluster_puts_back(firewalled: Node) -> None:
    # GIVEN a systemd that says what it read of the drop-in when it was told to
    folder = firewalled.root / "etc/systemd/system"
    read = f'cat "{folder}/{PARALLELCLUSTERS}.d/provisioner.conf" >>"{folder}/read"'
    firewalled.command("systemctl", f"#!/bin/bash\n[[ $1 != daemon-reload ]] || {read}\n")
    parallelcluster_saves_its_rules(firewalled)
    start(firewalled, "head-start")
    # THEN ParallelCluster's unit counts as started once its rules are there, and ours comes after it
    known = (folder / "read").read_text().splitlines()
    assert {"Type=oneshot", "TimeoutStartSec=60"} <= set(known)
    ours = (folder / "provisioner-firewall.service").read_text().splitlines()
    assert f"After={PARALLELCLUSTERS}" in ours
    checked = firewalled.sh(f"systemd-analyze verify --man=no {folder / PARALLELCLUSTERS}")
    assert "provisioner.conf" not in checked.stderr, checked.stderr


def test_a_compute_node_has_no_rules_of_parallelclusters(firewalled: Node) -> None:
    start(firewalled, "compute-start")
    assert not (firewalled.root / f"etc/systemd/system/{PARALLELCLUSTERS}.d").exists()


def test_rules_of_others_stay(firewalled: Node) -> None:
    parallelcluster_keeps_metadata(firewalled)
    theirs = [line for line in rules(firewalled).splitlines() if "PARALLELCLUSTER_IMDS" in line]
    start(firewalled, "compute-start")
    assert [line for line in rules(firewalled).splitlines() if "PARALLELCLUSTER_IMDS" in line] == theirs


def test_no_job_starts_where_it_failed_after_a_reboot(firewalled: Node) -> None:
    start(firewalled, "compute-start")
    required_by_slurmd(firewalled, "provisioner-firewall.service")


def test_systemd_takes_the_unit(firewalled: Node) -> None:
    start(firewalled, "compute-start")
    unit = firewalled.root / "etc/systemd/system/provisioner-firewall.service"
    checked = firewalled.sh(f"systemd-analyze verify --man=no {unit}")
    assert unit.name not in checked.stderr, checked.stderr


def test_an_image_without_iptables_takes_no_jobs(firewalled: Node) -> None:
    lacking = "command() { [[ $2 != iptables ]]; }"
    firewalled.software = firewalled.software.replace("\naction=", f"\n{lacking}\naction=")
    done = firewalled.run("compute-start", firewalled.configure(CONFIG))
    assert done.returncode == 1
    assert "compute-start/05-firewall failed: iptables is not on this image" in done.stderr
