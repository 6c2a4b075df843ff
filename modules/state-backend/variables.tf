variable "name" {
  description = "Name of the ECR repository and, behind alias/, of the KMS key."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.name)) && length(var.name) >= 2 && length(var.name) <= 64
    error_message = "name must be 2 to 64 lower-case letters, digits and single hyphens between them, with a letter first."
  }
}

variable "state_bucket" {
  description = "Name of the bucket of Terraform's states, unique in all of AWS."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$", var.state_bucket)) && length(var.state_bucket) >= 3 && length(var.state_bucket) <= 63
    error_message = "state_bucket must be 3 to 63 lower-case letters, digits, hyphens and dots, with a letter or digit at both ends of each part."
  }

  validation {
    condition = (
      !anytrue([for prefix in ["xn--", "sthree-", "amzn-s3-demo-"] : startswith(var.state_bucket, prefix)]) &&
      !anytrue([for suffix in ["-s3alias", "--ol-s3", "--x-s3", ".mrap", "--table-s3"] : endswith(var.state_bucket, suffix)])
    )
    error_message = "state_bucket must not start or end with a part that S3 keeps to itself, such as xn-- or -s3alias."
  }
}

variable "lock_table" {
  description = "Name of the DynamoDB table of Terraform's state locks."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_.-]{3,255}$", var.lock_table))
    error_message = "lock_table must be 3 to 255 letters, digits and _ . -"
  }
}

variable "registry_table" {
  description = "Name of the DynamoDB table of projects and of the address blocks they hold."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_.-]{3,255}$", var.registry_table))
    error_message = "registry_table must be 3 to 255 letters, digits and _ . -"
  }

  validation {
    condition     = var.registry_table != var.lock_table
    error_message = "registry_table must be another table than lock_table."
  }
}

variable "plan_days" {
  description = "After how many days the bucket deletes a saved plan."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.plan_days >= 1 && var.plan_days <= 90 && floor(var.plan_days) == var.plan_days
    error_message = "plan_days must be a whole number from 1 to 90."
  }
}

variable "deletion_protection" {
  description = "Whether DynamoDB refuses to delete the tables. false is one step of taking the backend down on purpose."
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
