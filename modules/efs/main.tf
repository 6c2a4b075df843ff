locals {
  tags    = merge(var.tags, { Name = var.name })
  address = var.address == "" ? "" : "${var.address}."

  # What exists only while a cluster mounts the file system.
  clients = var.mounted ? { client = var.client_security_group_id } : {}
}

resource "aws_efs_file_system" "this" {
  #checkov:skip=CKV_AWS_184: Encrypted with the AWS managed key of EFS; only nodes of this account mount it, and a key of our own, once disabled or deleted, would lose the home that prevent_destroy keeps.

  # EFS answers a second create with the same token by "already exists" and the first file system's
  # id, so a repeated create after a crash cannot make a second one.
  creation_token  = var.name
  encrypted       = true
  throughput_mode = "elastic"

  tags = merge(local.tags, { "provisioner:address" = "${local.address}aws_efs_file_system.this" })

  lifecycle {
    # A project's data outlives its cluster. To remove it on purpose, take the module call out of
    # the workspace.
    prevent_destroy = true
    # A home that was taken over keeps the token it was made with; another one would make another home.
    ignore_changes = [creation_token]
  }
}

resource "aws_efs_backup_policy" "this" {
  file_system_id = aws_efs_file_system.this.id

  backup_policy {
    status = "ENABLED"
  }
}

resource "aws_security_group" "this" {
  count = var.mounted ? 1 : 0

  name        = "${var.name}-efs"
  description = "NFS between the nodes of ${var.name} and its EFS file system"
  vpc_id      = var.vpc_id

  tags = merge(local.tags, {
    Name                  = "${var.name}-efs"
    "provisioner:address" = "${local.address}aws_security_group.this.0"
  })
}

# Both directions: ParallelCluster's validator wants 2049 open in and out on the mount target.
resource "aws_vpc_security_group_ingress_rule" "this" {
  for_each = local.clients

  security_group_id            = aws_security_group.this[0].id
  description                  = "NFS from the nodes"
  ip_protocol                  = "tcp"
  from_port                    = 2049
  to_port                      = 2049
  referenced_security_group_id = each.value

  tags = merge(local.tags, {
    Name                  = "${var.name}-efs-in-${each.key}"
    "provisioner:address" = "${local.address}aws_vpc_security_group_ingress_rule.this.${each.key}"
  })
}

resource "aws_vpc_security_group_egress_rule" "this" {
  for_each = local.clients

  security_group_id            = aws_security_group.this[0].id
  description                  = "NFS to the nodes"
  ip_protocol                  = "tcp"
  from_port                    = 2049
  to_port                      = 2049
  referenced_security_group_id = each.value

  tags = merge(local.tags, {
    Name                  = "${var.name}-efs-out-${each.key}"
    "provisioner:address" = "${local.address}aws_vpc_security_group_egress_rule.this.${each.key}"
  })
}

# The nodes' own group starts with no rule at all, so it needs its way out to the file system.
resource "aws_vpc_security_group_egress_rule" "client" {
  for_each = local.clients

  security_group_id            = each.value
  description                  = "NFS to the EFS file system"
  ip_protocol                  = "tcp"
  from_port                    = 2049
  to_port                      = 2049
  referenced_security_group_id = aws_security_group.this[0].id

  tags = merge(local.tags, {
    Name                  = "${var.name}-efs-from-${each.key}"
    "provisioner:address" = "${local.address}aws_vpc_security_group_egress_rule.client.${each.key}"
  })
}

resource "aws_efs_mount_target" "this" {
  count = var.mounted ? 1 : 0

  file_system_id  = aws_efs_file_system.this.id
  subnet_id       = var.subnet_id
  security_groups = [aws_security_group.this[0].id]
}
