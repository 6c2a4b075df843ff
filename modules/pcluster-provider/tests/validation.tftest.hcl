# Every rule of variables.tf refuses what breaks it.

mock_provider "aws" {}

variables {
  pcluster_version = "3.16.1"
}

run "refuses_version_without_a_provider" {
  command = plan

  variables {
    pcluster_version = "3.5.1"
  }

  expect_failures = [var.pcluster_version]
}

run "refuses_version_of_two_parts" {
  command = plan

  variables {
    pcluster_version = "3.16"
  }

  expect_failures = [var.pcluster_version]
}

run "refuses_version_2" {
  command = plan

  variables {
    pcluster_version = "2.11.0"
  }

  expect_failures = [var.pcluster_version]
}

run "refuses_name_that_does_not_start_like_its_bucket" {
  command = plan

  variables {
    name = "provider-3-16-1"
  }

  expect_failures = [var.name]
}

run "refuses_name_with_upper_case" {
  command = plan

  variables {
    name = "parallelcluster-Provider-3-16-1"
  }

  expect_failures = [var.name]
}

run "refuses_name_without_the_version" {
  command = plan

  variables {
    name = "parallelcluster-provider"
  }

  expect_failures = [var.name]
}

run "refuses_name_of_another_version" {
  command = plan

  variables {
    name = "parallelcluster-provider-3-16-3"
  }

  expect_failures = [var.name]
}

run "refuses_name_of_42_characters" {
  command = plan

  variables {
    name = "parallelcluster-abcdefghijklmnopqrs-3-16-1"
  }

  expect_failures = [var.name]
}

run "refuses_cluster_prefix_that_ends_in_a_letter" {
  command = plan

  variables {
    cluster_prefix = "pc"
  }

  expect_failures = [var.cluster_prefix]
}

run "refuses_cluster_prefix_that_is_empty" {
  command = plan

  variables {
    cluster_prefix = ""
  }

  expect_failures = [var.cluster_prefix]
}

run "refuses_cluster_prefix_with_a_wildcard" {
  command = plan

  variables {
    cluster_prefix = "*-"
  }

  expect_failures = [var.cluster_prefix]
}

run "refuses_scripts_prefix_with_a_slash_at_its_end" {
  command = plan

  variables {
    scripts_prefix = "scripts/"
  }

  expect_failures = [var.scripts_prefix]
}

run "refuses_node_policy_that_is_a_name" {
  command = plan

  variables {
    node_policy_arns = ["AmazonSSMManagedInstanceCore"]
  }

  expect_failures = [var.node_policy_arns]
}

run "refuses_node_policy_with_a_wildcard" {
  command = plan

  variables {
    node_policy_arns = ["arn:aws:iam::aws:policy/*"]
  }

  expect_failures = [var.node_policy_arns]
}

run "refuses_boundary_that_is_a_name" {
  command = plan

  variables {
    permissions_boundary = "boundary"
  }

  expect_failures = [var.permissions_boundary]
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
    address = "module.provider[0]"
  }

  expect_failures = [var.address]
}

run "refuses_address_that_ends_in_a_dot" {
  command = plan

  variables {
    address = "module.provider."
  }

  expect_failures = [var.address]
}
