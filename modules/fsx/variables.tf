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

variable "subnet_id" {
  description = "The one subnet of the file system; the cluster's own, so that no data crosses zones."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^subnet-([0-9a-f]{8}|[0-9a-f]{17})$", var.subnet_id))
    error_message = "subnet_id must be a subnet id: subnet- and 8 or 17 hexadecimal digits."
  }
}

variable "client_security_group_id" {
  description = "Security group of the nodes that mount the file system. The module adds the Lustre rules to it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^sg-([0-9a-f]{8}|[0-9a-f]{17})$", var.client_security_group_id))
    error_message = "client_security_group_id must be a security group id: sg- and 8 or 17 hexadecimal digits."
  }
}

variable "public_bucket" {
  description = "Name of the shared bucket that is imported to /project/public, in the region of the file system."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.public_bucket))
    error_message = "public_bucket must be the name of a bucket, without s3:// and without a prefix."
  }
}

variable "private_bucket" {
  description = "Name of the project's own bucket, imported to and exported from /project/private, in the region of the file system."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.private_bucket))
    error_message = "private_bucket must be the name of a bucket, without s3:// and without a prefix."
  }

  validation {
    condition     = var.private_bucket != var.public_bucket
    error_message = "private_bucket and public_bucket must differ: FSx links a bucket to a file system once."
  }
}

variable "private_prefix" {
  description = "Prefix in the private bucket under which the project's files are, without a slash at either end."
  type        = string
  default     = "private"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9!_.*'()-]+(/[A-Za-z0-9!_.*'()-]+)*$", var.private_prefix)) && length(var.private_prefix) <= 512
    error_message = "private_prefix must be one or more key parts joined by single slashes, such as private or data/private; at most 512 characters."
  }
}

variable "storage_capacity_gib" {
  description = "Size of the file system in GiB: 1200, or a multiple of 2400. It can grow, never shrink."
  type        = number
  default     = 1200
  nullable    = false

  validation {
    condition     = var.storage_capacity_gib == 1200 || (var.storage_capacity_gib > 0 && var.storage_capacity_gib % 2400 == 0)
    error_message = "storage_capacity_gib must be 1200 or a multiple of 2400 GiB. See CreateFileSystem in the FSx API reference."
  }
}

variable "throughput_mbps_per_tib" {
  description = "Throughput in MB/s for each TiB of size: 125, 250, 500 or 1000."
  type        = number
  default     = 250
  nullable    = false

  validation {
    condition     = contains([125, 250, 500, 1000], var.throughput_mbps_per_tib)
    error_message = "throughput_mbps_per_tib must be 125, 250, 500 or 1000: the tiers of PERSISTENT_2 on SSD."
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
