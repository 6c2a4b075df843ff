# Every rule of variables.tf refuses what breaks it.

mock_provider "aws" {}

variables {
  name           = "provisioner"
  state_bucket   = "provisioner-state-123456789012-eu-central-1"
  lock_table     = "provisioner-terraform-locks"
  registry_table = "provisioner-registry"
}

run "refuses_name_with_upper_case" {
  command = plan

  variables {
    name = "Provisioner"
  }

  expect_failures = [var.name]
}

run "refuses_name_with_a_slash" {
  command = plan

  variables {
    name = "aws/provisioner"
  }

  expect_failures = [var.name]
}

run "refuses_name_of_1_character" {
  command = plan

  variables {
    name = "p"
  }

  expect_failures = [var.name]
}

run "refuses_name_of_65_characters" {
  command = plan

  variables {
    name = format("a%064d", 0)
  }

  expect_failures = [var.name]
}

run "refuses_state_bucket_with_upper_case" {
  command = plan

  variables {
    state_bucket = "States"
  }

  expect_failures = [var.state_bucket]
}

run "refuses_state_bucket_with_an_empty_part" {
  command = plan

  variables {
    state_bucket = "states..acme"
  }

  expect_failures = [var.state_bucket]
}

run "refuses_state_bucket_of_2_characters" {
  command = plan

  variables {
    state_bucket = "ab"
  }

  expect_failures = [var.state_bucket]
}

run "refuses_state_bucket_of_64_characters" {
  command = plan

  variables {
    state_bucket = format("a%063d", 0)
  }

  expect_failures = [var.state_bucket]
}

run "refuses_state_bucket_with_reserved_prefix" {
  command = plan

  variables {
    state_bucket = "xn--states"
  }

  expect_failures = [var.state_bucket]
}

run "refuses_state_bucket_with_reserved_suffix" {
  command = plan

  variables {
    state_bucket = "states-s3alias"
  }

  expect_failures = [var.state_bucket]
}

run "refuses_lock_table_of_2_characters" {
  command = plan

  variables {
    lock_table = "ab"
  }

  expect_failures = [var.lock_table]
}

run "refuses_lock_table_with_blank" {
  command = plan

  variables {
    lock_table = "my locks"
  }

  expect_failures = [var.lock_table]
}

run "refuses_registry_table_with_slash" {
  command = plan

  variables {
    registry_table = "a/registry"
  }

  expect_failures = [var.registry_table]
}

run "refuses_registry_table_that_is_the_lock_table" {
  command = plan

  variables {
    registry_table = "provisioner-terraform-locks"
  }

  expect_failures = [var.registry_table]
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

run "refuses_plan_days_of_0" {
  command = plan

  variables {
    plan_days = 0
  }

  expect_failures = [var.plan_days]
}

run "refuses_plan_days_of_91" {
  command = plan

  variables {
    plan_days = 91
  }

  expect_failures = [var.plan_days]
}
