output "database" {
  description = "Name of the accounting database, given once it is there."
  value       = var.database

  depends_on = [aws_lambda_invocation.database]
}

output "secret_arn" {
  description = "ARN of the secret with the user's password, given once user and password are there; null while inactive."
  value       = one(aws_secretsmanager_secret.this[*].arn)

  # A cluster that has this reads the secret when it comes up, and slurmdbd logs in.
  depends_on = [aws_lambda_invocation.user]
}
