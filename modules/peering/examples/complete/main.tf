# The projects' VPC and a main VPC in the smallest form; in earnest the first comes from modules/network,
# and the second is there already.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

variable "main_role_arn" {
  description = "Role to assume in the main VPC's account; that of the projects' VPC where null."
  type        = string
  default     = null
}

provider "aws" {
  region = "us-east-1"
}

provider "aws" {
  alias  = "main"
  region = "us-east-1"

  dynamic "assume_role" {
    for_each = var.main_role_arn == null ? [] : [var.main_role_arn]

    content {
      role_arn = assume_role.value
    }
  }
}

data "aws_caller_identity" "main" {
  provider = aws.main
}

resource "aws_vpc" "projects" {
  #checkov:skip=CKV2_AWS_11: stands for a VPC that is there already, with logs of its own
  #checkov:skip=CKV2_AWS_12: stands for a VPC that is there already; nothing runs in it
  cidr_block           = "10.42.0.0/16"
  enable_dns_hostnames = true
}

resource "aws_route_table" "projects" {
  vpc_id = aws_vpc.projects.id
}

resource "aws_vpc" "main" {
  #checkov:skip=CKV2_AWS_11: stands for a VPC that is there already, with logs of its own
  #checkov:skip=CKV2_AWS_12: stands for a VPC that is there already; nothing runs in it
  provider = aws.main

  cidr_block           = "10.0.0.0/16"
  enable_dns_hostnames = true
}

resource "aws_route_table" "main" {
  provider = aws.main

  vpc_id = aws_vpc.main.id
}

module "peering" {
  source    = "../../"
  providers = { aws = aws, aws.main = aws.main }

  name            = "provisioner-main"
  vpc_id          = aws_vpc.projects.id
  cidr_block      = aws_vpc.projects.cidr_block
  project_ranges  = ["10.42.64.0/18", "10.42.128.0/17"]
  route_table_ids = { projects = aws_route_table.projects.id }
  main_vpc = {
    vpc_id          = aws_vpc.main.id
    account_id      = data.aws_caller_identity.main.account_id
    cidr_blocks     = ["10.0.16.0/20"]
    route_table_ids = { clients = aws_route_table.main.id }
  }

  tags    = { CostCentre = "42" }
  address = "module.peering"
}

output "peering_connection_id" {
  description = "For the input of that name of modules/network."
  value       = module.peering.id
}
