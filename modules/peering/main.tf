data "aws_caller_identity" "this" {}

data "aws_caller_identity" "main" {
  provider = aws.main
}

data "aws_region" "this" {}

data "aws_region" "main" {
  provider = aws.main
}

locals {
  tags    = merge(var.tags, { Name = var.name })
  address = var.address == "" ? "" : "${var.address}."

  # In one account both ends are one object with one set of tags, so it accepts itself and there is no
  # second resource to fight over them.
  own_account = data.aws_caller_identity.this.account_id == var.main_vpc.account_id
  active_id   = local.own_account ? aws_vpc_peering_connection.this.id : one(aws_vpc_peering_connection_accepter.main[*].id)

  # Only what has to cross: from projects back to the clients' blocks, from there to projects.
  routes = {
    for pair in setproduct(keys(var.route_table_ids), var.main_vpc.cidr_blocks) :
    "${pair[0]}-${pair[1]}" => { route_table_id = var.route_table_ids[pair[0]], block = pair[1] }
  }
  main_routes = {
    for pair in setproduct(keys(var.main_vpc.route_table_ids), var.project_ranges) :
    "${pair[0]}-${pair[1]}" => { route_table_id = var.main_vpc.route_table_ids[pair[0]], block = pair[1] }
  }
}

resource "aws_vpc_peering_connection" "this" {
  vpc_id        = var.vpc_id
  peer_vpc_id   = var.main_vpc.vpc_id
  peer_owner_id = var.main_vpc.account_id
  auto_accept   = local.own_account

  tags = merge(local.tags, { "provisioner:address" = "${local.address}aws_vpc_peering_connection.this" })

  lifecycle {
    precondition {
      condition     = data.aws_caller_identity.main.account_id == var.main_vpc.account_id
      error_message = "The provider aws.main is in account ${data.aws_caller_identity.main.account_id}, the main VPC in ${var.main_vpc.account_id}."
    }

    precondition {
      condition     = data.aws_region.main.name == data.aws_region.this.name
      error_message = "The provider aws.main is in ${data.aws_region.main.name}, the VPC in ${data.aws_region.this.name}: security groups cannot name each other across regions."
    }
  }
}

resource "aws_vpc_peering_connection_accepter" "main" {
  count    = local.own_account ? 0 : 1
  provider = aws.main

  vpc_peering_connection_id = aws_vpc_peering_connection.this.id
  auto_accept               = true

  tags = merge(local.tags, { "provisioner:address" = "${local.address}aws_vpc_peering_connection_accepter.main.0" })
}

# Each side sets its own option, once the connection is active.
resource "aws_vpc_peering_connection_options" "this" {
  vpc_peering_connection_id = local.active_id

  requester {
    allow_remote_vpc_dns_resolution = var.dns_resolution
  }
}

resource "aws_vpc_peering_connection_options" "main" {
  provider = aws.main

  vpc_peering_connection_id = local.active_id

  accepter {
    allow_remote_vpc_dns_resolution = var.dns_resolution
  }
}

resource "aws_route" "this" {
  for_each = local.routes

  route_table_id            = each.value.route_table_id
  destination_cidr_block    = each.value.block
  vpc_peering_connection_id = local.active_id
}

resource "aws_route" "main" {
  for_each = local.main_routes
  provider = aws.main

  route_table_id            = each.value.route_table_id
  destination_cidr_block    = each.value.block
  vpc_peering_connection_id = local.active_id
}
