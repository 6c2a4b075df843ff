variable "name" {
  description = "Name of the cluster: the secret is provisioner/<name>/accounting, and its Name tag has the same value."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,39}$", var.name))
    error_message = "name must be 1 to 40 lower-case letters, digits and hyphens, a letter first: a ParallelCluster name with accounting has no more."
  }
}

variable "function_name" {
  description = "Lambda function that makes databases and users: the accounting function of the shared ground."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,64}$", var.function_name))
    error_message = "function_name must be 1 to 64 letters, digits, hyphens and underscores."
  }
}

variable "database" {
  description = "Name of the project's accounting database: the cluster's name with underscores."
  type        = string
  nullable    = false

  validation {
    condition     = var.database == replace(var.name, "-", "_")
    error_message = "database must be the cluster's name with underscores for its hyphens; the function refuses any other."
  }
}

variable "user" {
  description = "Name of the project's database user: slurm_ and what the database's name ends with."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^slurm_[0-9a-z_]{1,26}$", var.user)) && endswith(var.database, trimprefix(var.user, "slurm"))
    error_message = "user must be slurm_ and up to 26 characters, and database must end with the same; the function refuses any other."
  }
}

variable "active" {
  description = "Whether the project has its database user and password. false keeps the database alone."
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
