# Every rule of variables.tf refuses what breaks it. A run fails unless each variable it lists is refused.

mock_provider "aws" {}

variables {
  vpc_id                            = "vpc-0123456789abcdef0"
  database_subnet_ids               = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  function_subnet_ids               = ["subnet-0123456789abcdef2"]
  endpoint_access_security_group_id = "sg-0123456789abcdef0"
  function_package                  = "versions.tf"
}

run "refuses_values_of_another_kind" {
  command = plan

  variables {
    vpc_id                            = "eni-0123456789abcdef0"
    database_subnet_ids               = ["subnet-0123456789abcdef0", "vpc-0123456789abcdef0"]
    function_subnet_ids               = ["10.42.2.0/24"]
    endpoint_access_security_group_id = "default"
    function_package                  = "no/such/package.zip"
    name                              = "Accounting"
    function_name                     = "provisioner.accounting"
    function_concurrency              = 1.5
    function_ca_file                  = "rds-ca.pem"
    instance_class                    = "t4g.large"
    allocated_storage_gib             = 20.5
    engine_version                    = "11"
    backup_retention_days             = 1.5
    backup_window                     = "sun:02:00-sun:03:00"
    maintenance_window                = "04:00-05:00"
    final_snapshot_identifier         = "the--last"
    kms_key_arn                       = "arn:aws:kms:us-east-1:123456789012:alias/provisioner"
    log_kms_key_arn                   = "arn:aws:kms:us-east-1:123456789012:alias/provisioner"
    log_retention_days                = 100
    monitoring_interval_s             = 20
    ca_certificate_identifier         = "rds-ca-2019"
    tags                              = { path = "a[0]" }
    address                           = "module.subnet[0]"
  }

  expect_failures = [
    var.vpc_id,
    var.database_subnet_ids,
    var.function_subnet_ids,
    var.endpoint_access_security_group_id,
    var.function_package,
    var.name,
    var.function_name,
    var.function_concurrency,
    var.function_ca_file,
    var.instance_class,
    var.allocated_storage_gib,
    var.engine_version,
    var.backup_retention_days,
    var.backup_window,
    var.maintenance_window,
    var.final_snapshot_identifier,
    var.kms_key_arn,
    var.log_kms_key_arn,
    var.log_retention_days,
    var.monitoring_interval_s,
    var.ca_certificate_identifier,
    var.tags,
    var.address,
  ]
}

run "refuses_too_few_or_too_many" {
  command = plan

  variables {
    database_subnet_ids       = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef0"]
    function_subnet_ids       = []
    name                      = format("a%035d", 0)
    function_name             = format("a%040d", 0)
    function_concurrency      = 0
    max_allocated_storage_gib = 21
    backup_retention_days     = 0
    final_snapshot_identifier = format("a%0255d", 0)
    log_retention_days        = 7
    tags                      = { long = format("%0257d", 0) }
    address                   = format("a%0160d", 0)
  }

  expect_failures = [
    var.database_subnet_ids,
    var.function_subnet_ids,
    var.name,
    var.function_name,
    var.function_concurrency,
    var.max_allocated_storage_gib,
    var.backup_retention_days,
    var.final_snapshot_identifier,
    var.log_retention_days,
    var.tags,
    var.address,
  ]
}

run "refuses_what_aws_or_slurm_does_not_take" {
  command = plan

  variables {
    name                  = "slurm--accounting"
    allocated_storage_gib = 10
    engine_version        = "11.8"
    backup_retention_days = 36
    maintenance_window    = "Sun:04:00-Sun:05:00"
    tags                  = { "aws:owner" = "me" }
    address               = "module.subnet."
  }

  expect_failures = [
    var.name,
    var.allocated_storage_gib,
    var.engine_version,
    var.backup_retention_days,
    var.maintenance_window,
    var.tags,
    var.address,
  ]
}
