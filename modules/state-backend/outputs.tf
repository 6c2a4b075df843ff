output "bucket" {
  description = "Name of the state bucket, given once it is private, versioned and encrypted."
  value       = aws_s3_bucket.this.id

  # The lifecycle rules do not belong to that, and the provider watches them for most of a minute.
  depends_on = [
    aws_s3_bucket_policy.this,
    aws_s3_bucket_server_side_encryption_configuration.this,
    aws_s3_bucket_versioning.this,
  ]
}

output "lock_table" {
  description = "Name of the table of Terraform's state locks."
  value       = aws_dynamodb_table.lock.name
}

output "registry_table" {
  description = "Name of the table of projects and address blocks."
  value       = aws_dynamodb_table.registry.name
}

output "key_arn" {
  description = "ARN of the KMS key."
  value       = aws_kms_key.this.arn
}

output "key_alias" {
  description = "Alias by which other roots find the KMS key."
  value       = aws_kms_alias.this.name
}

output "repository_url" {
  description = "Where images of the provisioner are pushed to and pulled from, without a tag."
  value       = aws_ecr_repository.this.repository_url
}
