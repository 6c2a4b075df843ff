output "security_group_id" {
  # The file systems open their ports to this group, and the cluster waits for the file systems:
  # nothing here may depend on the stack.
  description = "Security group of the cluster's nodes. Add it to the head node and to every queue."
  value       = aws_security_group.this.id
}

output "stack_name" {
  description = "Name of the parent stack."
  value       = aws_cloudformation_stack.this.name
}

output "stack_id" {
  description = "ARN of the parent stack."
  value       = aws_cloudformation_stack.this.id
}

output "cluster_name" {
  description = "Name of the cluster, given once it is complete."
  value       = var.cluster_name

  depends_on = [aws_cloudformation_stack.this]
}

output "cluster_stack_arn" {
  description = "ARN of the cluster's own stack."
  value       = try(aws_cloudformation_stack.this.outputs["ClusterStackArn"], null)
}

output "cluster_status" {
  description = "What ParallelCluster said at the end of the last create or update: CREATE_COMPLETE or UPDATE_COMPLETE."
  value       = try(aws_cloudformation_stack.this.outputs["ClusterStatus"], null)
}

output "cluster_version" {
  description = "ParallelCluster version of the cluster."
  value       = try(aws_cloudformation_stack.this.outputs["ParallelClusterVersion"], null)
}

output "head_node_private_ip" {
  description = "Private IPv4 address of the head node."
  value       = try(aws_cloudformation_stack.this.outputs["HeadNodePrivateIp"], null)
}

output "head_node_instance_id" {
  description = "EC2 instance id of the head node."
  value       = try(aws_cloudformation_stack.this.outputs["HeadNodeInstanceId"], null)
}
