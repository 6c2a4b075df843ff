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

module "subnet" {
  source = "../../"

  name              = local.name
  vpc_id            = data.aws_vpc.shared.id
  cidr_block        = "10.42.64.0/24"
  availability_zone = "us-east-1a"
  route_table_id    = data.aws_route_table.projects.id
  address           = "module.subnet"
}

output "subnet_id" {
  description = "Id of the project's subnet."
  value       = module.subnet.id
}
