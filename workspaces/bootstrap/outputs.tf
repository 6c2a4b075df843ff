output "state_bucket" {
  description = "Bucket of Terraform's states."
  value       = module.state_backend.bucket
}

output "lock_table" {
  description = "DynamoDB table of Terraform's state locks."
  value       = module.state_backend.lock_table
}

output "registry_table" {
  description = "DynamoDB table of projects and of the address blocks they hold."
  value       = module.state_backend.registry_table
}

output "key_alias" {
  description = "Alias by which the other roots find the KMS key."
  value       = module.state_backend.key_alias
}

output "repository_url" {
  description = "Where the provisioner's images are pushed to and pulled from, without a tag."
  value       = module.state_backend.repository_url
}
