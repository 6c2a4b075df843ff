"""The lines that a project's slurm.conf has beyond ParallelCluster's own, as CustomSlurmSettings.

Only what may change while a cluster runs, at any update of it. What rests on something else being in place
first, node steps write into slurm.conf: head-configured.d/30-accounting and 40-rest-api.

Source   slurm.conf(5) of Slurm 24.11; ParallelCluster 3.16.1, deny list of CustomSlurmSettings
"""

from __future__ import annotations

MARK_FINISHED = "/opt/provisioner/mark-finished"
"""Put there by the node step head-start/50-job-records."""


SLURM_SETTINGS = (
    # What a job record shows of a job beside its numbers: script, environment at submission, comment.
    ("AccountingStoreFlags", "job_comment,job_env,job_script"),
    # Tells the shipper of job records of every run that ended.
    ("JobCompType", "jobcomp/script"),
    ("JobCompLoc", MARK_FINISHED),
)
"""Parameter and value of each line, in the order of slurm.conf."""
