# Every rule of variables.tf refuses what breaks it.

mock_provider "aws" {}

variables {
  name          = "pc-lab-1-proj-1-abcdefghij"
  function_name = "provisioner-accounting"
  database      = "pc_lab_1_proj_1_abcdefghij"
  user          = "slurm_abcdefghij"
}

run "refuses_name_with_upper_case" {
  command = plan

  variables {
    name     = "PC"
    database = "PC"
    user     = "slurm_x"
  }

  expect_failures = [var.name]
}

run "refuses_name_of_41_characters" {
  command = plan

  variables {
    name     = format("a%040d", 0)
    database = format("a%040d", 0)
    user     = "slurm_x"
  }

  expect_failures = [var.name]
}

run "refuses_a_function_by_its_arn" {
  command = plan

  variables {
    function_name = "arn:aws:lambda:us-east-1:123456789012:function:f"
  }

  expect_failures = [var.function_name]
}

run "refuses_function_name_of_65_characters" {
  command = plan

  variables {
    function_name = format("a%064d", 0)
  }

  expect_failures = [var.function_name]
}

run "refuses_the_database_of_another_project" {
  command = plan

  variables {
    database = "pc_lab_1_proj_2_abcdefghij"
  }

  expect_failures = [var.database]
}

run "refuses_a_database_with_hyphens" {
  command = plan

  variables {
    database = "pc-lab-1-proj-1-abcdefghij"
  }

  expect_failures = [var.database]
}

run "refuses_the_user_of_another_project" {
  command = plan

  variables {
    user = "slurm_abcdefghik"
  }

  expect_failures = [var.user]
}

run "refuses_a_user_that_is_not_slurms" {
  command = plan

  variables {
    user = "root_abcdefghij"
  }

  expect_failures = [var.user]
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
