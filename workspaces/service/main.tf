# The service on the ground that workspaces/bootstrap and workspaces/shared have made. Every data source fails
# where its root was not applied yet.

module "discovery" {
  source = "../../modules/discovery"
}

# --- made by workspaces/bootstrap

data "aws_kms_alias" "provisioner" {
  name = "alias/provisioner"
}

data "aws_dynamodb_table" "registry" {
  name = var.registry_table
}

# A tag never moves in this repository; the functions are pinned to the digest behind it.
data "aws_ecr_image" "provisioner" {
  repository_name = "provisioner"
  image_tag       = var.image_tag
}

# --- made by workspaces/shared

data "aws_sns_topic" "alarms" {
  name = "${var.name}-alarms"
}

data "aws_cloudwatch_log_group" "function" {
  for_each = toset(["api", "worker"])

  name = "/aws/lambda/${var.name}-${each.key}"

  lifecycle {
    postcondition {
      condition     = self.retention_in_days > 0
      error_message = "The log group of the ${each.key} function keeps its logs for ever: apply workspaces/shared first, which makes it."
    }
  }
}

# Data that is due goes, and keys are as new as the identity provider's, without anybody's having thought of it.
locals {
  default_schedules = merge(
    { sweep = "rate(1 hour)" },
    contains(keys(var.settings), "jwks_url") ? { keys = "rate(1 hour)" } : {},
  )
  schedules = { for name, when in merge(local.default_schedules, var.schedules) : name => when if when != null }
}

module "service" {
  source = "../../modules/service"

  name             = var.name
  image_uri        = data.aws_ecr_image.provisioner.image_uri
  caller_role_arns = var.caller_role_arns
  vpc_endpoint_ids = var.vpc_endpoint_ids

  ground = {
    state_bucket        = coalesce(var.state_bucket, "provisioner-state-${var.account_id}-${var.region}")
    lock_table          = var.lock_table
    registry_table      = data.aws_dynamodb_table.registry.name
    public_bucket       = coalesce(var.public_bucket, "provisioner-public-${var.account_id}-${var.region}")
    nodes_bucket        = coalesce(var.nodes_bucket, "provisioner-nodes-${var.account_id}-${var.region}")
    accounting_database = var.accounting_database
    accounting_function = var.accounting_function
  }
  settings = var.settings

  request_rate_per_s     = var.requests.rate_per_s
  request_burst          = var.requests.burst
  api_concurrency        = var.requests.concurrency
  worker_concurrency     = var.worker.concurrency
  worker_memory_mib      = var.worker.memory_mib
  worker_storage_mib     = var.worker.storage_mib
  reserve_concurrency    = var.reserve_concurrency
  schedules              = local.schedules
  event_bus_name         = var.event_bus_name
  manage_account_logging = var.manage_account_logging
  permissions_boundary   = var.permissions_boundary

  kms_key_arn        = data.aws_kms_alias.provisioner.target_key_arn
  alarm_topic_arns   = [data.aws_sns_topic.alarms.arn]
  log_retention_days = var.log_retention_days

  tags    = merge(var.tags, module.discovery.managed_by)
  address = "module.service"

  # The functions' first lines go to these.
  depends_on = [data.aws_cloudwatch_log_group.function]
}
