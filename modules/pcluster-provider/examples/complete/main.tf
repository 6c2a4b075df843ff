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

# One provider per release that clusters stand on: the newest for new clusters, older ones as long as
# a cluster of theirs is there.
module "pcluster_provider" {
  source   = "../../"
  for_each = toset(["3.16.1", "3.16.3"])

  pcluster_version = each.key
  node_policy_arns = ["arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"]
  address          = "module.pcluster_provider.${each.key}"
}

output "service_tokens" {
  description = "ServiceToken of clusters, by release."
  value       = { for release, provider in module.pcluster_provider : release => provider.service_token }
}
