output "url" {
  description = "Address of the API with its stage; clients sign with SigV4, service execute-api."
  value       = aws_api_gateway_stage.this.invoke_url
}

output "api_id" {
  description = "Id of the REST API, as VPC endpoints and IAM policies name it."
  value       = aws_api_gateway_rest_api.this.id
}

output "execution_arn" {
  description = "ARN under which callers are allowed execute-api:Invoke, up to the stage: the callers' own policies need it where their role is of another account."
  value       = "${aws_api_gateway_rest_api.this.execution_arn}/${var.stage}"
}

output "function_names" {
  description = "Names of the functions: api, worker."
  value       = { for role, function in aws_lambda_function.this : role => function.function_name }
}

output "role_arns" {
  description = "ARNs of the functions' roles: api, worker."
  value       = { for role, one in aws_iam_role.function : role => one.arn }
}

output "queue_name" {
  description = "Name of the queue of operations."
  value       = aws_sqs_queue.this.name
}

output "dead_letter_queue_name" {
  description = "Name of the queue of operations that failed on every try."
  value       = aws_sqs_queue.dead_letter.name
}

output "alarm_names" {
  description = "Names of the module's alarms, sorted."
  value       = sort([for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_name])
}

output "dashboard_name" {
  description = "Name of the CloudWatch dashboard."
  value       = aws_cloudwatch_dashboard.this.dashboard_name
}
