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

data "aws_caller_identity" "this" {}

module "bucket" {
  source = "../../../bucket"

  name    = "pc-${data.aws_caller_identity.this.account_id}-lab-1-proj-1-abcdefghij"
  address = "module.bucket"
}

module "node_scripts" {
  source = "../../"

  name    = local.name
  bucket  = module.bucket.name
  config  = jsonencode({ storage = { kind = "efs", data_directory = "/data" } })
  address = "module.node_scripts"
}

output "on_node_configured" {
  description = "What to put under HeadNode/CustomActions/OnNodeConfigured."
  value = {
    Script = module.node_scripts.url
    Args   = ["head-configured", module.node_scripts.config_url]
  }
}
