# A node carries several groups, and may do what any of them allows. ParallelCluster's own groups let
# everything out; where it can get to is then up to the routes and the network ACL. Functions carry
# ours alone, so each group that clients carry has the way out that its purpose needs.

# Takes the rules of the VPC's default group away: what carries no other group reaches nothing.
resource "aws_default_security_group" "this" {
  vpc_id  = aws_vpc.this.id
  ingress = []
  egress  = []

  tags = merge(local.tags, {
    Name                  = "${var.name}-closed"
    "provisioner:address" = "${local.address}aws_default_security_group.this"
  })
}

resource "aws_security_group" "endpoint_access" {
  #checkov:skip=CKV2_AWS_5: carried by nodes and functions, which others make
  name        = "${var.name}-endpoint-access"
  description = "Carried by nodes and functions that call AWS through the endpoints of ${var.name}"
  vpc_id      = aws_vpc.this.id

  tags = merge(local.tags, module.discovery.shared.endpoint_access, {
    Name                  = "${var.name}-endpoint-access"
    "provisioner:address" = "${local.address}aws_security_group.endpoint_access"
  })
}

resource "aws_vpc_security_group_egress_rule" "endpoint_access" {
  security_group_id            = aws_security_group.endpoint_access.id
  description                  = "HTTPS to the interface endpoints"
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
  referenced_security_group_id = aws_security_group.endpoints.id

  tags = merge(local.tags, {
    Name                  = "${var.name}-to-endpoints"
    "provisioner:address" = "${local.address}aws_vpc_security_group_egress_rule.endpoint_access"
  })
}

resource "aws_vpc_security_group_egress_rule" "gateways" {
  for_each = local.gateway_policies

  security_group_id = aws_security_group.endpoint_access.id
  description       = "HTTPS to ${each.key} through its gateway endpoint"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  prefix_list_id    = aws_vpc_endpoint.gateway[each.key].prefix_list_id

  tags = merge(local.tags, {
    Name                  = "${var.name}-to-${each.key}"
    "provisioner:address" = "${local.address}aws_vpc_security_group_egress_rule.gateways.${each.key}"
  })
}

resource "aws_security_group" "endpoints" {
  name        = "${var.name}-endpoints"
  description = "Interface endpoints of ${var.name}: HTTPS from what carries endpoint-access"
  vpc_id      = aws_vpc.this.id

  tags = merge(local.tags, {
    Name                  = "${var.name}-endpoints"
    "provisioner:address" = "${local.address}aws_security_group.endpoints"
  })
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  security_group_id            = aws_security_group.endpoints.id
  description                  = "HTTPS from nodes and functions"
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
  referenced_security_group_id = aws_security_group.endpoint_access.id

  tags = merge(local.tags, {
    Name                  = "${var.name}-endpoints-in"
    "provisioner:address" = "${local.address}aws_vpc_security_group_ingress_rule.endpoints"
  })
}

locals {
  client_rules = merge([
    for kind in ["ssh", "slurm_rest"] : {
      for name, client in var.workflow_clients : "${replace(kind, "_", "-")}-${name}" => {
        description = "${kind == "ssh" ? "SSH" : "Slurm REST"} from ${name}"
        port        = local.ports[kind].from
        block       = strcontains(client, "sg-") ? null : client
        # A group of this very account goes without the account: AWS reports it so.
        group_id = strcontains(client, "sg-") ? trimprefix(client, "${local.account_id}/") : null
      }
    }
  ]...)
}

# No way out: the answers to what is let in need none.
resource "aws_security_group" "workflow_access" {
  #checkov:skip=CKV2_AWS_5: carried by nodes and functions, which others make
  name        = "${var.name}-workflow-access"
  description = "Carried by head nodes: lets the Workflow Service and the provisioner in"
  vpc_id      = aws_vpc.this.id

  tags = merge(local.tags, module.discovery.shared.workflow_access, {
    Name                  = "${var.name}-workflow-access"
    "provisioner:address" = "${local.address}aws_security_group.workflow_access"
  })
}

resource "aws_vpc_security_group_ingress_rule" "workflow_access" {
  for_each = local.client_rules

  security_group_id            = aws_security_group.workflow_access.id
  description                  = each.value.description
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  cidr_ipv4                    = each.value.block
  referenced_security_group_id = each.value.group_id

  tags = merge(local.tags, {
    Name                  = "${var.name}-${each.key}"
    "provisioner:address" = "${local.address}aws_vpc_security_group_ingress_rule.workflow_access.${each.key}"
  })

  lifecycle {
    # AWS knows a group of another VPC only while the peering is active. The mention makes the rule
    # wait for it, and go before it.
    precondition {
      condition     = each.value.group_id == null || var.peering_connection_id != null
      error_message = "A security group of the main VPC can be let in only through an active peering: give peering_connection_id, an output of modules/peering."
    }
  }
}
