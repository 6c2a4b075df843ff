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

data "aws_caller_identity" "this" {}

module "bucket" {
  source = "../../"

  name    = "pc-${data.aws_caller_identity.this.account_id}-lab-1-proj-1-abcdefghij"
  address = "module.bucket"
}

output "bucket" {
  description = "The bucket as a storage object."
  value       = module.bucket.storage
}
