variable "name" {
  description = "Name of what the module makes, and the value of its Name tags; usually the cluster's name."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9-]{0,59}$", var.name))
    error_message = "name must be a letter followed by letters, digits and hyphens, at most 60 characters."
  }
}

variable "bucket" {
  description = "Name of the bucket that takes the node software, in the region of the cluster. Only administrators may write under the prefix and under nodes/."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "bucket must be the name of a bucket, without s3:// and without a prefix."
  }
}

variable "config" {
  description = "The node configuration, a JSON object; what may stand in it: engine/workspace/node_config.py. No secrets."
  type        = string
  nullable    = false

  validation {
    condition     = can(keys(jsondecode(var.config)))
    error_message = "config must be the text of a JSON object."
  }
}

variable "prefix" {
  description = "Prefix of the node software in the bucket, without a slash at either end."
  type        = string
  default     = "scripts"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$", var.prefix)) && length(var.prefix) <= 512
    error_message = "prefix must be one or more key parts joined by single slashes, such as scripts; at most 512 characters."
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
