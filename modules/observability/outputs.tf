output "topic_arn" {
  description = "ARN of the SNS topic that gets every alarm."
  value       = aws_sns_topic.this.arn
}

output "kms_key_arn" {
  description = "ARN of the key that encrypts alarms and logs."
  value       = aws_kms_key.this.arn
}

output "dashboard_name" {
  description = "Name of the CloudWatch dashboard."
  value       = aws_cloudwatch_dashboard.this.dashboard_name
}

output "log_group_names" {
  description = "Log groups of the service's functions, by role: api, worker."
  value       = { for role, group in aws_cloudwatch_log_group.function : role => group.name }
}

output "alarm_names" {
  description = "Names of the alarms, sorted."
  value       = sort([for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_name])
}
