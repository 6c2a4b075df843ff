# Every rule of variables.tf refuses what breaks it.

mock_provider "aws" {}

variables {
  name = "pc-123456789012-lab-1-proj-1-abcdefghij"
}

run "refuses_name_with_upper_case" {
  command = plan

  variables {
    name = "Project-Data"
  }

  expect_failures = [var.name]
}

run "refuses_name_with_dots" {
  command = plan

  variables {
    name = "project.data"
  }

  expect_failures = [var.name]
}

run "refuses_name_with_underscore" {
  command = plan

  variables {
    name = "project_data"
  }

  expect_failures = [var.name]
}

run "refuses_name_of_2_characters" {
  command = plan

  variables {
    name = "ab"
  }

  expect_failures = [var.name]
}

run "refuses_name_of_64_characters" {
  command = plan

  variables {
    name = format("a%063d", 0)
  }

  expect_failures = [var.name]
}

run "refuses_name_that_ends_in_a_hyphen" {
  command = plan

  variables {
    name = "project-"
  }

  expect_failures = [var.name]
}

run "refuses_name_with_reserved_prefix" {
  command = plan

  variables {
    name = "xn--project"
  }

  expect_failures = [var.name]
}

run "refuses_name_with_reserved_suffix" {
  command = plan

  variables {
    name = "project-s3alias"
  }

  expect_failures = [var.name]
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
