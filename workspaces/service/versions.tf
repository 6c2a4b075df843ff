terraform {
  required_version = ">= 1.11, < 2"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }

  # Bucket, region and lock table are of the installation: `terraform init -backend-config=../backend.hcl`, which
  # `provisioner bootstrap` writes.
  backend "s3" {
    key = "service/terraform.tfstate"
  }
}

provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account_id]
  s3_use_path_style   = var.s3_use_path_style
}
