# Every rule of variables.tf refuses what breaks it.

mock_provider "aws" {}

variables {
  name          = "pc-lab-1-proj-1-abcdefghij"
  cluster_name  = "pc-lab-1-proj-1-abcdefghij"
  stack_name    = "pc-lab-1-proj-1-abcdefghij-stack"
  service_token = "arn:aws:lambda:us-east-1:123456789012:function:pcluster-cfn-0a1b2c3d"
  vpc_id        = "vpc-0123456789abcdef0"
  cluster_configuration = {
    Image      = { Os = "alinux2023" }
    HeadNode   = { InstanceType = "t3.medium" }
    Scheduling = { Scheduler = "slurm" }
  }
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

run "refuses_cluster_name_of_41_characters" {
  command = plan

  variables {
    cluster_name = format("a%040d", 0)
  }

  expect_failures = [var.cluster_name]
}

run "refuses_cluster_name_with_underscore" {
  command = plan

  variables {
    cluster_name = "pc_lab"
  }

  expect_failures = [var.cluster_name]
}

run "refuses_stack_name_with_underscore" {
  command = plan

  variables {
    stack_name = "pc_stack"
  }

  expect_failures = [var.stack_name]
}

run "refuses_stack_name_that_is_the_cluster_name" {
  command = plan

  variables {
    stack_name = "pc-lab-1-proj-1-abcdefghij"
  }

  expect_failures = [var.stack_name]
}

run "refuses_service_token_that_is_no_function" {
  command = plan

  variables {
    service_token = "arn:aws:s3:::bucket"
  }

  expect_failures = [var.service_token]
}

run "refuses_configuration_as_text" {
  command = plan

  variables {
    cluster_configuration = "Image: {Os: alinux2023}"
  }

  expect_failures = [var.cluster_configuration]
}

run "refuses_configuration_without_scheduling" {
  command = plan

  variables {
    cluster_configuration = {
      Image    = { Os = "alinux2023" }
      HeadNode = { InstanceType = "t3.medium" }
    }
  }

  expect_failures = [var.cluster_configuration]
}

run "refuses_vpc_id_of_another_kind" {
  command = plan

  variables {
    vpc_id = "eni-0123456789abcdef0"
  }

  expect_failures = [var.vpc_id]
}

run "refuses_vpc_id_too_short" {
  command = plan

  variables {
    vpc_id = "vpc-0123"
  }

  expect_failures = [var.vpc_id]
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

run "refuses_name_tag_on_the_stack" {
  command = plan

  variables {
    tags = { Name = "head" }
  }

  expect_failures = [var.tags]
}

run "refuses_tag_that_parallelcluster_keeps" {
  command = plan

  variables {
    tags = { "parallelcluster:version" = "1" }
  }

  expect_failures = [var.tags]
}
