# The provider of each release, and what watches over service and database, as the shared ground calls them.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

variable "releases" {
  type    = set(string)
  default = ["3.16.1", "3.16.3"]
}

provider "aws" {}

module "pcluster_provider" {
  source   = "./modules/pcluster-provider"
  for_each = var.releases

  pcluster_version = each.key
  address          = "module.pcluster_provider.${each.key}"
}

module "observability" {
  source = "./modules/observability"

  name         = "provisioner"
  alarm_emails = ["platform@example.org"]
  alarm_urls   = ["https://alarms.example.org/provisioner"]
  address      = "module.observability"
}

output "tokens" { value = { for release, provider in module.pcluster_provider : release => provider.service_token } }
