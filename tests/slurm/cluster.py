"""A real Slurm, all of it on loopback: a head node with one compute node on it, in a Debian root of its own.

munged, slurmdbd, slurmctld, slurmd and slurmrestd run as child processes in namespaces of their own, which
end with the test process however that ends. The head node's disk is thrown away with it; the database
lies outside and stays, as it does on AWS. Files and units lie where ParallelCluster has them, so that the
node scripts run as they are: /opt/slurm/etc/slurm.conf, slurmdbd.conf with its included part, slurmctld
and slurmdbd as units (systemctl.py plays systemd).

Source   ParallelCluster's cookbook (3.12) for the places; slurm.conf(5), slurmdbd.conf(5)
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tests.functional.mariadb import MariaDbServer
from tests.ports import HOST, free_ports

T = TypeVar("T")
WITHIN_S = 120.0
HERE = Path(__file__).parent
ETC = "/opt/slurm/etc"
SLURM_CONF = f"{ETC}/slurm.conf"
# name -> uid; every user has a group of the same name and number. `sim` is who the projects' jobs run as.
USERS = {"sim": 2001, "other": 2002, "slurmrestd": 2003}
NODES = "n1"
PROGRAMS = {
    "bin": "sacct sacctmgr salloc sbatch scancel scontrol sdiag sinfo sprio squeue srun sshare sstat",
    "sbin": "slurmctld slurmd slurmdbd slurmrestd slurmstepd",
}


@dataclass(frozen=True)
class Accounting:
    """The project's database, and the user who reaches it and no other."""

    database: str
    user: str
    password: str


@dataclass(frozen=True)
class Answer:
    """What an HTTP request got; `body` is text, `json` the same read."""

    status: int
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Ports:
    slurmctld: int
    slurmd: int
    slurmdbd: int
    slurmrestd: int

    @classmethod
    def free(cls) -> Ports:
        return cls(*free_ports(4))


@dataclass
class SlurmCluster:
    """A cluster named `name`: `start`, `stop`, `rebuild`, and what users and root do on its head node.

    root            the Debian root that `make setup-slurm` makes
    settings        lines of slurm.conf that ParallelCluster would take from CustomSlurmSettings
    before_start    called with the cluster when its files are there and no daemon of Slurm runs yet: the
                    moment of OnNodeStart
    """

    root: Path
    database: MariaDbServer
    accounting: Accounting
    name: str = "proj1"
    settings: Sequence[tuple[str, str]] = ()
    before_start: Callable[[SlurmCluster], None] | None = None
    ports: Ports = field(default_factory=Ports.free)
    _folder: Path = field(init=False)
    _holder: subprocess.Popen[bytes] | None = field(init=False, default=None)
    _pid: int = field(init=False, default=0)

    def start(self) -> None:
        """From an empty disk to a cluster that takes jobs."""
        # Short, because the path of a Unix socket has 108 characters at most, and open to every user.
        self._folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
        self._folder.chmod(0o755)
        try:
            self._enter()
            self._write_disk()
            if self.before_start:
                self.before_start(self)
            for unit in ("munge", "slurmdbd", "slurmctld", "slurmd"):
                started = self.run("systemctl", "start", unit, check=False)
                assert started.returncode == 0, f"{unit} ended at once:\n{self.logs()}"
                self._await(unit)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End all of it; the disk is gone, the database stays. A cluster that does not run is left alone."""
        if self._holder is None:
            return
        if self._pid:
            for unit in ("slurmd", "slurmctld", "slurmdbd"):
                self.run("systemctl", "stop", unit, check=False)
        self._holder.kill()
        self._holder.wait(timeout=WITHIN_S)
        self._holder, self._pid = None, 0
        shutil.rmtree(self._folder, ignore_errors=True)

    def rebuild(self) -> None:
        """What a release and the next apply do: a new head node, of which only the name is the old one's."""
        self.stop()
        self.ports = Ports.free()
        self.start()

    @property
    def folder(self) -> Path:
        """A folder under the same path inside and outside, which every user may enter."""
        return self._folder

    def path(self, inside: str) -> Path:
        """A file of the head node, for tests to read or write."""
        return Path(f"/proc/{self._pid}/root{inside}")

    def run(
        self,
        *command: str | Path,
        user: str = "root",
        stdin: str | None = None,
        environment: Mapping[str, str] | None = None,
        timeout_s: float = WITHIN_S,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the head node, as this user, and wait for its end.

        Raises   AssertionError with what it wrote, when it fails and `check` is set
        """
        done = subprocess.run(
            self._inside(*command, user=user, environment=environment),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
        if check:
            assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def version(self) -> tuple[int, int]:
        """Slurm's release, as (24, 11)."""
        said = self.run("slurmd", "-V").stdout.split()[-1]
        year, month = said.split(".")[:2]
        return int(year), int(month)

    def systemctl(self, *arguments: str) -> None:
        self.run("systemctl", *arguments)

    def sbatch(self, script: str, *options: str, user: str = "sim") -> int:
        """Submit a job whose body is this shell text; gives its id."""
        done = self.run(
            "sbatch", "--parsable", "--chdir=/tmp", *options, user=user, stdin=f"#!/bin/bash\n{script}\n"
        )
        return int(done.stdout.split(";")[0])

    def sacct(self, job: int | str, *fields: str) -> list[list[str]]:
        """What accounting holds of a job: one list of these fields for each of its rows, steps left out."""
        chosen = ",".join(fields or ("JobID", "State", "ExitCode"))
        done = self.run("sacct", "-nPX", "-S", "1970-01-01", "-j", str(job), f"--format={chosen}")
        return [line.split("|") for line in done.stdout.splitlines()]

    def await_state(self, job: int | str, *states: str, rows: int = 1) -> str:
        """Wait until accounting has all of the job, in one of these states; gives the first row's.

        rows   of an array, how many tasks it has: their rows come one after the other
        """
        wanted = states or ("COMPLETED",)

        def reached() -> str | None:
            found = self.sacct(job, "State", "Partition")
            # Without its partition a row is not all there: the end of a short job may come before its start.
            ended = [state.split()[0] for state, partition in found if partition]
            there = len(ended) == len(found) == rows and all(state in wanted for state in ended)
            return ended[0] if there else None

        return await_value(reached, f"job {job} in {wanted}", self.logs)

    def logs(self) -> str:
        """The ends of every daemon's log."""
        files = sorted(self.path("/var/log/units").glob("*.log"))
        return "\n".join(f"--- {file.name}\n{file.read_text('utf-8', 'replace')[-3000:]}" for file in files)

    def _inside(
        self, *command: str | Path, user: str = "root", environment: Mapping[str, str] | None = None
    ) -> list[str]:
        variables = {
            "PATH": "/opt/slurm/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "SLURM_CONF": SLURM_CONF,
            "LANG": "C.UTF-8",
            "HOME": "/root" if user == "root" else f"/home/{user}",
            "USER": user,
            **(environment or {}),
        }
        as_user = [] if user == "root" else ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"]
        return [
            *("nsenter", f"--target={self._pid}", "--mount", "--pid", "--root", "--wd"),
            *("env", "-i", *(f"{name}={value}" for name, value in variables.items())),
            *as_user,
            *map(str, command),
        ]

    def _enter(self) -> None:
        pid_file = self._folder / "pid"
        with (self._folder / "log").open("wb") as log:
            self._holder = subprocess.Popen(
                [
                    # Killed together with the test process, which may itself be killed.
                    *("setpriv", "--pdeathsig", "KILL"),
                    *("unshare", "--mount", "--pid", "--fork", "--kill-child"),
                    *("bash", str(HERE / "node.sh"), str(self.root), str(self._folder), str(pid_file)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

        def entered() -> int | None:
            if self._holder is None or self._holder.poll() is not None:
                raise RuntimeError("the head node did not start:\n" + (self._folder / "log").read_text())
            if not pid_file.exists():
                return None
            pid = int(pid_file.read_text())
            # The last step of node.sh, after which its first process sees the node's own root.
            return pid if str(Path(f"/proc/{pid}/root").readlink()) != "/" else None

        self._pid = await_value(entered, "the head node's root", lambda: "")

    def _write_disk(self) -> None:
        for folder in ("/opt/slurm/etc", "/etc/systemd/system", "/var/log/units", "/run/slurm", "/run/munge"):
            self.path(folder).mkdir(parents=True, exist_ok=True)
        for folder, programs in PROGRAMS.items():
            self.path(f"/opt/slurm/{folder}").mkdir()
            for program in programs.split():
                self.path(f"/opt/slurm/{folder}/{program}").symlink_to(f"/usr/{folder}/{program}")
        # Where Debian's Slurm looks, as ParallelCluster's looks in /opt/slurm/etc.
        shutil.rmtree(self.path("/etc/slurm"), ignore_errors=True)
        self.path("/etc/slurm").symlink_to(ETC)
        shutil.copy(HERE / "systemctl.py", self.path("/usr/local/bin/systemctl"))
        self.path("/etc/hosts").write_text(f"{HOST} localhost\n")
        for user, number in USERS.items():
            self.add_user(user, number)
        self._write_munge()
        self._write_slurm()

    def add_user(self, name: str, number: int) -> None:
        """A Unix user with a group and a home of its own."""
        with self.path("/etc/group").open("a") as file:
            file.write(f"{name}:x:{number}:\n")
        with self.path("/etc/passwd").open("a") as file:
            file.write(f"{name}:x:{number}:{number}::/home/{name}:/bin/bash\n")
        home = self.path(f"/home/{name}")
        home.mkdir(parents=True)
        os.chown(home, number, number)

    def _write_munge(self) -> None:
        key = self.path("/etc/munge/munge.key")
        key.parent.mkdir(exist_ok=True)
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        self.run("chown", "-R", "munge:munge", "/etc/munge", "/run/munge", "/var/lib/munge", "/var/log/munge")
        self._write_unit("munge", "/usr/sbin/munged --foreground --num-threads=4", User="munge")

    def _write_slurm(self) -> None:
        for folder in ("/var/spool/slurm.state", "/var/spool/slurmd"):
            self.path(folder).mkdir(parents=True, exist_ok=True)
        self.run("chown", "slurm:slurm", "/var/spool/slurm.state", "/run/slurm")
        if self.version() >= (23, 0):
            self.path(f"{ETC}/cgroup.conf").write_text("CgroupPlugin=disabled\n")
        self.path(SLURM_CONF).write_text(self._slurm_conf())
        self.path(f"{ETC}/slurm_parallelcluster.conf").write_text(
            "".join(f"{key}={value}\n" for key, value in self.settings)
        )
        self.write_private(f"{ETC}/slurmdbd.conf", self._slurmdbd_conf())
        self.write_private(
            f"{ETC}/slurm_parallelcluster_slurmdbd.conf", self._slurmdbd_conf_of_parallelcluster()
        )
        environment = f'"SLURM_CONF={SLURM_CONF}"'
        for unit, command in (
            ("slurmdbd", "/usr/sbin/slurmdbd -D"),
            ("slurmctld", "/usr/sbin/slurmctld -D"),
            ("slurmd", f"/usr/sbin/slurmd -D -N {NODES}"),
        ):
            user = {} if unit == "slurmd" else {"User": "slurm", "Group": "slurm"}
            self._write_unit(
                unit, command, ExecReload="/bin/kill -HUP $MAINPID", Environment=environment, **user
            )

    def write_private(self, inside: str, text: str) -> None:
        """A file that only SlurmUser may read."""
        self.path(inside).write_text(text)
        self.run("chown", "slurm:slurm", inside)
        self.path(inside).chmod(0o600)

    def _write_unit(self, name: str, command: str, **directives: str) -> None:
        lines = [f"ExecStart={command}", *(f"{key}={value}" for key, value in directives.items())]
        self.path(f"/etc/systemd/system/{name}.service").write_text("[Service]\n" + "\n".join(lines) + "\n")

    def _slurm_conf(self) -> str:
        # A minute for each answer: in Slurm's own 10 s a busy machine refuses what is asked (slurm.conf(5)).
        return f"""\
ClusterName={self.name}
SlurmctldHost=localhost({HOST})
SlurmUser=slurm
AuthType=auth/munge
CredType=cred/munge
SlurmctldPort={self.ports.slurmctld}
SlurmdPort={self.ports.slurmd}
StateSaveLocation=/var/spool/slurm.state
SlurmdSpoolDir=/var/spool/slurmd
SlurmctldPidFile=/run/slurm/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/linux
SchedulerParameters=sched_interval=1,bf_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
ReturnToService=2
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost={HOST}
AccountingStoragePort={self.ports.slurmdbd}
MinJobAge=300
MessageTimeout=60
MailProg=/bin/true
NodeName={NODES} NodeAddr={HOST} NodeHostname=localhost CPUs=16 RealMemory=16000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
include slurm_parallelcluster.conf
"""

    def _slurmdbd_conf(self) -> str:
        return f"""\
AuthType=auth/munge
DbdHost=localhost
DbdAddr={HOST}
SlurmUser=slurm
PidFile=/run/slurm/slurmdbd.pid
include slurm_parallelcluster_slurmdbd.conf
"""

    def _slurmdbd_conf_of_parallelcluster(self) -> str:
        return f"""\
DbdPort={self.ports.slurmdbd}
StorageType=accounting_storage/mysql
StorageHost={self.database.host}
StoragePort={self.database.port}
StorageUser={self.accounting.user}
StoragePass={self.accounting.password}
StorageLoc={self.accounting.database}
StorageParameters=SSL_CA={self._ca_file()}
"""

    def _ca_file(self) -> str:
        inside = "/etc/ssl/certs/accounting-ca.pem"
        self.path(inside).write_text(Path(self.database.ca_file).read_text())
        return inside

    def _await(self, unit: str) -> None:
        ready: dict[str, Callable[[], bool]] = {
            "munge": lambda: self.run("munge", "-n", check=False).returncode == 0,
            "slurmdbd": lambda: _listens(self.ports.slurmdbd),
            "slurmctld": lambda: "UP" in self.run("scontrol", "ping", check=False).stdout,
            "slurmd": lambda: "idle" in self.run("sinfo", "-hNo", "%T", check=False).stdout,
        }

        def up() -> bool:
            if self.run("systemctl", "is-active", unit, check=False).returncode:
                raise RuntimeError(f"{unit} ended:\n{self.logs()}")
            return ready[unit]()

        await_value(up, f"{unit} to answer", self.logs)


def request(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: object = None,
    timeout_s: float = 60.0,
) -> Answer:
    """One HTTP request; every status is an answer."""
    data = None if body is None else json.dumps(body).encode()
    call = urllib.request.Request(url, data=data, method=method, headers=dict(headers or {}))
    if data is not None:
        call.add_header("Content-Type", "application/json")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(call, timeout=timeout_s) as response:
            return Answer(response.status, response.read().decode("utf-8", "replace"))
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.read().decode("utf-8", "replace"))


def await_value(
    ask: Callable[[], T | None], what: str, explain: Callable[[], str], *, within_s: float = WITHIN_S
) -> T:
    """Ask until there is an answer that is not empty."""
    deadline = time.monotonic() + within_s
    while True:
        value = ask()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {within_s:.0f} s for {what}\n{explain()}")
        # Most of what is asked starts programs on the node, which has other things to do.
        time.sleep(0.2)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0
