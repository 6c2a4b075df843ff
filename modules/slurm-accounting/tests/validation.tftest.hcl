# Every rule of variables.tf refuses what breaks it.

mock_provider "aws" {}

variables {
  vpc_id                            = "vpc-0123456789abcdef0"
  database_subnet_ids               = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  function_subnet_ids               = ["subnet-0123456789abcdef2"]
  endpoint_access_security_group_id = "sg-0123456789abcdef0"
  function_package                  = "versions.tf"
}

run "refuses_vpc_id_of_another_kind" {
  command = plan

  variables {
    vpc_id = "eni-0123456789abcdef0"
  }

  expect_failures = [var.vpc_id]
}

run "refuses_one_database_subnet" {
  command = plan

  variables {
    database_subnet_ids = ["subnet-0123456789abcdef0"]
  }

  expect_failures = [var.database_subnet_ids]
}

run "refuses_the_same_database_subnet_twice" {
  command = plan

  variables {
    database_subnet_ids = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef0"]
  }

  expect_failures = [var.database_subnet_ids]
}

run "refuses_database_subnet_ids_of_another_kind" {
  command = plan

  variables {
    database_subnet_ids = ["subnet-0123456789abcdef0", "vpc-0123456789abcdef0"]
  }

  expect_failures = [var.database_subnet_ids]
}

run "refuses_no_function_subnet" {
  command = plan

  variables {
    function_subnet_ids = []
  }

  expect_failures = [var.function_subnet_ids]
}

run "refuses_function_subnet_ids_of_another_kind" {
  command = plan

  variables {
    function_subnet_ids = ["10.42.2.0/24"]
  }

  expect_failures = [var.function_subnet_ids]
}

run "refuses_endpoint_access_security_group_id_of_another_kind" {
  command = plan

  variables {
    endpoint_access_security_group_id = "default"
  }

  expect_failures = [var.endpoint_access_security_group_id]
}

run "refuses_function_package_that_was_not_built" {
  command = plan

  variables {
    function_package = "no/such/package.zip"
  }

  expect_failures = [var.function_package]
}

run "refuses_name_with_upper_case" {
  command = plan

  variables {
    name = "Accounting"
  }

  expect_failures = [var.name]
}

run "refuses_name_with_two_hyphens" {
  command = plan

  variables {
    name = "slurm--accounting"
  }

  expect_failures = [var.name]
}

run "refuses_name_of_36_characters" {
  command = plan

  variables {
    name = format("a%035d", 0)
  }

  expect_failures = [var.name]
}

run "refuses_function_name_with_a_dot" {
  command = plan

  variables {
    function_name = "provisioner.accounting"
  }

  expect_failures = [var.function_name]
}

run "refuses_function_name_of_41_characters" {
  command = plan

  variables {
    function_name = format("a%040d", 0)
  }

  expect_failures = [var.function_name]
}

run "refuses_function_concurrency_zero" {
  command = plan

  variables {
    function_concurrency = 0
  }

  expect_failures = [var.function_concurrency]
}

run "refuses_function_concurrency_in_parts" {
  command = plan

  variables {
    function_concurrency = 1.5
  }

  expect_failures = [var.function_concurrency]
}

run "refuses_function_ca_file_without_a_folder" {
  command = plan

  variables {
    function_ca_file = "rds-ca.pem"
  }

  expect_failures = [var.function_ca_file]
}

run "refuses_instance_class_of_ec2" {
  command = plan

  variables {
    instance_class = "t4g.large"
  }

  expect_failures = [var.instance_class]
}

run "refuses_allocated_storage_gib_below_gp3" {
  command = plan

  variables {
    allocated_storage_gib = 10
  }

  expect_failures = [var.allocated_storage_gib]
}

run "refuses_max_allocated_storage_gib_that_hardly_grows" {
  command = plan

  variables {
    max_allocated_storage_gib = 21
  }

  expect_failures = [var.max_allocated_storage_gib]
}

run "refuses_engine_version_that_slurmdbd_is_not_ready_for" {
  command = plan

  variables {
    engine_version = "11.8"
  }

  expect_failures = [var.engine_version]
}

run "refuses_engine_version_without_a_major_version" {
  command = plan

  variables {
    engine_version = "11"
  }

  expect_failures = [var.engine_version]
}

run "refuses_backup_retention_days_zero" {
  command = plan

  variables {
    backup_retention_days = 0
  }

  expect_failures = [var.backup_retention_days]
}

run "refuses_backup_retention_days_36" {
  command = plan

  variables {
    backup_retention_days = 36
  }

  expect_failures = [var.backup_retention_days]
}

run "refuses_backup_window_with_a_day" {
  command = plan

  variables {
    backup_window = "sun:02:00-sun:03:00"
  }

  expect_failures = [var.backup_window]
}

run "refuses_maintenance_window_in_upper_case" {
  command = plan

  variables {
    maintenance_window = "Sun:04:00-Sun:05:00"
  }

  expect_failures = [var.maintenance_window]
}

run "refuses_maintenance_window_without_a_day" {
  command = plan

  variables {
    maintenance_window = "04:00-05:00"
  }

  expect_failures = [var.maintenance_window]
}

run "refuses_final_snapshot_identifier_with_two_hyphens" {
  command = plan

  variables {
    final_snapshot_identifier = "the--last"
  }

  expect_failures = [var.final_snapshot_identifier]
}

run "refuses_kms_key_arn_of_an_alias" {
  command = plan

  variables {
    kms_key_arn = "arn:aws:kms:us-east-1:123456789012:alias/provisioner"
  }

  expect_failures = [var.kms_key_arn]
}

run "refuses_log_kms_key_arn_of_an_alias" {
  command = plan

  variables {
    log_kms_key_arn = "arn:aws:kms:us-east-1:123456789012:alias/provisioner"
  }

  expect_failures = [var.log_kms_key_arn]
}

run "refuses_log_retention_days_that_cloudwatch_does_not_have" {
  command = plan

  variables {
    log_retention_days = 100
  }

  expect_failures = [var.log_retention_days]
}

run "refuses_log_retention_days_too_few" {
  command = plan

  variables {
    log_retention_days = 7
  }

  expect_failures = [var.log_retention_days]
}

run "refuses_monitoring_interval_s_that_rds_does_not_have" {
  command = plan

  variables {
    monitoring_interval_s = 20
  }

  expect_failures = [var.monitoring_interval_s]
}

run "refuses_ca_certificate_identifier_that_has_ended" {
  command = plan

  variables {
    ca_certificate_identifier = "rds-ca-2019"
  }

  expect_failures = [var.ca_certificate_identifier]
}

run "refuses_tag_key_of_aws" {
  command = plan

  variables {
    tags = { "aws:owner" = "me" }
  }

  expect_failures = [var.tags]
}

run "refuses_tag_value_with_brackets" {
  command = plan

  variables {
    tags = { path = "a[0]" }
  }

  expect_failures = [var.tags]
}

run "refuses_tag_value_of_257_characters" {
  command = plan

  variables {
    tags = { long = format("%0257d", 0) }
  }

  expect_failures = [var.tags]
}

run "refuses_address_with_brackets" {
  command = plan

  variables {
    address = "module.subnet[0]"
  }

  expect_failures = [var.address]
}

run "refuses_address_that_ends_in_a_dot" {
  command = plan

  variables {
    address = "module.subnet."
  }

  expect_failures = [var.address]
}
