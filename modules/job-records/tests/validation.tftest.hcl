# Every rule of variables.tf refuses what breaks it.

mock_provider "aws" {}

variables {
  name      = "pc-lab-1-proj-1-abcdefghij"
  log_group = "/provisioner/pc-lab-1-proj-1-abcdefghij/jobs"
}

run "refuses_name_with_underscore" {
  command = plan

  variables {
    name = "lab_1"
  }

  expect_failures = [var.name]
}

run "refuses_name_of_61_characters" {
  command = plan

  variables {
    name = format("a%060d", 0)
  }

  expect_failures = [var.name]
}

run "refuses_log_group_with_a_blank" {
  command = plan

  variables {
    log_group = "/provisioner/job records"
  }

  expect_failures = [var.log_group]
}

run "refuses_log_group_of_aws" {
  command = plan

  variables {
    log_group = "aws/jobs"
  }

  expect_failures = [var.log_group]
}

run "refuses_days_that_cloudwatch_does_not_know" {
  command = plan

  variables {
    retention_days = 91
  }

  expect_failures = [var.retention_days]
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
