output "vpc_id" {
  description = "The shared VPC."
  value       = module.network.vpc_id
}

output "project_subnets" {
  description = "How many projects fit, by the prefix length of their subnets."
  value       = module.network.project_subnets
}

output "database_address" {
  description = "Address of the accounting database."
  value       = module.slurm_accounting.address
}

output "accounting_function" {
  description = "Function that makes databases and users."
  value       = module.slurm_accounting.function_name
}

output "provider_stacks" {
  description = "ParallelCluster's provider stacks, by version."
  value       = { for version, provider in module.pcluster_provider : version => provider.stack_name }
}

output "public_bucket" {
  description = "Bucket of the data that all projects share."
  value       = module.public_data.name
}

output "nodes_bucket" {
  description = "Bucket of what nodes fetch; where packages are put."
  value       = module.nodes_bucket.name
}

output "alarm_topic_arn" {
  description = "SNS topic of the alarms."
  value       = module.observability.topic_arn
}
