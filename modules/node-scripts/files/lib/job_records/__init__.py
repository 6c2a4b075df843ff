"""One JSON record for every finished job, written for the CloudWatch agent to ship.

Runs on the head node with the system's own Python (3.9 on Amazon Linux 2023), standard library only.
The record, its limits and how "each once" is kept: docs/job-records.md.
"""
