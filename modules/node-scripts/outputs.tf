output "url" {
  description = "S3 address of the script for HeadNode/CustomActions/OnNodeConfigured, given once it is uploaded."
  value       = "s3://${var.bucket}/${aws_s3_object.head_node_configured.key}"

  depends_on = [aws_s3_object.head_node_configured]
}

output "key" {
  description = "Key of the script in the bucket."
  value       = aws_s3_object.head_node_configured.key
}

output "sha256" {
  description = "SHA-256 of the script, in hexadecimal."
  value       = sha256(local.script)
}
