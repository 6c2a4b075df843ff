output "log_group" {
  description = "Name of the log group, for the CloudWatch agent on the head node."
  value       = aws_cloudwatch_log_group.this.name
}

output "log_group_arn" {
  description = "ARN of the log group."
  value       = aws_cloudwatch_log_group.this.arn
}
