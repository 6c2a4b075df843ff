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

data "aws_cloudformation_stack" "pcluster_provider" {
  name = "parallelcluster-provider-3-16-1"
}

module "subnet" {
  source = "../../../subnet"

  name              = local.name
  vpc_id            = data.aws_vpc.shared.id
  cidr_block        = "10.42.64.0/24"
  availability_zone = "us-east-1a"
  route_table_id    = data.aws_route_table.projects.id
  address           = "module.subnet"
}

module "parallelcluster" {
  source = "../../"

  name          = local.name
  cluster_name  = local.name
  stack_name    = "${local.name}-stack"
  service_token = data.aws_cloudformation_stack.pcluster_provider.outputs["ServiceToken"]
  vpc_id        = data.aws_vpc.shared.id
  address       = "module.parallelcluster"

  cluster_configuration = {
    Image = { Os = "alinux2023" }
    HeadNode = {
      InstanceType = "t3.medium"
      Networking = {
        SubnetId                 = module.subnet.id
        AdditionalSecurityGroups = [module.parallelcluster.security_group_id]
      }
    }
    Scheduling = {
      Scheduler     = "slurm"
      SlurmSettings = { Dns = { DisableManagedDns = true, UseEc2Hostnames = true } }
      SlurmQueues = [{
        Name             = "debug"
        ComputeResources = [{ Name = "small", InstanceType = "c7i.large", MinCount = 0, MaxCount = 2 }]
        Networking = {
          SubnetIds                = [module.subnet.id]
          AdditionalSecurityGroups = [module.parallelcluster.security_group_id]
        }
      }]
    }
  }
}

output "head_node_private_ip" {
  description = "Private address of the head node."
  value       = module.parallelcluster.head_node_private_ip
}
