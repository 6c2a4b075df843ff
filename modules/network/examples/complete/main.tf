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

module "network" {
  source = "../../"

  name  = "provisioner"
  zones = ["us-east-1a", "us-east-1b"]

  # The Workflow Service's part of a main VPC, peered by modules/peering.
  peer_cidr_blocks = ["10.0.16.0/20"]
  workflow_clients = ["10.0.16.0/24", "10.0.17.0/24"]

  # For jobs that bring their own containers.
  extra_endpoints = ["ecr.api", "ecr.dkr"]
  login_nodes     = true

  tags    = { CostCentre = "42" }
  address = "module.network"
}

output "project_subnets" {
  description = "How many projects fit, by the prefix length of their subnets."
  value       = module.network.project_subnets
}
