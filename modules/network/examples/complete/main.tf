# The network of a platform, peered with a main VPC in which the Workflow Service runs. In earnest the main
# VPC is there already, and often in another account: aws.main then assumes a role of that account.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

provider "aws" {
  region = "us-east-1"
}

provider "aws" {
  alias  = "main"
  region = "us-east-1"
}

data "aws_caller_identity" "main" {
  provider = aws.main
}

resource "aws_vpc" "main" {
  #checkov:skip=CKV2_AWS_11: stands for a VPC that is there already, with logs of its own
  #checkov:skip=CKV2_AWS_12: stands for a VPC that is there already; nothing runs in it
  provider = aws.main

  cidr_block           = "10.0.0.0/16"
  enable_dns_hostnames = true

  tags = { Name = "main" }
}

resource "aws_route_table" "main" {
  provider = aws.main

  vpc_id = aws_vpc.main.id
}

resource "aws_security_group" "provisioner" {
  #checkov:skip=CKV2_AWS_5: stands for a group that is there already
  provider = aws.main

  name        = "provisioner"
  description = "Carried by what runs the provisioner"
  vpc_id      = aws_vpc.main.id
}

locals {
  # The Workflow Service's part of the main VPC.
  service_blocks = ["10.0.16.0/20"]
}

module "network" {
  source = "../../"

  name                  = "provisioner"
  zones                 = ["us-east-1a", "us-east-1b"]
  peer_cidr_blocks      = local.service_blocks
  workflow_clients      = { service = "10.0.16.0/24", provisioner = aws_security_group.provisioner.id }
  peering_connection_id = module.peering.id
  login_nodes           = true
  extra_endpoints       = ["kms"]
  readable_buckets      = ["open-cell-models"]

  tags    = { CostCentre = "42" }
  address = "module.network"
}

module "peering" {
  source    = "../../../peering"
  providers = { aws = aws, aws.main = aws.main }

  name            = "provisioner-main"
  vpc_id          = module.network.vpc_id
  cidr_block      = module.network.vpc_cidr_block
  project_ranges  = module.network.project_ranges
  route_table_ids = { projects = module.network.project_route_table_id }
  main_vpc = {
    vpc_id          = aws_vpc.main.id
    account_id      = data.aws_caller_identity.main.account_id
    cidr_blocks     = local.service_blocks
    route_table_ids = { service = aws_route_table.main.id }
  }

  tags    = { CostCentre = "42" }
  address = "module.peering"
}

output "project_subnets" {
  description = "How many projects fit, by the prefix length of their subnets."
  value       = module.network.project_subnets
}
