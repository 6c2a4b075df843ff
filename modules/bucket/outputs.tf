output "name" {
  description = "Name of the bucket, given once it is private, versioned and encrypted."
  value       = aws_s3_bucket.this.id

  # Whoever writes to the bucket waits until what protects the data is in place. The lifecycle rule
  # does not belong to that, and the provider watches it for most of a minute.
  depends_on = [
    aws_s3_bucket_policy.this,
    aws_s3_bucket_server_side_encryption_configuration.this,
    aws_s3_bucket_versioning.this,
  ]
}

output "arn" {
  description = "ARN of the bucket."
  value       = local.arn
}

output "storage" {
  description = "The bucket in the shape that all storage modules share: id, kind, dns_name, mount_name, mount_path, links."
  value = {
    id         = aws_s3_bucket.this.id
    kind       = "s3"
    dns_name   = aws_s3_bucket.this.bucket_regional_domain_name
    mount_name = null
    mount_path = null
    links      = []
  }
}
