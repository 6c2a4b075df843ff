variable "name" {
  description = "Name of what the module makes, and the value of its Name tags; usually the cluster's name."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9-]{0,59}$", var.name))
    error_message = "name must be a letter followed by letters, digits and hyphens, at most 60 characters."
  }
}

variable "cluster_name" {
  description = "Name of the cluster, and of the CloudFormation stack that ParallelCluster makes for it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z][a-zA-Z0-9-]{0,39}$", var.cluster_name))
    error_message = "cluster_name must be a letter followed by letters, digits and hyphens, at most 40 characters: ParallelCluster's limit with Slurm accounting."
  }
}

variable "stack_name" {
  description = "Name of the parent stack, which holds the cluster as a custom resource."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z][a-zA-Z0-9-]{0,127}$", var.stack_name))
    error_message = "stack_name must be a letter followed by letters, digits and hyphens, at most 128 characters."
  }

  validation {
    condition     = var.stack_name != var.cluster_name
    error_message = "stack_name must differ from cluster_name: the cluster is a stack of its own, by that name."
  }
}

variable "service_token" {
  description = "ServiceToken output of the ParallelCluster provider stack: the ARN of its function. It fixes the ParallelCluster version and can't change while the cluster lives."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_:$-]+$", var.service_token))
    error_message = "service_token must be the ARN of a Lambda function, as the provider stack's output ServiceToken gives it."
  }
}

variable "cluster_configuration" {
  # ParallelCluster's own schema: hundreds of keys, most of them optional. An object type here
  # would fill each missing one with null, which CloudFormation refuses.
  description = "The ParallelCluster configuration as an object (the content of its YAML file)."
  type        = any
  nullable    = false

  validation {
    condition = (
      can(keys(var.cluster_configuration)) &&
      alltrue([for section in ["Image", "HeadNode", "Scheduling"] : can(keys(var.cluster_configuration[section]))])
    )
    error_message = "cluster_configuration must be an object with the sections Image, HeadNode and Scheduling."
  }
}

variable "vpc_id" {
  description = "VPC of the cluster's subnet."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^vpc-([0-9a-f]{8}|[0-9a-f]{17})$", var.vpc_id))
    error_message = "vpc_id must be a VPC id: vpc- and 8 or 17 hexadecimal digits."
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

  validation {
    condition     = alltrue([for key in keys(var.tags) : key != "Name" && !startswith(key, "parallelcluster:")])
    error_message = "tags must hold neither Name, which ParallelCluster gives to its nodes itself, nor a key that starts with parallelcluster:, which it keeps to itself."
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
