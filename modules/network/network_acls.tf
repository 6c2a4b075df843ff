# Network ACLs keep subnets apart; inside one subnet they filter nothing, so a project talks to itself.
# They have no memory: what goes one way needs a rule for its replies the other way. AWS never filters
# DNS, DHCP, the time service and instance metadata with them, so none of these has a rule (VPC User
# Guide, "Network ACL basics").
locals {
  ports = {
    all        = { protocol = "-1", from = 0, to = 0 }
    https      = { protocol = "tcp", from = 443, to = 443 }
    mariadb    = { protocol = "tcp", from = 3306, to = 3306 }
    ssh        = { protocol = "tcp", from = 22, to = 22 }
    slurm_rest = { protocol = "tcp", from = var.slurm_rest_port, to = var.slurm_rest_port }
    # Clients choose the port on which they take replies: Linux from 32768 on, Lambda from 1024 on (VPC
    # User Guide, "Ephemeral ports").
    replies = { protocol = "tcp", from = 1024, to = 65535 }
  }
  anywhere = "0.0.0.0/0"

  # Number, action, ports, block: the first rule that fits decides.
  acls = {
    projects = {
      ingress = concat(
        # Other projects first: no rule below can open a way to them.
        [for index, block in var.project_ranges : [100 + index, "deny", "all", block]],
        [
          [200, "allow", "replies", local.ranges.endpoints],
          [210, "allow", "replies", local.ranges.database],
          [220, "deny", "all", var.cidr_block],
        ],
        [for index, block in var.peer_cidr_blocks : [300 + index, "allow", "ssh", block]],
        [for index, block in var.peer_cidr_blocks : [310 + index, "allow", "slurm_rest", block]],
        [for index, block in var.peer_cidr_blocks : [320 + index, "deny", "all", block]],
        # Replies of S3 and DynamoDB, whose gateway endpoints answer from public addresses. An ACL takes
        # no prefix list, and no route leads to any other public address.
        [[400, "allow", "replies", local.anywhere]],
      )
      egress = concat(
        [for index, block in var.project_ranges : [100 + index, "deny", "all", block]],
        [
          [200, "allow", "https", local.ranges.endpoints],
          [210, "allow", "mariadb", local.ranges.database],
          [220, "deny", "all", var.cidr_block],
        ],
        [for index, block in var.peer_cidr_blocks : [300 + index, "allow", "replies", block]],
        [for index, block in var.peer_cidr_blocks : [320 + index, "deny", "all", block]],
        [[400, "allow", "https", local.anywhere]],
      )
    }
    endpoints = {
      ingress = concat(
        [for index, block in var.project_ranges : [100 + index, "allow", "https", block]],
        [[200, "allow", "https", local.ranges.functions]],
      )
      egress = concat(
        [for index, block in var.project_ranges : [100 + index, "allow", "replies", block]],
        [[200, "allow", "replies", local.ranges.functions]],
      )
    }
    database = {
      ingress = concat(
        [for index, block in var.project_ranges : [100 + index, "allow", "mariadb", block]],
        [[200, "allow", "mariadb", local.ranges.functions]],
      )
      egress = concat(
        [for index, block in var.project_ranges : [100 + index, "allow", "replies", block]],
        [[200, "allow", "replies", local.ranges.functions]],
      )
    }
    functions = {
      ingress = [
        [200, "allow", "replies", local.ranges.endpoints],
        [210, "allow", "replies", local.ranges.database],
        [220, "deny", "all", var.cidr_block],
        [400, "allow", "replies", local.anywhere],
      ]
      egress = [
        [200, "allow", "https", local.ranges.endpoints],
        [210, "allow", "mariadb", local.ranges.database],
        [220, "deny", "all", var.cidr_block],
        [400, "allow", "https", local.anywhere],
      ]
    }
  }
  # Default quota for each direction, with the rule that denies everything else (Amazon VPC quotas).
  acl_rules_max = 20
}

# The VPC's default ACL is the projects': each new subnet has it from its first moment on, without a
# resource of its own that could be missing.
resource "aws_default_network_acl" "projects" {
  default_network_acl_id = aws_vpc.this.default_network_acl_id

  dynamic "ingress" {
    for_each = local.acls.projects.ingress

    content {
      rule_no    = ingress.value[0]
      action     = ingress.value[1]
      protocol   = local.ports[ingress.value[2]].protocol
      from_port  = local.ports[ingress.value[2]].from
      to_port    = local.ports[ingress.value[2]].to
      cidr_block = ingress.value[3]
    }
  }

  dynamic "egress" {
    for_each = local.acls.projects.egress

    content {
      rule_no    = egress.value[0]
      action     = egress.value[1]
      protocol   = local.ports[egress.value[2]].protocol
      from_port  = local.ports[egress.value[2]].from
      to_port    = local.ports[egress.value[2]].to
      cidr_block = egress.value[3]
    }
  }

  tags = merge(local.tags, {
    Name                  = "${var.name}-projects"
    "provisioner:address" = "${local.address}aws_default_network_acl.projects"
  })

  lifecycle {
    # Subnets of projects come and go without this module.
    ignore_changes = [subnet_ids]

    precondition {
      condition     = alltrue([for rules in values(local.acls.projects) : length(rules) < local.acl_rules_max])
      error_message = "The projects' network ACL would have more than the ${local.acl_rules_max} rules in one direction that AWS allows by default. Use fewer project_ranges or peer_cidr_blocks."
    }
  }
}

resource "aws_network_acl" "this" {
  #checkov:skip=CKV2_AWS_1: each ACL has all subnets of its kind; checkov does not follow ids made by for_each
  for_each = toset(local.kinds)

  vpc_id     = aws_vpc.this.id
  subnet_ids = local.subnet_ids[each.key]

  dynamic "ingress" {
    for_each = local.acls[each.key].ingress

    content {
      rule_no    = ingress.value[0]
      action     = ingress.value[1]
      protocol   = local.ports[ingress.value[2]].protocol
      from_port  = local.ports[ingress.value[2]].from
      to_port    = local.ports[ingress.value[2]].to
      cidr_block = ingress.value[3]
    }
  }

  dynamic "egress" {
    for_each = local.acls[each.key].egress

    content {
      rule_no    = egress.value[0]
      action     = egress.value[1]
      protocol   = local.ports[egress.value[2]].protocol
      from_port  = local.ports[egress.value[2]].from
      to_port    = local.ports[egress.value[2]].to
      cidr_block = egress.value[3]
    }
  }

  tags = merge(local.tags, {
    Name                  = "${var.name}-${each.key}"
    "provisioner:address" = "${local.address}aws_network_acl.this.${each.key}"
  })
}
