# Every rule of variables.tf refuses what breaks it: a run for each way in which all of its inputs are wrong at once.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = {
      partition  = "aws"
      dns_suffix = "amazonaws.com"
    }
  }
  mock_data "aws_caller_identity" {
    defaults = {
      account_id = "210987654321"
    }
  }
}

variables {
  image_uri        = "210987654321.dkr.ecr.eu-central-1.amazonaws.com/provisioner:1.2.0"
  caller_role_arns = ["arn:aws:iam::210987654321:role/workflow-service"]
  ground = {
    state_bucket        = "acme-states"
    lock_table          = "acme-locks"
    registry_table      = "acme-registry"
    public_bucket       = "acme-public"
    nodes_bucket        = "acme-nodes"
    accounting_database = "acme-accounting"
    accounting_function = "acme-accounts"
  }
}

run "refuses_what_is_too_small_or_missing" {
  command = plan

  variables {
    image_uri          = "210987654321.dkr.ecr.eu-central-1.amazonaws.com/provisioner"
    caller_role_arns   = []
    request_rate_per_s = 0
    request_burst      = 0
    api_memory_mib     = 128
    worker_memory_mib  = 1024
    worker_storage_mib = 511
    worker_timeout_s   = 60
    worker_concurrency = 1
    api_concurrency    = 0
    max_receives       = 1
    log_retention_days = 0
    name               = ""
    stage              = ""
  }

  expect_failures = [
    var.image_uri,
    var.caller_role_arns,
    var.request_rate_per_s,
    var.request_burst,
    var.api_memory_mib,
    var.worker_memory_mib,
    var.worker_storage_mib,
    var.worker_timeout_s,
    var.worker_concurrency,
    var.api_concurrency,
    var.max_receives,
    var.log_retention_days,
    var.name,
    var.stage,
  ]
}

run "refuses_what_is_too_large" {
  command = plan

  variables {
    request_rate_per_s = 10001
    request_burst      = 5001
    api_memory_mib     = 10241
    worker_memory_mib  = 10241
    worker_storage_mib = 10241
    worker_timeout_s   = 901
    worker_concurrency = 26
    api_concurrency    = 1001
    max_receives       = 101
    name               = "abcdefghijklmnopqrstuvwxyz"
    tags               = { long = format("%0257d", 0) }
    address            = format("a%0160d", 0)
  }

  expect_failures = [
    var.request_rate_per_s,
    var.request_burst,
    var.api_memory_mib,
    var.worker_memory_mib,
    var.worker_storage_mib,
    var.worker_timeout_s,
    var.worker_concurrency,
    var.api_concurrency,
    var.max_receives,
    var.name,
    var.tags,
    var.address,
  ]
}

run "refuses_what_is_of_another_kind" {
  command = plan

  variables {
    image_uri        = "docker.io/library/python:3.12"
    caller_role_arns = ["arn:aws:sts::210987654321:assumed-role/workflow/x"]
    ground = {
      state_bucket        = "arn:aws:s3:::states"
      lock_table          = "acme-locks"
      registry_table      = "acme-registry"
      public_bucket       = "acme-public"
      nodes_bucket        = "acme-nodes"
      accounting_database = "acme-accounting"
      accounting_function = "acme-accounts"
    }
    name                 = "Provisioner"
    settings             = { OS = "alinux2023" }
    stage                = "prod/v1"
    vpc_endpoint_ids     = ["execute-api"]
    api_concurrency      = 1.5
    schedules            = { sweep = "hourly" }
    event_bus_name       = "my bus"
    permissions_boundary = "boundary"
    kms_key_arn          = "arn:aws:kms:eu-central-1:210987654321:alias/provisioner"
    alarm_topic_arns     = ["alarms"]
    tags                 = { "aws:owner" = "me" }
    address              = "module.service[0]"
  }

  expect_failures = [
    var.image_uri,
    var.caller_role_arns,
    var.ground,
    var.name,
    var.settings,
    var.stage,
    var.vpc_endpoint_ids,
    var.api_concurrency,
    var.schedules,
    var.event_bus_name,
    var.permissions_boundary,
    var.kms_key_arn,
    var.alarm_topic_arns,
    var.tags,
    var.address,
  ]
}

run "refuses_what_says_too_much" {
  command = plan

  variables {
    caller_role_arns = ["arn:aws:iam::210987654321:role/*"]
    settings         = { home = "/var/task" }
    schedules        = { backup = "rate(1 day)" }
    tags             = { path = "a[0]" }
    address          = "module.service."
  }

  expect_failures = [
    var.caller_role_arns,
    var.settings,
    var.schedules,
    var.tags,
    var.address,
  ]
}

# docs/service.md says how such files come into the image.
run "takes_files_of_the_image" {
  command = plan

  variables {
    settings = {
      tiers    = "/opt/installation/tiers.yaml"
      prices   = "/opt/installation/prices.yaml"
      policies = "/opt/installation/policies"
    }
  }
}

run "refuses_tiers_that_the_image_does_not_hold" {
  command = plan

  variables {
    settings = { tiers = "tiers.yaml" }
  }

  expect_failures = [var.settings]
}

run "refuses_prices_that_the_image_does_not_hold" {
  command = plan

  variables {
    settings = { prices = "./prices.yaml" }
  }

  expect_failures = [var.settings]
}

run "refuses_policies_that_the_image_does_not_hold" {
  command = plan

  variables {
    settings = { policies = "policies" }
  }

  expect_failures = [var.settings]
}
