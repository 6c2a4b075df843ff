locals {
  tags    = merge(var.tags, { Name = var.name })
  address = var.address == "" ? "" : "${var.address}."
}

# Made before the head node writes to it: a group that the CloudWatch agent makes itself keeps its records
# for ever, and has no tags.
resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158: Encrypted with CloudWatch's own keys: a customer-managed key would have to let every cluster's head node in. Secrets are masked before a record is written.

  name              = var.log_group
  retention_in_days = var.retention_days

  tags = merge(local.tags, { "provisioner:address" = "${local.address}aws_cloudwatch_log_group.this" })

  lifecycle {
    # Job records outlive the cluster. To drop them on purpose, take the module call out of the workspace.
    prevent_destroy = true
  }
}
