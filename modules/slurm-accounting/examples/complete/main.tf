terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

variable "function_package" {
  description = "Zip that `provisioner package` has written."
  type        = string
  default     = "../../../../dist/accounting-function.zip"
}

variable "deletion_protection" {
  description = "RDS refuses to delete the database."
  type        = bool
  default     = true
}

provider "aws" {
  region = "us-east-1"
}

# Stands for modules/network.
resource "aws_vpc" "this" {
  #checkov:skip=CKV2_AWS_11:An example; modules/network makes the VPC with flow logs.
  #checkov:skip=CKV2_AWS_12:An example; modules/network closes the default security group.
  cidr_block           = "10.42.0.0/16"
  enable_dns_support   = true
  enable_dns_hostnames = true
}

resource "aws_subnet" "database" {
  for_each = { a = "10.42.2.0/26", b = "10.42.2.64/26" }

  vpc_id            = aws_vpc.this.id
  cidr_block        = each.value
  availability_zone = "us-east-1${each.key}"
}

resource "aws_subnet" "function" {
  for_each = { a = "10.42.3.0/26", b = "10.42.3.64/26" }

  vpc_id            = aws_vpc.this.id
  cidr_block        = each.value
  availability_zone = "us-east-1${each.key}"
}

resource "aws_security_group" "endpoint_access" {
  name        = "provisioner-endpoint-access"
  description = "Carried by what may reach the VPC's endpoints"
  vpc_id      = aws_vpc.this.id
}

module "slurm_accounting" {
  source = "../../"

  vpc_id                            = aws_vpc.this.id
  database_subnet_ids               = [for subnet in aws_subnet.database : subnet.id]
  function_subnet_ids               = [for subnet in aws_subnet.function : subnet.id]
  endpoint_access_security_group_id = aws_security_group.endpoint_access.id
  function_package                  = var.function_package
  deletion_protection               = var.deletion_protection
  address                           = "module.slurm_accounting"
}

output "database" {
  description = "Where the database answers."
  value       = "${module.slurm_accounting.address}:${module.slurm_accounting.port}"
}
