# Every rule of variables.tf refuses what breaks it.

mock_provider "aws" {}

variables {
  name              = "pc-lab-1-proj-1-abcdefghij"
  vpc_id            = "vpc-0123456789abcdef0"
  cidr_block        = "10.42.64.0/24"
  availability_zone = "us-east-1a"
  route_table_id    = "rtb-0123456789abcdef0"
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

run "refuses_cidr_block_with_host_bits" {
  command = plan

  variables {
    cidr_block = "10.42.64.1/24"
  }

  expect_failures = [var.cidr_block]
}

run "refuses_cidr_block_too_wide" {
  command = plan

  variables {
    cidr_block = "10.0.0.0/15"
  }

  expect_failures = [var.cidr_block]
}

run "refuses_cidr_block_too_narrow" {
  command = plan

  variables {
    cidr_block = "10.42.64.0/29"
  }

  expect_failures = [var.cidr_block]
}

run "refuses_cidr_block_of_ipv6" {
  command = plan

  variables {
    cidr_block = "fd00::/64"
  }

  expect_failures = [var.cidr_block]
}

run "refuses_cidr_block_without_prefix" {
  command = plan

  variables {
    cidr_block = "10.42.64.0"
  }

  expect_failures = [var.cidr_block]
}

run "refuses_region_as_zone" {
  command = plan

  variables {
    availability_zone = "us-east-1"
  }

  expect_failures = [var.availability_zone]
}

run "refuses_zone_id_as_zone" {
  command = plan

  variables {
    availability_zone = "use1-az1"
  }

  expect_failures = [var.availability_zone]
}

run "refuses_route_table_id_of_another_kind" {
  command = plan

  variables {
    route_table_id = "eni-0123456789abcdef0"
  }

  expect_failures = [var.route_table_id]
}

run "refuses_route_table_id_too_short" {
  command = plan

  variables {
    route_table_id = "rtb-0123"
  }

  expect_failures = [var.route_table_id]
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
