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

module "job_records" {
  source = "../../"

  name           = "pc-lab-1-proj-1-abcdefghij"
  log_group      = "/provisioner/pc-lab-1-proj-1-abcdefghij/jobs"
  retention_days = 365
  address        = "module.job_records"
}

output "log_group" {
  description = "The log group of the project's job records."
  value       = module.job_records.log_group
}
