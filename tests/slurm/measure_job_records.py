"""What a job record costs: `python -m tests.slurm.measure_job_records`, as root, after `make setup-slurm`.

Prints CPU time for each job: of the marker, which slurmctld waits for, and of the shipper with all that it
starts. Elapsed times would say more of the machine than of the programs.
"""

from __future__ import annotations

import time

from tests.functional.mariadb import running_mariadb
from tests.slurm.agent import FakeAgent
from tests.slurm.cluster import SlurmCluster, await_value
from tests.slurm.conftest import DEFAULT_ROOTS, project_cluster

SPOOL = "/var/spool/provisioner/job-records"
MARKERS = 300
ARRAY = 300
ALONE = 100
SCHEDULER = (
    "SchedulerParameters",
    "sched_interval=1,sched_min_interval=50000,default_queue_depth=2000,bf_interval=5",
)


def main() -> None:
    with running_mariadb() as server:
        cluster = project_cluster(DEFAULT_ROOTS.expanduser() / "trixie", server, "measured")
        cluster.settings = [*cluster.settings, SCHEDULER, ("DefMemPerCPU", "1")]
        cluster.start()
        try:
            FakeAgent.install(cluster)
            print(f"marker: {marker_ms(cluster):.1f} ms of CPU for each job")
            print(f"tasks of one array: {shipper_ms(cluster, array=True):.1f} ms of CPU for each job")
            print(f"jobs of their own: {shipper_ms(cluster, array=False):.1f} ms of CPU for each job")
        finally:
            cluster.stop()


def marker_ms(cluster: SlurmCluster) -> float:
    """Many markers in one shell, whose children's time is then told."""
    marker = "JOBID=$i SUBMIT=1 WORK_DIR=/tmp /opt/provisioner/mark-finished"
    loop = f"for i in $(seq {MARKERS}); do {marker}; done; times"
    children = cluster.run("bash", "-c", loop).stdout.splitlines()[-1].split()
    cluster.run("bash", "-c", f"rm {SPOOL}/markers/*")
    return sum(_seconds(text) for text in children) * 1000 / MARKERS


def shipper_ms(cluster: SlurmCluster, *, array: bool) -> float:
    """A shipper that finds all its jobs waiting, from its start to its end, with every sacct that it asks."""
    if array:
        count = ARRAY
        cluster.sbatch("echo some output", f"--array=1-{ARRAY}", "--output=/home/sim/%A-%a")
    else:
        count = ALONE
        loop = f"for i in $(seq {ALONE}); do sbatch --output=/home/sim/%j --wrap 'echo some output'; done"
        cluster.run("bash", "-c", f"cd /home/sim && {loop}", user="sim")
    markers = cluster.path(f"{SPOOL}/markers")
    await_value(lambda: len(list(markers.iterdir())) == count, "all markers", cluster.logs)
    # So long that the database has the last job's end, too.
    time.sleep(5)
    shipper = "cd /opt/provisioner/node/lib; timeout -s TERM 8 python3 -m job_records --settle 0; times"
    children = cluster.run("bash", "-c", shipper).stdout.splitlines()[-1].split()
    assert list(markers.iterdir()) == []
    return sum(_seconds(text) for text in children) * 1000 / count


def _seconds(text: str) -> float:
    minutes, _, seconds = text.rstrip("s").partition("m")
    return int(minutes) * 60 + float(seconds)


if __name__ == "__main__":
    main()
