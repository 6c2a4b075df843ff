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

  default_tags {
    tags = {
      "provisioner:vlab"    = "lab-1"
      "provisioner:project" = "proj-1"
    }
  }
}

locals {
  name = "pc-lab-1-proj-1-abcdefghij"
}

variable "parked" {
  description = "Whether the file system is kept without anybody mounting it."
  type        = bool
  default     = false
  nullable    = false
}

data "aws_vpc" "shared" {
  tags = { "provisioner:shared" = "vpc" }
}

data "aws_route_table" "projects" {
  vpc_id = data.aws_vpc.shared.id
  tags   = { "provisioner:shared" = "project-route-table" }
}

module "subnet" {
  count  = var.parked ? 0 : 1
  source = "../../../subnet"

  name              = local.name
  vpc_id            = data.aws_vpc.shared.id
  cidr_block        = "10.42.64.0/24"
  availability_zone = "us-east-1a"
  route_table_id    = data.aws_route_table.projects.id
  address           = "module.subnet.0"
}

# Stands for the nodes of a cluster.
resource "aws_security_group" "nodes" {
  #checkov:skip=CKV2_AWS_5: It stands for the group of a cluster's nodes, which ParallelCluster attaches to what it starts.

  count = var.parked ? 0 : 1

  name        = "${local.name}-nodes"
  description = "Nodes of the cluster ${local.name}"
  vpc_id      = data.aws_vpc.shared.id
}

module "efs" {
  source = "../../"

  name                     = local.name
  vpc_id                   = data.aws_vpc.shared.id
  mounted                  = !var.parked
  subnet_id                = one(module.subnet[*].id)
  client_security_group_id = one(aws_security_group.nodes[*].id)
  address                  = "module.efs"
}

output "home" {
  description = "The file system as a storage object."
  value       = module.efs.storage
}
