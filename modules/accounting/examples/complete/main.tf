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

variable "parked" {
  description = "true keeps the job records and lets user and password go."
  type        = bool
  default     = false
}

module "accounting" {
  source = "../../"

  name          = "pc-lab-1-proj-1-abcdefghij"
  function_name = "provisioner-accounting"
  database      = "pc_lab_1_proj_1_abcdefghij"
  user          = "slurm_abcdefghij"
  active        = !var.parked
  address       = "module.accounting"
}

output "secret_arn" {
  description = "Where the cluster finds the password."
  value       = module.accounting.secret_arn
}
