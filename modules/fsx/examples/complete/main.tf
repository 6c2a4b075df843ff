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

data "aws_vpc" "shared" {
  tags = { "provisioner:shared" = "vpc" }
}

data "aws_route_table" "projects" {
  vpc_id = data.aws_vpc.shared.id
  tags   = { "provisioner:shared" = "project-route-table" }
}

data "aws_caller_identity" "this" {}

module "subnet" {
  source = "../../../subnet"

  name              = local.name
  vpc_id            = data.aws_vpc.shared.id
  cidr_block        = "10.42.64.0/24"
  availability_zone = "us-east-1a"
  route_table_id    = data.aws_route_table.projects.id
  address           = "module.subnet"
}

# Stands for the nodes of a cluster.
resource "aws_security_group" "nodes" {
  #checkov:skip=CKV2_AWS_5: It stands for the group of a cluster's nodes, which ParallelCluster attaches to what it starts.

  name        = "${local.name}-nodes"
  description = "Nodes of the cluster ${local.name}"
  vpc_id      = data.aws_vpc.shared.id
}

module "bucket" {
  source = "../../../bucket"

  name    = "pc-${data.aws_caller_identity.this.account_id}-lab-1-proj-1-abcdefghij"
  address = "module.bucket"
}

module "fsx" {
  source = "../../"

  name                     = local.name
  vpc_id                   = data.aws_vpc.shared.id
  subnet_id                = module.subnet.id
  client_security_group_id = aws_security_group.nodes.id
  storage_capacity_gib     = 1200
  throughput_mbps_per_tib  = 250
  public_bucket            = "provisioner-public-${data.aws_caller_identity.this.account_id}-us-east-1"
  private_bucket           = module.bucket.name
  address                  = "module.fsx"
}

output "data" {
  description = "The file system as a storage object, with its links to S3."
  value       = module.fsx.storage
}
