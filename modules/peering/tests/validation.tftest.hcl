# Every rule of variables.tf refuses what breaks it, and so do the rules about the providers.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = {
      account_id = "123456789012"
    }
  }
  mock_data "aws_region" {
    defaults = {
      name = "us-east-1"
    }
  }
  mock_resource "aws_vpc_peering_connection" {
    defaults = {
      id = "pcx-0123456789abcdef0"
    }
    override_during = plan
  }
}

mock_provider "aws" {
  alias = "main"

  mock_data "aws_caller_identity" {
    defaults = {
      account_id = "210987654321"
    }
  }
  mock_data "aws_region" {
    defaults = {
      name = "us-east-1"
    }
  }
  mock_resource "aws_vpc_peering_connection_accepter" {
    defaults = {
      id = "pcx-0123456789abcdef0"
    }
    override_during = plan
  }
}

variables {
  name            = "provisioner-main"
  vpc_id          = "vpc-0123456789abcdef0"
  cidr_block      = "10.42.0.0/16"
  project_ranges  = ["10.42.64.0/18", "10.42.128.0/17"]
  route_table_ids = { projects = "rtb-0123456789abcdef0" }
  main_vpc = {
    vpc_id          = "vpc-0fedcba9876543210"
    account_id      = "210987654321"
    cidr_blocks     = ["10.0.16.0/20", "10.0.32.0/20"]
    route_table_ids = { service = "rtb-0fedcba9876543210" }
  }
}

run "refuses_name_with_underscore" {
  command = plan

  variables {
    name = "to_main"
  }

  expect_failures = [var.name]
}

run "refuses_vpc_id_of_another_kind" {
  command = plan

  variables {
    vpc_id = "eni-0123456789abcdef0"
  }

  expect_failures = [var.vpc_id]
}

run "refuses_block_with_host_bits" {
  command = plan

  variables {
    cidr_block = "10.42.0.1/16"
  }

  expect_failures = [var.cidr_block]
}

run "refuses_no_project_ranges" {
  command = plan

  variables {
    project_ranges = []
  }

  expect_failures = [var.project_ranges]
}

run "refuses_project_range_outside" {
  command = plan

  variables {
    project_ranges = ["10.43.64.0/18"]
  }

  expect_failures = [var.project_ranges]
}

run "refuses_project_range_larger_than_the_block" {
  command = plan

  variables {
    project_ranges = ["10.0.0.0/8"]
  }

  expect_failures = [var.project_ranges]
}

run "refuses_no_route_tables" {
  command = plan

  variables {
    route_table_ids = {}
  }

  expect_failures = [var.route_table_ids]
}

run "refuses_route_table_of_another_kind" {
  command = plan

  variables {
    route_table_ids = { projects = "subnet-0123456789abcdef0" }
  }

  expect_failures = [var.route_table_ids]
}

run "refuses_the_vpc_itself" {
  command = plan

  variables {
    main_vpc = {
      vpc_id          = "vpc-0123456789abcdef0"
      account_id      = "210987654321"
      cidr_blocks     = ["10.0.16.0/20"]
      route_table_ids = { service = "rtb-0fedcba9876543210" }
    }
  }

  expect_failures = [var.main_vpc]
}

run "refuses_account_by_name" {
  command = plan

  variables {
    main_vpc = {
      vpc_id          = "vpc-0fedcba9876543210"
      account_id      = "platform"
      cidr_blocks     = ["10.0.16.0/20"]
      route_table_ids = { service = "rtb-0fedcba9876543210" }
    }
  }

  expect_failures = [var.main_vpc]
}

run "refuses_no_blocks" {
  command = plan

  variables {
    main_vpc = {
      vpc_id          = "vpc-0fedcba9876543210"
      account_id      = "210987654321"
      cidr_blocks     = []
      route_table_ids = { service = "rtb-0fedcba9876543210" }
    }
  }

  expect_failures = [var.main_vpc]
}

run "refuses_blocks_that_hold_ours" {
  command = plan

  variables {
    main_vpc = {
      vpc_id          = "vpc-0fedcba9876543210"
      account_id      = "210987654321"
      cidr_blocks     = ["10.0.0.0/8"]
      route_table_ids = { service = "rtb-0fedcba9876543210" }
    }
  }

  expect_failures = [var.main_vpc]
}

run "refuses_blocks_inside_ours" {
  command = plan

  variables {
    main_vpc = {
      vpc_id          = "vpc-0fedcba9876543210"
      account_id      = "210987654321"
      cidr_blocks     = ["10.0.16.0/20", "10.42.200.0/24"]
      route_table_ids = { service = "rtb-0fedcba9876543210" }
    }
  }

  expect_failures = [var.main_vpc]
}

run "refuses_no_route_tables_of_the_main_vpc" {
  command = plan

  variables {
    main_vpc = {
      vpc_id          = "vpc-0fedcba9876543210"
      account_id      = "210987654321"
      cidr_blocks     = ["10.0.16.0/20"]
      route_table_ids = {}
    }
  }

  expect_failures = [var.main_vpc]
}

run "refuses_tag_key_of_aws" {
  command = plan

  variables {
    tags = { "aws:owner" = "me" }
  }

  expect_failures = [var.tags]
}

run "refuses_address_with_brackets" {
  command = plan

  variables {
    address = "module.peering[0]"
  }

  expect_failures = [var.address]
}

run "refuses_provider_of_another_account" {
  command = plan

  variables {
    main_vpc = {
      vpc_id          = "vpc-0fedcba9876543210"
      account_id      = "111111111111"
      cidr_blocks     = ["10.0.16.0/20"]
      route_table_ids = { service = "rtb-0fedcba9876543210" }
    }
  }

  expect_failures = [aws_vpc_peering_connection.this]
}

run "refuses_provider_of_another_region" {
  command = plan

  override_data {
    target = data.aws_region.main
    values = {
      name = "eu-central-1"
    }
  }

  expect_failures = [aws_vpc_peering_connection.this]
}
