output "url" {
  description = "S3 address of the node software, for the Script of every custom action; given once it is uploaded."
  value       = "s3://${aws_s3_object.this.bucket}/${aws_s3_object.this.key}"

  depends_on = [aws_s3_object.this]
}

output "config_url" {
  description = "S3 address of the node configuration, the second argument of every custom action."
  value       = "s3://${aws_s3_object.config.bucket}/${aws_s3_object.config.key}"

  depends_on = [aws_s3_object.config]
}

output "sha256" {
  description = "SHA-256, in hexadecimal, of the node software of this version; a running cluster may have an earlier one."
  value       = sha256(local.bundle)
}
