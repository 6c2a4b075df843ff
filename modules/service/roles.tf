# What the functions may do. The documents are those of docs/policies, where tests hold them against every call
# that the engine makes; here they get the names of this installation.

locals {
  documents = {
    api    = ["service-api"]
    worker = ["pipeline-apply", "pipeline-apply-storage", "pipeline-plan", "reader", "service-worker"]
  }
  attached = merge([
    for role, names in local.documents : { for name in names : "${role}-${name}" => { role = role, name = name } }
  ]...)

  # Name in the documents -> name here. A bucket's name may hold account and region: they are filled in first.
  policies = { for key, one in local.attached : key => jsonencode(jsondecode(
    replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(
      file("${path.module}/policies/${one.name}.json"),
      "provisioner-state-<account>-<region>", var.ground.state_bucket),
      "provisioner-public-<account>-<region>", var.ground.public_bucket),
      "provisioner-nodes-<account>-<region>", var.ground.nodes_bucket),
      "table/provisioner-terraform-locks", "table/${var.ground.lock_table}"),
      "table/provisioner-registry", "table/${var.ground.registry_table}"),
      "db:provisioner-slurm-accounting", "db:${var.ground.accounting_database}"),
      "function:provisioner-accounting", "function:${var.ground.accounting_function}"),
      "/aws/lambda/provisioner-", "/aws/lambda/${var.name}-"),
      ":provisioner-operations.fifo", ":${local.queue_name}"),
      "<account>", local.account),
    "<region>", local.region)
  )) }

  # Both roles: events for those who listen, and the queue's own key.
  optional = concat(
    var.event_bus_name == null ? [] : [{
      Sid      = "TellOfPhases"
      Effect   = "Allow"
      Action   = "events:PutEvents"
      Resource = "${local.here.events}:event-bus/${var.event_bus_name}"
    }],
    var.kms_key_arn == null ? [] : [{
      # Lambda decrypts the environment in the name of who makes the function, not of its role.
      Sid      = "ReadAndWriteTheQueue"
      Effect   = "Allow"
      Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource = var.kms_key_arn
      # No document says which suffix KMS sees in China.
      Condition = {
        StringEquals = {
          "kms:ViaService" = [for suffix in toset(["amazonaws.com", data.aws_partition.this.dns_suffix]) : "sqs.${local.region}.${suffix}"]
        }
      }
    }],
  )
}

resource "aws_iam_role" "function" {
  for_each = local.functions

  name                 = "${each.value.name}-${local.region}"
  description          = "What the function ${each.value.name} may do"
  permissions_boundary = var.permissions_boundary
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })

  tags = merge(local.tags, {
    Name                  = each.value.name
    "provisioner:address" = "${local.address}aws_iam_role.function.${each.key}"
  })
}

# Managed policies: together they are longer than what IAM takes inside a role.
resource "aws_iam_policy" "function" {
  for_each = local.attached

  name        = "${var.name}-${each.key}-${local.region}"
  description = "${each.value.name} of docs/policies, for the function ${local.functions[each.value.role].name}"
  policy      = replace(local.policies[each.key], "arn:aws:", "arn:${local.partition}:")

  tags = merge(local.tags, {
    Name                  = "${var.name}-${each.key}"
    "provisioner:address" = "${local.address}aws_iam_policy.function.${each.key}"
  })
}

resource "aws_iam_role_policy_attachment" "function" {
  for_each = local.attached

  role       = aws_iam_role.function[each.value.role].name
  policy_arn = aws_iam_policy.function[each.key].arn
}

resource "aws_iam_role_policy" "optional" {
  for_each = length(local.optional) == 0 ? {} : local.functions

  name   = "events-and-keys"
  role   = aws_iam_role.function[each.key].name
  policy = jsonencode({ Version = "2012-10-17", Statement = local.optional })
}
