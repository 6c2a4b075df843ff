output "identifier" {
  description = "Identifier of the RDS instance."
  value       = aws_db_instance.this.identifier
}

output "address" {
  description = "DNS name of the database, given once clients can reach it."
  value       = aws_db_instance.this.address

  depends_on = [
    aws_vpc_security_group_egress_rule.access,
    aws_vpc_security_group_ingress_rule.this,
  ]
}

output "port" {
  description = "Port of the database."
  value       = aws_db_instance.this.port
}

output "arn" {
  description = "ARN of the RDS instance."
  value       = aws_db_instance.this.arn
}

output "engine_version" {
  description = "MariaDB version that runs, with its minor version."
  value       = aws_db_instance.this.engine_version_actual
}

output "master_secret_arn" {
  description = "ARN of the secret that RDS keeps the master user's name and password in, as JSON."
  value       = local.master_secret_arn
}

output "accounting_access_security_group_id" {
  description = "Security group to carry for reaching the database; workspaces find it by its tag."
  value       = aws_security_group.access.id
}

output "database_security_group_id" {
  description = "Security group of the database itself."
  value       = aws_security_group.this.id
}

output "function_name" {
  description = "Name of the accounting function, given once it can reach the database."
  value       = aws_lambda_function.this.function_name

  depends_on = [
    aws_vpc_security_group_egress_rule.access,
    aws_vpc_security_group_ingress_rule.this,
  ]
}

output "function_arn" {
  description = "ARN of the accounting function."
  value       = aws_lambda_function.this.arn
}

output "log_group_names" {
  description = "Log groups by what writes to them: error and slowquery of the database, function."
  value = merge(
    { for log, group in aws_cloudwatch_log_group.database : log => group.name },
    { function = aws_cloudwatch_log_group.function.name },
  )
}
