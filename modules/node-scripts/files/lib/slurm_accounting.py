"""Accounting of a new cluster: who may run jobs, and job ids that go on after those of the clusters before.

The history itself needs nothing: the project's database outlives its clusters, and the cluster's name, from
which its tables are named, is always the same.

Ids go on because slurm.conf gets FirstJobId = highest id + 1. Slurm never gives a smaller one, whatever its
state says, and after MaxJobId it starts again at FirstJobId. So the new cluster must have room up to there:
where less than RESERVE ids are left, or the ids have started again before, the low ids say where to go on
instead of the highest.

The highest id comes from sacct, the only way to the database that every image has: ParallelCluster's own
images hold the libraries of MySQL's client and no program.
Source   slurm.conf(5): FirstJobId, MaxJobId; slurmctld, get_next_job_id(); aws-parallelcluster-cookbook,
         cookbooks/aws-parallelcluster-slurm/resources/mysql_client
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable

from node import StepError, at, config, run, step
from slurm_files import ETC, block, set_block, slurm

# slurm.conf(5), MaxJobId: the default, which is also the highest value.
MAX_JOB_ID = 67_043_328
RESERVE = 1_000_000
# From an hour on, each a quarter longer than the one before; the last one is older than Slurm.
WINDOWS_S = tuple(3600 * 1.25**count for count in range(59))
ASKED_AT_ONCE = 100
# Jobs may be due to begin at any time to come.
END = "2100-01-01T00:00:00"
TOPIC = "accounting"
WITHIN_S = 120.0


def main() -> None:
    settings = config()
    register(settings["project"]["cluster_name"], settings["user"]["name"])
    slurm_conf = at(f"{ETC}/slurm.conf")
    # A cluster keeps the first id it was given: its own jobs have gone on from there.
    if block(slurm_conf, TOPIC) is None:
        first = next_job_id()
        print(f"job ids go on at {first}")
        # Only now that the user is registered: from here on nobody else may run jobs.
        lines = [f"FirstJobId={first}", "AccountingStorageEnforce=associations"]
        set_block(slurm_conf, TOPIC, lines)
        restart_slurmctld()


def next_job_id() -> int:
    """The first id of the new cluster."""
    found = newest_job_ids()
    highest = max(found, default=0)
    if highest < MAX_JOB_ID - RESERVE:
        return highest + 1
    # The ids have come round, or would soon: only those count that came after the old end.
    return max((job for job in found if job < MAX_JOB_ID // 2), default=0) + 1


def newest_job_ids() -> set[int]:
    """Ids of jobs, the project's last ones among them; none when it never had a job.

    sacct has no question for the highest id, and holds all in memory that it reads. So it is asked for as
    short a time as will do: back to where a job was submitted. Later ids were given later, and their jobs
    cannot have ended before. That a job ended in that time says nothing: a new slurmctld ends the records
    of all that the cluster before left open, however old they are.
    """
    found: dict[int, int] = {}
    begin = 0
    for window in WINDOWS_S:
        begin = int(time.time() - window)
        found = _jobs_since(begin)
        if any(submitted >= begin for submitted in found.values()):
            break
    # A job that was held all its life was never eligible: sacct shows such ones only when asked by their ids.
    while held := _jobs_since(begin, f"--jobs={_ids_after(max(found, default=0))}"):
        found |= held
    return set(found)


def _ids_after(last: int) -> str:
    return ",".join(str(last + count) for count in range(1, ASKED_AT_ONCE + 1))


def _jobs_since(begin: int, *options: str) -> dict[int, int]:
    """Id -> when it was first submitted, of the jobs that had not ended at `begin`; in s since 1970."""
    since = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(begin))
    said = run(
        *(slurm("sacct"), "--allusers", "--allclusters", "--allocations", "--noheader", "--parsable2"),
        # A job that is queued again has a record more, under its old id.
        *("--duplicates", "--format=JobIDRaw,Submit", f"--starttime={since}", f"--endtime={END}"),
        *options,
        env={**os.environ, "TZ": "UTC", "SLURM_TIME_FORMAT": "%s"},
    )
    found: dict[int, int] = {}
    for job, submitted in re.findall(r"^(\d+)\|(\d*)", said, re.MULTILINE):
        found[int(job)] = min(int(submitted or 0), found.get(int(job), int(submitted or 0)))
    return found


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


if __name__ == "__main__":
    step(main)
