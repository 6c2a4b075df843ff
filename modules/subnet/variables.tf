variable "name" {
  description = "Name of what the module makes, and the value of its Name tags; usually the cluster's name."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9-]{0,59}$", var.name))
    error_message = "name must be a letter followed by letters, digits and hyphens, at most 60 characters."
  }
}

variable "vpc_id" {
  description = "VPC the subnet is made in."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^vpc-([0-9a-f]{8}|[0-9a-f]{17})$", var.vpc_id))
    error_message = "vpc_id must be a VPC id: vpc- and 8 or 17 hexadecimal digits."
  }
}

variable "cidr_block" {
  description = "IPv4 block of the subnet, /16 to /28. AWS keeps 5 of its addresses."
  type        = string
  nullable    = false

  validation {
    condition = (
      can(cidrnetmask(var.cidr_block)) &&
      try(cidrsubnet(var.cidr_block, 0, 0) == var.cidr_block, false) &&
      try(tonumber(split("/", var.cidr_block)[1]) >= 16 && tonumber(split("/", var.cidr_block)[1]) <= 28, false)
    )
    error_message = "cidr_block must be an IPv4 network address of /16 to /28 with no host bits set, such as 10.42.64.0/24."
  }
}

variable "availability_zone" {
  description = "Availability zone of the subnet, such as us-east-1a. Nodes, mount target and Lustre all live in it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z0-9]+)+[a-z]$", var.availability_zone))
    error_message = "availability_zone must be the name of a zone, such as us-east-1a, not a region or a zone id."
  }
}

variable "route_table_id" {
  description = "Route table of the subnet: the shared one for projects, with gateway endpoints and no way to the Internet."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^rtb-([0-9a-f]{8}|[0-9a-f]{17})$", var.route_table_id))
    error_message = "route_table_id must be a route table id: rtb- and 8 or 17 hexadecimal digits."
  }
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
