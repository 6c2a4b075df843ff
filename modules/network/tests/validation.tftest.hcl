# Every rule of variables.tf refuses what breaks it, and so do the rules across resources.

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
  mock_data "aws_vpc_endpoint_service" {
    defaults = {
      availability_zones            = ["us-east-1a", "us-east-1b"]
      vpc_endpoint_policy_supported = true
    }
  }
}

variables {
  name  = "provisioner"
  zones = ["us-east-1a", "us-east-1b"]
}

run "refuses_name_with_underscore" {
  command = plan

  variables {
    name = "a_network"
  }

  expect_failures = [var.name]
}

run "refuses_name_of_40_characters" {
  command = plan

  variables {
    name = format("a%039d", 0)
  }

  expect_failures = [var.name]
}

run "refuses_one_zone" {
  command = plan

  variables {
    zones = ["us-east-1a"]
  }

  expect_failures = [var.zones]
}

run "refuses_zone_twice" {
  command = plan

  variables {
    zones = ["us-east-1a", "us-east-1a"]
  }

  expect_failures = [var.zones]
}

run "refuses_zone_ids" {
  command = plan

  variables {
    zones = ["use1-az1", "use1-az2"]
  }

  expect_failures = [var.zones]
}

run "refuses_block_with_host_bits" {
  command = plan

  variables {
    cidr_block = "10.42.0.1/16"
  }

  expect_failures = [var.cidr_block]
}

run "refuses_block_too_large" {
  command = plan

  variables {
    cidr_block = "10.0.0.0/8"
  }

  expect_failures = [var.cidr_block]
}

run "refuses_block_too_small" {
  command = plan

  variables {
    cidr_block           = "10.42.0.0/21"
    infrastructure_range = "10.42.0.0/21"
  }

  expect_failures = [var.cidr_block]
}

run "refuses_infrastructure_range_with_host_bits" {
  command = plan

  variables {
    infrastructure_range = "10.42.1.0/18"
  }

  expect_failures = [var.infrastructure_range]
}

run "refuses_infrastructure_range_too_small" {
  command = plan

  variables {
    infrastructure_range = "10.42.0.0/22"
  }

  expect_failures = [var.infrastructure_range]
}

run "refuses_infrastructure_range_outside" {
  command = plan

  variables {
    infrastructure_range = "10.43.0.0/18"
  }

  expect_failures = [var.infrastructure_range]
}

run "refuses_infrastructure_range_larger_than_the_block" {
  command = plan

  variables {
    cidr_block           = "10.42.0.0/20"
    infrastructure_range = "10.42.0.0/19"
  }

  expect_failures = [var.infrastructure_range]
}

run "refuses_no_project_ranges" {
  command = plan

  variables {
    project_ranges = []
  }

  expect_failures = [var.project_ranges]
}

run "refuses_project_range_with_host_bits" {
  command = plan

  variables {
    project_ranges = ["10.42.65.0/18"]
  }

  expect_failures = [var.project_ranges]
}

run "refuses_project_range_smaller_than_any_subnet" {
  command = plan

  variables {
    project_ranges = ["10.42.64.0/28"]
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

run "refuses_project_ranges_that_overlap" {
  command = plan

  variables {
    project_ranges = ["10.42.128.0/17", "10.42.192.0/18"]
  }

  expect_failures = [var.project_ranges]
}

run "refuses_project_range_over_the_infrastructure" {
  command = plan

  variables {
    project_ranges = ["10.42.32.0/20"]
  }

  expect_failures = [var.project_ranges]
}

run "refuses_endpoint_for_a_gateway_service" {
  command = plan

  variables {
    extra_endpoints = ["s3"]
  }

  expect_failures = [var.extra_endpoints]
}

run "refuses_endpoints_with_a_gateway_service" {
  command = plan

  variables {
    interface_endpoints = ["cloudformation", "ec2", "logs", "secretsmanager", "dynamodb"]
  }

  expect_failures = [var.interface_endpoints]
}

run "refuses_endpoints_without_cloudformation" {
  command = plan

  variables {
    interface_endpoints = ["ec2", "logs", "secretsmanager"]
  }

  expect_failures = [var.interface_endpoints]
}

run "refuses_readable_bucket_as_uri" {
  command = plan

  variables {
    readable_buckets = ["s3://open-data"]
  }

  expect_failures = [var.readable_buckets]
}

run "refuses_readable_bucket_with_wildcard" {
  command = plan

  variables {
    readable_buckets = ["open-*"]
  }

  expect_failures = [var.readable_buckets]
}

run "refuses_five_peers" {
  command = plan

  variables {
    peer_cidr_blocks = ["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24", "10.0.4.0/24"]
  }

  expect_failures = [var.peer_cidr_blocks]
}

run "refuses_peer_of_everything" {
  command = plan

  variables {
    peer_cidr_blocks = ["0.0.0.0/0"]
  }

  expect_failures = [var.peer_cidr_blocks]
}

run "refuses_peer_with_host_bits" {
  command = plan

  variables {
    peer_cidr_blocks = ["10.0.16.1/20"]
  }

  expect_failures = [var.peer_cidr_blocks]
}

run "refuses_peer_that_overlaps_the_vpc" {
  command = plan

  variables {
    peer_cidr_blocks = ["10.0.0.0/10"]
  }

  expect_failures = [var.peer_cidr_blocks]
}

run "refuses_peer_inside_the_vpc" {
  command = plan

  variables {
    peer_cidr_blocks = ["10.42.200.0/24"]
  }

  expect_failures = [var.peer_cidr_blocks]
}

run "refuses_client_that_is_neither_block_nor_group" {
  command = plan

  variables {
    peer_cidr_blocks = ["10.0.16.0/20"]
    workflow_clients = { service = "eni-0123456789abcdef0" }
  }

  expect_failures = [var.workflow_clients]
}

run "refuses_client_outside_the_peers" {
  command = plan

  variables {
    peer_cidr_blocks = ["10.0.16.0/20"]
    workflow_clients = { service = "10.0.32.0/24" }
  }

  expect_failures = [var.workflow_clients]
}

run "refuses_client_larger_than_the_peer" {
  command = plan

  variables {
    peer_cidr_blocks = ["10.0.16.0/20"]
    workflow_clients = { service = "10.0.0.0/16" }
  }

  expect_failures = [var.workflow_clients]
}

run "refuses_client_name_with_space" {
  command = plan

  variables {
    peer_cidr_blocks = ["10.0.16.0/20"]
    workflow_clients = { "the service" = "10.0.16.0/24" }
  }

  expect_failures = [var.workflow_clients]
}

run "refuses_group_without_peers" {
  command = plan

  variables {
    peering_connection_id = "pcx-0123456789abcdef0"
    workflow_clients      = { service = "sg-0123456789abcdef0" }
  }

  expect_failures = [var.workflow_clients]
}

run "refuses_peering_of_another_kind" {
  command = plan

  variables {
    peering_connection_id = "tgw-0123456789abcdef0"
  }

  expect_failures = [var.peering_connection_id]
}

run "refuses_slurm_rest_port_of_ssh" {
  command = plan

  variables {
    slurm_rest_port = 22
  }

  expect_failures = [var.slurm_rest_port]
}

run "refuses_slurm_rest_port_of_slurmctld" {
  command = plan

  variables {
    slurm_rest_port = 6820
  }

  expect_failures = [var.slurm_rest_port]
}

run "refuses_retention_that_cloudwatch_lacks" {
  command = plan

  variables {
    flow_log_retention_days = 100
  }

  expect_failures = [var.flow_log_retention_days]
}

run "refuses_key_by_alias" {
  command = plan

  variables {
    kms_key_arn = "arn:aws:kms:us-east-1:123456789012:alias/provisioner"
  }

  expect_failures = [var.kms_key_arn]
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
    address = "module.network[0]"
  }

  expect_failures = [var.address]
}

run "refuses_group_before_the_peering" {
  command = plan

  variables {
    peer_cidr_blocks = ["10.0.16.0/20"]
    workflow_clients = { service = "sg-0123456789abcdef0" }
  }

  expect_failures = [aws_vpc_security_group_ingress_rule.workflow_access]
}

run "refuses_more_acl_rules_than_aws_allows" {
  command = plan

  variables {
    project_ranges   = ["10.42.64.0/18", "10.42.128.0/19", "10.42.160.0/19", "10.42.192.0/18"]
    peer_cidr_blocks = ["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24"]
  }

  expect_failures = [aws_default_network_acl.projects]
}
