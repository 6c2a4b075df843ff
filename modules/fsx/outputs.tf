output "id" {
  description = "Id of the file system, given once nodes can mount it and both S3 links stand."
  value       = aws_fsx_lustre_file_system.this.id

  # A head node that boots before the rules fails with FsxMountFailure; one that boots before the
  # links shows its users empty directories.
  depends_on = [
    aws_fsx_data_repository_association.private,
    aws_fsx_data_repository_association.public,
    aws_vpc_security_group_egress_rule.client,
    aws_vpc_security_group_ingress_rule.client,
  ]
}

output "arn" {
  description = "ARN of the file system."
  value       = aws_fsx_lustre_file_system.this.arn
}

output "dns_name" {
  description = "DNS name of the file system."
  value       = aws_fsx_lustre_file_system.this.dns_name
}

output "mount_name" {
  description = "Mount name of the file system: what follows the DNS name in a mount command."
  value       = aws_fsx_lustre_file_system.this.mount_name
}

output "security_group_id" {
  description = "Security group of the file system's network interfaces."
  value       = aws_security_group.this.id
}

output "storage" {
  description = "The file system in the shape that all storage modules share: id, kind, dns_name, mount_name, mount_path, links."
  value = {
    id         = aws_fsx_lustre_file_system.this.id
    kind       = "lustre"
    dns_name   = aws_fsx_lustre_file_system.this.dns_name
    mount_name = aws_fsx_lustre_file_system.this.mount_name
    mount_path = null
    links = [
      {
        path      = aws_fsx_data_repository_association.public.file_system_path
        s3_uri    = aws_fsx_data_repository_association.public.data_repository_path
        direction = "import"
      },
      {
        path      = aws_fsx_data_repository_association.private.file_system_path
        s3_uri    = aws_fsx_data_repository_association.private.data_repository_path
        direction = "import-export"
      },
    ]
  }
}
