# The ground that all projects of one account and region stand on. Projects find it by its tags and names.

module "discovery" {
  source = "../../modules/discovery"
}

# Made by workspaces/bootstrap.
data "aws_kms_alias" "provisioner" {
  name = "alias/provisioner"
}

locals {
  tags    = merge(var.tags, module.discovery.managed_by)
  key_arn = data.aws_kms_alias.provisioner.target_key_arn
  peered  = var.main_vpc != null
}

module "network" {
  source = "../../modules/network"

  name                 = var.name
  zones                = [for letter in var.zone_letters : "${var.region}${letter}"]
  cidr_block           = var.vpc_cidr_block
  infrastructure_range = var.infrastructure_range
  project_ranges       = var.project_ranges

  login_nodes      = var.login_nodes
  extra_endpoints  = var.extra_endpoints
  readable_buckets = var.readable_buckets

  peer_cidr_blocks      = local.peered ? var.main_vpc.cidr_blocks : []
  peering_connection_id = local.peered ? module.peering[0].id : null
  workflow_clients      = var.workflow_clients
  slurm_rest_port       = var.slurm_rest_port

  flow_log_retention_days = var.log_retention_days
  kms_key_arn             = local.key_arn

  tags    = local.tags
  address = "module.network"
}

module "peering" {
  source    = "../../modules/peering"
  count     = local.peered ? 1 : 0
  providers = { aws = aws, aws.main = aws.main }

  name           = "${var.name}-main"
  vpc_id         = module.network.vpc_id
  cidr_block     = var.vpc_cidr_block
  project_ranges = var.project_ranges
  main_vpc       = var.main_vpc

  # What is shared talks to nobody outside; only head nodes answer the main VPC.
  route_table_ids = { projects = module.network.project_route_table_id }

  tags    = local.tags
  address = "module.peering.0"
}

module "slurm_accounting" {
  source = "../../modules/slurm-accounting"

  name                = var.accounting_database
  vpc_id              = module.network.vpc_id
  database_subnet_ids = module.network.database_subnet_ids

  instance_class            = var.database.instance_class
  max_allocated_storage_gib = var.database.max_allocated_storage_gib
  multi_az                  = var.database.multi_az
  performance_insights      = var.database.performance_insights
  apply_immediately         = var.database.apply_immediately
  deletion_protection       = var.database.deletion_protection
  kms_key_arn               = local.key_arn

  function_name                     = var.accounting_function
  function_concurrency              = var.function_concurrency
  function_package                  = var.function_package
  function_subnet_ids               = module.network.function_subnet_ids
  endpoint_access_security_group_id = module.network.endpoint_access_security_group_id

  log_retention_days = var.log_retention_days
  log_kms_key_arn    = local.key_arn

  tags    = local.tags
  address = "module.slurm_accounting"
}

# Versions stand side by side: a cluster is changed and deleted by the provider it was made with.
module "pcluster_provider" {
  source   = "../../modules/pcluster-provider"
  for_each = var.pcluster_versions

  pcluster_version     = each.key
  permissions_boundary = var.permissions_boundary

  tags    = local.tags
  address = "module.pcluster_provider.${each.key}"
}

module "public_data" {
  source = "../../modules/bucket"

  name = coalesce(var.public_bucket, "provisioner-public-${var.account_id}-${var.region}")

  tags    = local.tags
  address = "module.public_data"
}

# What nodes cannot fetch from the Internet, which they never reach: packages, and the keys of those who may
# sign in. Root on the nodes installs what lies here.
module "nodes_bucket" {
  source = "../../modules/bucket"

  name = coalesce(var.nodes_bucket, "provisioner-nodes-${var.account_id}-${var.region}")

  tags    = local.tags
  address = "module.nodes_bucket"
}

module "observability" {
  source = "../../modules/observability"

  name                = var.name
  database            = var.accounting_database
  accounting_function = var.accounting_function
  # What modules/service calls them under the same name.
  api_function      = "${var.name}-api"
  worker_function   = "${var.name}-worker"
  queue             = "${var.name}-operations.fifo"
  dead_letter_queue = "${var.name}-operations-dead.fifo"
  alarm_emails      = var.alarm_emails
  # It follows from the class: a larger one takes more, and this would cry wolf.
  database_connections_max = var.database.max_connections_alarm
  log_retention_days       = var.log_retention_days

  tags    = local.tags
  address = "module.observability"
}
