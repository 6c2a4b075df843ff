output "url" {
  description = "Address of the API, which the Workflow Service is told."
  value       = module.service.url
}

output "execution_arn" {
  description = "What callers of another account must be allowed execute-api:Invoke on, followed by /*."
  value       = module.service.execution_arn
}

output "image_uri" {
  description = "Image that both functions run."
  value       = data.aws_ecr_image.provisioner.image_uri
}

output "queue" {
  description = "Queue of operations: the setting operations_queue."
  value       = module.service.queue_name
}

output "dead_letter_queue" {
  description = "Queue of operations that failed on every try."
  value       = module.service.dead_letter_queue_name
}

output "dashboard" {
  description = "CloudWatch dashboard of the service."
  value       = module.service.dashboard_name
}
