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
  description = "VPC of the subnet and of the security group."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^vpc-([0-9a-f]{8}|[0-9a-f]{17})$", var.vpc_id))
    error_message = "vpc_id must be a VPC id: vpc- and 8 or 17 hexadecimal digits."
  }
}

variable "mounted" {
  description = "Whether a cluster mounts the file system. false parks it: the data stays, mount target and security group go."
  type        = bool
  nullable    = false
}

variable "subnet_id" {
  description = "Subnet of the mount target. Needed while mounted; ignored, and best null, while parked."
  type        = string
  default     = null

  validation {
    condition     = var.mounted ? can(regex("^subnet-([0-9a-f]{8}|[0-9a-f]{17})$", var.subnet_id)) : true
    error_message = "subnet_id must be a subnet id (subnet- and 8 or 17 hexadecimal digits) while the file system is mounted."
  }
}

variable "client_security_group_id" {
  description = "Security group of the nodes that mount the file system. Needed while mounted; ignored, and best null, while parked."
  type        = string
  default     = null

  validation {
    condition     = var.mounted ? can(regex("^sg-([0-9a-f]{8}|[0-9a-f]{17})$", var.client_security_group_id)) : true
    error_message = "client_security_group_id must be a security group id (sg- and 8 or 17 hexadecimal digits) while the file system is mounted."
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
