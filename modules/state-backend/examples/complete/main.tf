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

data "aws_caller_identity" "this" {}

module "state_backend" {
  source = "../../"

  name           = "provisioner"
  state_bucket   = "provisioner-state-${data.aws_caller_identity.this.account_id}-us-east-1"
  lock_table     = "provisioner-terraform-locks"
  registry_table = "provisioner-registry"

  tags    = { CostCentre = "42" }
  address = "module.state_backend"
}

output "bucket" {
  description = "Where the states of all other roots go."
  value       = module.state_backend.bucket
}
