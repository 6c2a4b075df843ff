# The tag that makes a VPC the shared one.

terraform {
  required_version = ">= 1.11"
}

module "discovery" {
  source = "../../"
}

output "vpc_tags" {
  description = "Tags to put on the shared VPC."
  value       = merge(module.discovery.shared.vpc, module.discovery.managed_by)
}
