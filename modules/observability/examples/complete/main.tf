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

module "observability" {
  source = "../../"

  name                     = "provisioner"
  database                 = "provisioner-slurm-accounting"
  database_connections_max = 270
  alarm_emails             = ["platform@example.org"]
  alarm_urls               = ["https://alarms.example.org/provisioner"]
  address                  = "module.observability"
}

output "dashboard" {
  description = "Name of the dashboard in CloudWatch."
  value       = module.observability.dashboard_name
}
