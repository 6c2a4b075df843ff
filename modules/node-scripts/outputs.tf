output "url" {
  description = "S3 address of the node software, for the Script of every custom action; given once it is uploaded."
  value       = "s3://${aws_s3_object.this.bucket}/${aws_s3_object.this.key}"

  depends_on = [aws_s3_object.this]
}

output "config_url" {
  description = "S3 address of the node configuration, the second argument of every custom action but OnNodeUpdated; it never changes."
  value       = "s3://${aws_s3_object.config.bucket}/${aws_s3_object.config.key}"

  depends_on = [aws_s3_object.config]
}

output "update_config_url" {
  description = "S3 address of the node configuration that changes with it, the second argument of the head node's OnNodeUpdated."
  value       = "s3://${aws_s3_object.update.bucket}/${aws_s3_object.update.key}"

  depends_on = [aws_s3_object.update]
}

output "sha256" {
  description = "SHA-256, in hexadecimal, of the node software of this version; a running cluster may have an earlier one."
  value       = sha256(local.bundle)
}
