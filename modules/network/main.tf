data "aws_caller_identity" "this" {}

data "aws_partition" "this" {}

data "aws_region" "this" {}

module "discovery" {
  source = "../discovery"
}

locals {
  tags       = merge(var.tags, { Name = var.name })
  address    = var.address == "" ? "" : "${var.address}."
  account_id = data.aws_caller_identity.this.account_id
  partition  = data.aws_partition.this.partition
  region     = data.aws_region.this.name

  # A quarter of the infrastructure range for each kind of subnet, and one in reserve: one ACL rule
  # then covers all zones of a kind, those of later zones too.
  kinds  = ["endpoints", "database", "functions"]
  ranges = { for index, kind in local.kinds : kind => cidrsubnet(var.infrastructure_range, 2, index) }
  subnets = merge([
    for kind in local.kinds : {
      for index, zone in var.zones : "${kind}-${zone}" => {
        kind       = kind
        zone       = zone
        cidr_block = cidrsubnet(local.ranges[kind], 4, index)
      }
    }
  ]...)
  subnet_ids = {
    for kind in local.kinds : kind => [for zone in var.zones : aws_subnet.this["${kind}-${zone}"].id]
  }
}

resource "aws_vpc" "this" {
  cidr_block = var.cidr_block

  # The private names of the endpoints need both, and ParallelCluster refuses a VPC without them.
  enable_dns_support   = true
  enable_dns_hostnames = true

  tags = merge(local.tags, module.discovery.shared.vpc, {
    "provisioner:address" = "${local.address}aws_vpc.this"
  })
}

resource "aws_subnet" "this" {
  for_each = local.subnets

  vpc_id                          = aws_vpc.this.id
  cidr_block                      = each.value.cidr_block
  availability_zone               = each.value.zone
  map_public_ip_on_launch         = false
  assign_ipv6_address_on_creation = false

  tags = merge(local.tags, {
    Name                  = "${var.name}-${each.key}"
    "provisioner:address" = "${local.address}aws_subnet.this.${each.key}"
  })
}

# For subnets that nobody gave a route table: they reach nothing but the VPC itself.
resource "aws_default_route_table" "this" {
  default_route_table_id = aws_vpc.this.default_route_table_id
  route                  = []

  tags = merge(local.tags, {
    Name                  = "${var.name}-closed"
    "provisioner:address" = "${local.address}aws_default_route_table.this"
  })
}

# No routes of their own: the gateway endpoints put theirs in, and modules/peering adds the way back
# to the main VPC for projects.
resource "aws_route_table" "projects" {
  vpc_id = aws_vpc.this.id

  tags = merge(local.tags, module.discovery.shared.project_route_table, {
    Name                  = "${var.name}-projects"
    "provisioner:address" = "${local.address}aws_route_table.projects"
  })
}

resource "aws_route_table" "infrastructure" {
  vpc_id = aws_vpc.this.id

  tags = merge(local.tags, {
    Name                  = "${var.name}-infrastructure"
    "provisioner:address" = "${local.address}aws_route_table.infrastructure"
  })
}

resource "aws_route_table_association" "this" {
  for_each = local.subnets

  subnet_id      = aws_subnet.this[each.key].id
  route_table_id = aws_route_table.infrastructure.id
}
