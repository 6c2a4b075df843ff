output "id" {
  description = "Id of the file system; while mounted, given once a node can mount it."
  value       = aws_efs_file_system.this.id

  # A head node that boots before the mount target and its rules fails with EfsMountFailure.
  depends_on = [
    aws_efs_mount_target.this,
    aws_vpc_security_group_egress_rule.client,
    aws_vpc_security_group_egress_rule.this,
    aws_vpc_security_group_ingress_rule.this,
  ]
}

output "arn" {
  description = "ARN of the file system."
  value       = aws_efs_file_system.this.arn
}

output "dns_name" {
  description = "DNS name of the file system. It resolves only while there is a mount target."
  value       = aws_efs_file_system.this.dns_name
}

output "security_group_id" {
  description = "Security group of the mount target; null while parked."
  value       = one(aws_security_group.this[*].id)
}

output "storage" {
  description = "The file system in the shape that all storage modules share: id, kind, dns_name, mount_name, mount_path, links."
  value = {
    id         = aws_efs_file_system.this.id
    kind       = "efs"
    dns_name   = aws_efs_file_system.this.dns_name
    mount_name = null
    mount_path = null
    links      = []
  }
}
