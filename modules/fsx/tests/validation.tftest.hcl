# Every rule of variables.tf refuses what breaks it.

mock_provider "aws" {}

variables {
  name                     = "pc-lab-1-proj-1-abcdefghij"
  vpc_id                   = "vpc-0123456789abcdef0"
  subnet_id                = "subnet-0123456789abcdef0"
  client_security_group_id = "sg-0123456789abcdef0"
  public_bucket            = "public-data"
  private_bucket           = "project-data"
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

run "refuses_subnet_id_of_another_kind" {
  command = plan

  variables {
    subnet_id = "eni-0123456789abcdef0"
  }

  expect_failures = [var.subnet_id]
}

run "refuses_subnet_id_too_short" {
  command = plan

  variables {
    subnet_id = "subnet-0123"
  }

  expect_failures = [var.subnet_id]
}

run "refuses_client_security_group_id_of_another_kind" {
  command = plan

  variables {
    client_security_group_id = "eni-0123456789abcdef0"
  }

  expect_failures = [var.client_security_group_id]
}

run "refuses_client_security_group_id_too_short" {
  command = plan

  variables {
    client_security_group_id = "sg-0123"
  }

  expect_failures = [var.client_security_group_id]
}

run "refuses_public_bucket_as_uri" {
  command = plan

  variables {
    public_bucket = "s3://public-data"
  }

  expect_failures = [var.public_bucket]
}

run "refuses_private_bucket_with_prefix" {
  command = plan

  variables {
    private_bucket = "project-data/private"
  }

  expect_failures = [var.private_bucket]
}

run "refuses_private_bucket_that_is_the_public_one" {
  command = plan

  variables {
    private_bucket = "public-data"
  }

  expect_failures = [var.private_bucket]
}

run "refuses_private_prefix_with_slash_in_front" {
  command = plan

  variables {
    private_prefix = "/private"
  }

  expect_failures = [var.private_prefix]
}

run "refuses_private_prefix_with_slash_behind" {
  command = plan

  variables {
    private_prefix = "private/"
  }

  expect_failures = [var.private_prefix]
}

run "refuses_private_prefix_empty" {
  command = plan

  variables {
    private_prefix = ""
  }

  expect_failures = [var.private_prefix]
}

run "refuses_private_prefix_of_513_characters" {
  command = plan

  variables {
    private_prefix = format("%0513d", 0)
  }

  expect_failures = [var.private_prefix]
}

run "refuses_capacity_zero" {
  command = plan

  variables {
    storage_capacity_gib = 0
  }

  expect_failures = [var.storage_capacity_gib]
}

run "refuses_capacity_negative" {
  command = plan

  variables {
    storage_capacity_gib = -2400
  }

  expect_failures = [var.storage_capacity_gib]
}

run "refuses_capacity_between_steps" {
  command = plan

  variables {
    storage_capacity_gib = 3600
  }

  expect_failures = [var.storage_capacity_gib]
}

run "refuses_throughput_of_another_deployment_type" {
  command = plan

  variables {
    throughput_mbps_per_tib = 200
  }

  expect_failures = [var.throughput_mbps_per_tib]
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
