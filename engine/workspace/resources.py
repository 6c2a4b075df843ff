"""Where a workspace has its resources: the addresses of those that operations ask for by name.

The stack (workspace/stack.py) and the modules decide them.
"""

from __future__ import annotations

from typing import Final

CLUSTER: Final = "module.parallelcluster[0]"
CLUSTER_STACK: Final = f"{CLUSTER}.aws_cloudformation_stack.this"
LUSTRE: Final = "module.fsx[0].aws_fsx_lustre_file_system.this"
BUCKET: Final = "module.bucket.aws_s3_bucket.this"
HOME: Final = "module.efs.aws_efs_file_system.this"
ACCOUNTING_SECRET: Final = "module.accounting.aws_secretsmanager_secret.this[0]"
ACCOUNTING_USER: Final = "module.accounting.aws_lambda_invocation.user[0]"
ACCOUNTING_RECORDS: Final = "module.accounting.aws_lambda_invocation.database"
JOB_RECORDS: Final = "module.job_records.aws_cloudwatch_log_group.this"
