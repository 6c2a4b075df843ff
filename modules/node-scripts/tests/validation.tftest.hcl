# Every rule of variables.tf refuses what breaks it.

mock_provider "aws" {}

variables {
  name   = "pc-lab-1-proj-1-abcdefghij"
  bucket = "project-data"
  config = "{}"
}

run "refuses_config_that_is_no_json" {
  command = plan

  variables {
    config = "storage: efs"
  }

  expect_failures = [var.config]
}

run "refuses_config_that_is_no_object" {
  command = plan

  variables {
    config = "[]"
  }

  expect_failures = [var.config]
}

run "refuses_name_with_underscore" {
  command = plan

  variables {
    name = "pc_lab"
  }

  expect_failures = [var.name]
}

run "refuses_name_that_starts_with_a_digit" {
  command = plan

  variables {
    name = "1-lab"
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

run "refuses_bucket_as_uri" {
  command = plan

  variables {
    bucket = "s3://project-data"
  }

  expect_failures = [var.bucket]
}

run "refuses_prefix_with_slash_behind" {
  command = plan

  variables {
    prefix = "scripts/"
  }

  expect_failures = [var.prefix]
}

run "refuses_prefix_empty" {
  command = plan

  variables {
    prefix = ""
  }

  expect_failures = [var.prefix]
}

run "refuses_prefix_of_513_characters" {
  command = plan

  variables {
    prefix = format("%0513d", 0)
  }

  expect_failures = [var.prefix]
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
