"""Accounting of a new cluster: who may run jobs, and job ids that go on after those of the clusters before.

The history itself needs nothing: the project's database outlives its clusters, and the cluster's name, from
which its tables are named, is always the same.

Ids go on because slurm.conf gets FirstJobId = highest id + 1. Slurm never gives a smaller one, whatever its
state says, and after MaxJobId it starts again at FirstJobId. So the new cluster must have room up to there:
where less than RESERVE ids are left, or the ids have started again before, the newest jobs say where to go
on instead of the highest.
Source   slurm.conf(5): FirstJobId, MaxJobId; slurmctld, get_next_job_id()
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from node import StepError, at, config, run, step
from slurm_files import ETC, block, parameters, set_block, slurm

# slurm.conf(5), MaxJobId: the default, which is also the highest value.
MAX_JOB_ID = 67_043_328
RESERVE = 1_000_000
NEWEST = 1000
TOPIC = "accounting"
WITHIN_S = 120.0


def main() -> None:
    settings = config()
    slurmdbd = at(f"{ETC}/slurmdbd.conf")
    database = Database(parameters(slurmdbd))
    register(settings["project"]["cluster_name"], settings["user"]["name"])
    slurm_conf = at(f"{ETC}/slurm.conf")
    # A cluster keeps the first id it was given: its own jobs have gone on from there.
    if block(slurm_conf, TOPIC) is None:
        first = next_job_id(database)
        print(f"job ids go on at {first}")
        # Only now that the user is registered: from here on nobody else may run jobs.
        lines = [f"FirstJobId={first}", "AccountingStorageEnforce=associations"]
        set_block(slurm_conf, TOPIC, lines)
        restart_slurmctld()


def next_job_id(database: Database) -> int:
    """The first id of the new cluster."""
    highest = database.highest_job_id()
    if highest < MAX_JOB_ID - RESERVE:
        return highest + 1
    # The ids have come round, or would soon: only those of the newest jobs count, without the old end.
    low = [job for job in database.newest_job_ids() if job < MAX_JOB_ID - RESERVE]
    return max(low, default=0) + 1


def register(account: str, user: str) -> None:
    """The project's account, and in it the only user who is no administrator. Repeating it is safe."""
    sacctmgr = slurm("sacctmgr")
    deadline = time.monotonic() + WITHIN_S
    while not _registered(sacctmgr, account, user):
        said = [
            _said(sacctmgr, "--immediate", "add", *words)
            for words in (
                ("account", account, "Description=project", "Organization=project"),
                ("user", user, f"Account={account}", f"DefaultAccount={account}"),
            )
        ]
        if time.monotonic() > deadline:
            raise StepError(
                f"{user} cannot be registered in Slurm's accounting: {' '.join(said[-1].split())}"
            )
        time.sleep(1)


def _registered(sacctmgr: str, account: str, user: str) -> bool:
    wanted = ("show", "associations", f"user={user}", f"account={account}", "format=User")
    return user in _said(sacctmgr, "--noheader", "--parsable2", *wanted).split()


def restart_slurmdbd() -> None:
    """Let slurmdbd read its files, and wait until it answers.

    A slurmctld that starts, or reads its own files anew, in the meantime ends for want of associations.
    """
    run("systemctl", "restart", "slurmdbd")
    _await(lambda: _works(slurm("sacctmgr"), "--noheader", "show", "cluster"), "slurmdbd")


def restart_slurmctld() -> None:
    """Let slurmctld read slurm.conf, if it runs already, and wait until it answers."""
    if active("slurmctld"):
        run("systemctl", "restart", "slurmctld")
        await_slurmctld()


def await_slurmctld() -> None:
    _await(lambda: " UP" in _said(slurm("scontrol"), "ping"), "slurmctld")


def _await(answers: Callable[[], bool], name: str) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not answers():
        if time.monotonic() > deadline:
            raise StepError(f"{name} does not answer; see its log")
        time.sleep(0.5)


def _works(*command: str) -> bool:
    try:
        run(*command)
    except StepError:
        return False
    return True


def active(unit: str) -> bool:
    return subprocess.run(("systemctl", "is-active", "--quiet", unit), check=False).returncode == 0


def _said(*command: str) -> str:
    """What a command prints, whether it fails or not: sacctmgr fails, too, when there is nothing to do."""
    try:
        return run(*command)
    except StepError as error:
        return str(error)


class Database:
    """The project's database, asked with slurmdbd's own login. Both questions are answered by an index:
    they take as long with a million jobs as with ten."""

    def __init__(self, slurmdbd: dict[str, str]) -> None:
        try:
            self._login = {
                "host": slurmdbd["storagehost"],
                "port": slurmdbd.get("storageport", "3306"),
                "user": slurmdbd["storageuser"],
                "password": slurmdbd["storagepass"],
            }
            self._name = slurmdbd["storageloc"]
        except KeyError as error:
            raise StepError(f"slurmdbd.conf does not say {error.args[0]}") from None
        tls = dict(
            item.split("=", 1) for item in slurmdbd.get("storageparameters", "").split(",") if "=" in item
        )
        self._ca_file = tls.get("SSL_CA")

    def highest_job_id(self) -> int:
        """0 when no job was ever run."""
        return max((self._number(f"SELECT MAX(id_job) FROM {table}") for table in self._tables()), default=0)

    def newest_job_ids(self) -> list[int]:
        """Of the jobs that were recorded last, in any order."""
        return [
            int(line)
            for table in self._tables()
            for line in self._ask(f"SELECT id_job FROM {table} ORDER BY job_db_inx DESC LIMIT {NEWEST}")
        ]

    def _tables(self) -> list[str]:
        """The job tables, quoted: one for each name that a cluster of the project has had."""
        named = self._ask(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() "
            r"AND table_name LIKE '%\_job\_table'"
        )
        return [f"`{name}`" for name in named]

    def _number(self, question: str) -> int:
        (answer,) = self._ask(question)
        return 0 if answer == "NULL" else int(answer)

    def _ask(self, question: str) -> list[str]:
        client = shutil.which("mariadb") or shutil.which("mysql")
        if client is None:
            raise StepError("this image has no mysql client, which ParallelCluster's own images have")
        with tempfile.TemporaryDirectory() as folder:
            # The password stands in a file that only root reads, not on the command line.
            options = Path(folder, "login.cnf")
            options.touch(0o600)
            options.write_text(self._options(), "utf-8")
            command = (client, f"--defaults-file={options}", "--batch", "--skip-column-names", self._name)
            return run(*command, input=question).splitlines()

    def _options(self) -> str:
        lines: dict[str, Any] = {**self._login, "protocol": "tcp"}
        if self._ca_file:
            lines["ssl-ca"] = at(self._ca_file)
        return "[client]\n" + "".join(f"{name}={value}\n" for name, value in lines.items())


if __name__ == "__main__":
    step(main)
