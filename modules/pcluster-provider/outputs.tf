output "service_token" {
  description = "ARN of the provider's function: the ServiceToken of every Custom::PclusterCluster of this release."
  value       = aws_cloudformation_stack.this.outputs["ServiceToken"]
}

output "stack_name" {
  description = "Name of the provider stack, by which workspaces find it."
  value       = aws_cloudformation_stack.this.name
}

output "version" {
  description = "ParallelCluster release of the provider."
  value       = var.pcluster_version
}

output "role_arn" {
  description = "ARN of the role that the provider's function works with."
  value       = aws_iam_role.this.arn
}

output "log_group_arn" {
  description = "ARN of the function's log group. The stack makes it with 90 days of retention, and leaves it behind."
  value       = aws_cloudformation_stack.this.outputs["LogGroupArn"]
}
