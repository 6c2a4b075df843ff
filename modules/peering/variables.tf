variable "name" {
  description = "Name of the peering connection, on both sides."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9-]{0,59}$", var.name))
    error_message = "name must be a letter followed by letters, digits and hyphens, at most 60 characters."
  }
}

variable "vpc_id" {
  description = "The projects' VPC, which asks for the peering."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^vpc-([0-9a-f]{8}|[0-9a-f]{17})$", var.vpc_id))
    error_message = "vpc_id must be a VPC id: vpc- and 8 or 17 hexadecimal digits."
  }
}

variable "cidr_block" {
  description = "IPv4 block of the projects' VPC."
  type        = string
  nullable    = false

  validation {
    condition     = try(cidrsubnet(var.cidr_block, 0, 0) == var.cidr_block, false)
    error_message = "cidr_block must be an IPv4 network address with no host bits set, such as 10.42.0.0/16."
  }
}

variable "project_ranges" {
  description = "Parts of that block that the main VPC gets routes to: an output of modules/network."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.project_ranges) > 0 && alltrue([for block in var.project_ranges : try(cidrsubnet(block, 0, 0) == block, false)])
    error_message = "project_ranges must be one or more IPv4 network addresses with no host bits set, such as 10.42.64.0/18."
  }

  # Inside: at the VPC's prefix, both have the same network address.
  validation {
    condition = alltrue([
      for block in var.project_ranges : try(
        cidrhost("${split("/", block)[0]}/${split("/", var.cidr_block)[1]}", 0) == cidrhost(var.cidr_block, 0) &&
        tonumber(split("/", block)[1]) >= tonumber(split("/", var.cidr_block)[1]),
        false
      )
    ])
    error_message = "project_ranges must lie inside cidr_block."
  }
}

variable "route_table_ids" {
  description = "Route tables that get routes to the main VPC, by a name of your choice: usually that of projects alone."
  type        = map(string)
  nullable    = false

  validation {
    condition = length(var.route_table_ids) > 0 && alltrue([
      for id in values(var.route_table_ids) : can(regex("^rtb-([0-9a-f]{8}|[0-9a-f]{17})$", id))
    ])
    error_message = "route_table_ids must have one or more route table ids: rtb- and 8 or 17 hexadecimal digits."
  }
}

variable "main_vpc" {
  description = "The main VPC: its id, its account, the blocks in it from which clients come (its own block, or better the clients' subnets), and the clients' route tables, by a name of your choice."
  type = object({
    vpc_id          = string
    account_id      = string
    cidr_blocks     = list(string)
    route_table_ids = map(string)
  })
  nullable = false

  validation {
    condition     = can(regex("^vpc-([0-9a-f]{8}|[0-9a-f]{17})$", var.main_vpc.vpc_id)) && var.main_vpc.vpc_id != var.vpc_id
    error_message = "main_vpc.vpc_id must be the id of another VPC: vpc- and 8 or 17 hexadecimal digits."
  }

  validation {
    condition     = can(regex("^[0-9]{12}$", var.main_vpc.account_id))
    error_message = "main_vpc.account_id must be 12 digits."
  }

  validation {
    condition = length(var.main_vpc.cidr_blocks) > 0 && alltrue([
      for block in var.main_vpc.cidr_blocks : try(cidrsubnet(block, 0, 0) == block, false)
    ])
    error_message = "main_vpc.cidr_blocks must be one or more IPv4 network addresses with no host bits set, such as 10.0.16.0/20."
  }

  # Overlapping: at the shorter of the two prefixes, both have the same network address.
  validation {
    condition = alltrue([
      for block in var.main_vpc.cidr_blocks : try(
        cidrhost("${split("/", block)[0]}/${min(split("/", block)[1], split("/", var.cidr_block)[1])}", 0) !=
        cidrhost("${split("/", var.cidr_block)[0]}/${min(split("/", block)[1], split("/", var.cidr_block)[1])}", 0),
        false
      )
    ])
    error_message = "main_vpc.cidr_blocks must not overlap cidr_block: AWS peers no VPCs that share addresses."
  }

  validation {
    condition = length(var.main_vpc.route_table_ids) > 0 && alltrue([
      for id in values(var.main_vpc.route_table_ids) : can(regex("^rtb-([0-9a-f]{8}|[0-9a-f]{17})$", id))
    ])
    error_message = "main_vpc.route_table_ids must have one or more route table ids: rtb- and 8 or 17 hexadecimal digits."
  }
}

variable "dns_resolution" {
  description = "Whether each side resolves public host names of the other to private addresses. Both VPCs must have DNS resolution and DNS hostnames on."
  type        = bool
  default     = true
  nullable    = false
}

variable "tags" {
  description = "Tags for everything the module makes, on top of the provider's default tags."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition = alltrue([
      for key, value in var.tags :
      can(regex("^[\\p{L}\\p{N}_.:/=+@ -]{1,128}$", key)) &&
      can(regex("^[\\p{L}\\p{N}_.:/=+@ -]{0,256}$", value)) &&
      !startswith(lower(key), "aws:")
    ])
    error_message = "tags: keys (1 to 128) and values (up to 256 characters) may hold letters, digits, spaces and + - = . _ : / @, and no key starts with aws:."
  }
}

variable "address" {
  description = "Where the module is called, in tag form: module.subnet.0 for module.subnet[0]. Empty in a root module."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^([A-Za-z0-9_:/=+@ -]+(\\.[A-Za-z0-9_:/=+@ -]+)*)?$", var.address)) && length(var.address) <= 160
    error_message = "address must be a Terraform module address in tag form, such as module.subnet.0: at most 160 characters, no brackets, no quotes, no dot at either end."
  }
}
