data "aws_partition" "this" {}
data "aws_region" "this" {}
data "aws_caller_identity" "this" {}

locals {
  release   = replace(var.pcluster_version, ".", "-")
  name      = coalesce(var.name, "parallelcluster-provider-${local.release}")
  tags      = merge(var.tags, { Name = local.name })
  address   = var.address == "" ? "" : "${var.address}."
  partition = data.aws_partition.this.partition
  region    = data.aws_region.this.name
  account   = data.aws_caller_identity.this.account_id

  # IAM is one for all regions, and so are its names.
  role_name = "${local.name}-${local.region}"
}

resource "aws_iam_role" "this" {
  name                 = local.role_name
  description          = "Makes, changes and deletes the clusters of ParallelCluster ${var.pcluster_version}"
  permissions_boundary = var.permissions_boundary

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })

  tags = merge(local.tags, { "provisioner:address" = "${local.address}aws_iam_role.this" })
}

resource "aws_iam_policy" "this" {
  for_each = local.documents

  name        = "${local.role_name}-${each.key}"
  description = "What ParallelCluster's provider ${var.pcluster_version} may do: ${each.key}"
  policy      = each.value

  tags = merge(local.tags, { "provisioner:address" = "${local.address}aws_iam_policy.this.${each.key}" })

  lifecycle {
    precondition {
      condition     = length(each.value) <= 6144
      error_message = "The policy ${each.key} is longer than the 6144 characters that IAM takes. Use fewer node_policy_arns."
    }
  }
}

resource "aws_iam_role_policy_attachment" "this" {
  for_each = aws_iam_policy.this

  role       = aws_iam_role.this.name
  policy_arn = each.value.arn
}

resource "aws_cloudformation_stack" "this" {
  #checkov:skip=CKV_AWS_124: the stack changes only while somebody applies this module, who is told at once how it ended
  name         = local.name
  template_url = "https://${local.region}-aws-parallelcluster.s3.${local.region}.${data.aws_partition.this.dns_suffix}/parallelcluster/${var.pcluster_version}/templates/custom_resource/cluster.yaml"
  capabilities = ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
  parameters   = { CustomLambdaRole = aws_iam_role.this.arn }

  # A stack that could not be made goes again by itself: what is tainted would have to be destroyed,
  # and that is refused below. AWS keeps its events for 90 days.
  on_failure = "DELETE"

  tags = merge(local.tags, { "provisioner:address" = "${local.address}aws_cloudformation_stack.this" })

  # The function works, and the stack empties its bucket, with the role's rights.
  depends_on = [aws_iam_role_policy_attachment.this]

  lifecycle {
    # Clusters are changed and deleted through this stack's function and can't be handed over to another
    # one: without it they can only be taken apart by hand. CloudFormation knows nothing of that and
    # would delete it at once. The README says how a release is retired.
    prevent_destroy = true

    # AWS does not report it back: after an import it would force a new stack.
    ignore_changes = [on_failure]

    # The AWS provider reads a stack without looking at its status.
    postcondition {
      condition     = can(regex(":function:", self.outputs["ServiceToken"]))
      error_message = "The provider stack ${local.name} gives out no ServiceToken. Look at its events in CloudFormation; wait if it is still in progress."
    }
  }
}
