locals {
  tags    = merge(var.tags, { Name = var.name })
  address = var.address == "" ? "" : "${var.address}."

  # FSx for Lustre User Guide, "File system access control with Amazon VPC": Lustre uses 988 and
  # 1018-1023, among the servers, and between servers and clients, each side opening connections.
  ports = {
    "988"       = { from = 988, to = 988 }
    "1018-1023" = { from = 1018, to = 1023 }
  }
  peers = {
    client = var.client_security_group_id
    self   = aws_security_group.this.id
  }
  rules = {
    for pair in setproduct(keys(local.peers), keys(local.ports)) :
    join("-", pair) => merge(local.ports[pair[1]], { peer = local.peers[pair[0]] })
  }

  all_events = ["NEW", "CHANGED", "DELETED"]
}

resource "aws_security_group" "this" {
  # A change of name, description or VPC replaces the group, and with it the file system.
  name        = "${var.name}-fsx"
  description = "Lustre between the nodes of ${var.name} and its FSx file system"
  vpc_id      = var.vpc_id

  tags = merge(local.tags, {
    Name                  = "${var.name}-fsx"
    "provisioner:address" = "${local.address}aws_security_group.this"
  })
}

resource "aws_vpc_security_group_ingress_rule" "this" {
  for_each = local.rules

  security_group_id            = aws_security_group.this.id
  description                  = "Lustre in: ${each.key}"
  ip_protocol                  = "tcp"
  from_port                    = each.value.from
  to_port                      = each.value.to
  referenced_security_group_id = each.value.peer

  tags = merge(local.tags, {
    Name                  = "${var.name}-fsx-in-${each.key}"
    "provisioner:address" = "${local.address}aws_vpc_security_group_ingress_rule.this.${each.key}"
  })
}

resource "aws_vpc_security_group_egress_rule" "this" {
  for_each = local.rules

  security_group_id            = aws_security_group.this.id
  description                  = "Lustre out: ${each.key}"
  ip_protocol                  = "tcp"
  from_port                    = each.value.from
  to_port                      = each.value.to
  referenced_security_group_id = each.value.peer

  tags = merge(local.tags, {
    Name                  = "${var.name}-fsx-out-${each.key}"
    "provisioner:address" = "${local.address}aws_vpc_security_group_egress_rule.this.${each.key}"
  })
}

# The servers call the clients back, so the nodes' group lets them in as well.
resource "aws_vpc_security_group_ingress_rule" "client" {
  for_each = local.ports

  security_group_id            = var.client_security_group_id
  description                  = "Lustre from the file system: ${each.key}"
  ip_protocol                  = "tcp"
  from_port                    = each.value.from
  to_port                      = each.value.to
  referenced_security_group_id = aws_security_group.this.id

  tags = merge(local.tags, {
    Name                  = "${var.name}-fsx-to-client-${each.key}"
    "provisioner:address" = "${local.address}aws_vpc_security_group_ingress_rule.client.${each.key}"
  })
}

resource "aws_vpc_security_group_egress_rule" "client" {
  for_each = local.ports

  security_group_id            = var.client_security_group_id
  description                  = "Lustre to the file system: ${each.key}"
  ip_protocol                  = "tcp"
  from_port                    = each.value.from
  to_port                      = each.value.to
  referenced_security_group_id = aws_security_group.this.id

  tags = merge(local.tags, {
    Name                  = "${var.name}-fsx-from-client-${each.key}"
    "provisioner:address" = "${local.address}aws_vpc_security_group_egress_rule.client.${each.key}"
  })
}

resource "aws_fsx_lustre_file_system" "this" {
  #checkov:skip=CKV_AWS_190: Persistent Lustre is always encrypted, here with the AWS managed key of FSx; only nodes of this account mount it, and a key of our own, once disabled, would stop it before its export.

  deployment_type             = "PERSISTENT_2"
  storage_type                = "SSD"
  storage_capacity            = var.storage_capacity_gib
  per_unit_storage_throughput = var.throughput_mbps_per_tib
  data_compression_type       = "LZ4"
  # Associations need 2.12 or later, and the Lustre client of Amazon Linux 2023 is a 2.15.
  file_system_type_version = "2.15"

  subnet_ids         = [var.subnet_id]
  security_group_ids = [aws_security_group.this.id]

  # FSx takes no backup of a file system that is linked to S3, neither daily nor at the end.
  automatic_backup_retention_days = 0
  skip_final_backup               = true

  tags = merge(local.tags, { "provisioner:address" = "${local.address}aws_fsx_lustre_file_system.this" })

  timeouts {
    create = "60m"
    update = "120m"
    delete = "60m"
  }

  lifecycle {
    # AWS does not report the groups of a file system back. After an import the provider finds none
    # and would replace the file system to set them.
    ignore_changes = [security_group_ids]
  }

  # FSx tries its ports while it creates, and fails where a rule is missing.
  depends_on = [
    aws_vpc_security_group_egress_rule.this,
    aws_vpc_security_group_ingress_rule.this,
  ]
}

resource "aws_fsx_data_repository_association" "public" {
  file_system_id                   = aws_fsx_lustre_file_system.this.id
  file_system_path                 = "/project/public"
  data_repository_path             = "s3://${var.public_bucket}/"
  batch_import_meta_data_on_create = true

  s3 {
    # Import only: the bucket belongs to everybody.
    auto_import_policy {
      events = local.all_events
    }
  }

  tags = merge(local.tags, {
    Name                  = "${var.name}-public"
    "provisioner:address" = "${local.address}aws_fsx_data_repository_association.public"
  })

  timeouts {
    create = "60m"
    update = "60m"
    delete = "60m"
  }
}

resource "aws_fsx_data_repository_association" "private" {
  file_system_id                   = aws_fsx_lustre_file_system.this.id
  file_system_path                 = "/project/private"
  data_repository_path             = "s3://${var.private_bucket}/${var.private_prefix}/"
  batch_import_meta_data_on_create = true

  s3 {
    auto_import_policy {
      events = local.all_events
    }

    auto_export_policy {
      events = local.all_events
    }
  }

  tags = merge(local.tags, {
    Name                  = "${var.name}-private"
    "provisioner:address" = "${local.address}aws_fsx_data_repository_association.private"
  })

  timeouts {
    create = "60m"
    update = "60m"
    delete = "60m"
  }
}
