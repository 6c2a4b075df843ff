variable "pcluster_version" {
  description = "ParallelCluster release, such as 3.16.1. Clusters made through this provider keep it for life."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^3\\.([6-9]|[1-9][0-9]+)\\.[0-9]+$", var.pcluster_version))
    error_message = "pcluster_version must be a release of ParallelCluster 3 from 3.6.0 on, such as 3.16.1: earlier ones have no provider stack."
  }
}

variable "name" {
  description = "Name of the provider stack, and the start of the names of its role and policies. parallelcluster-provider- and the version, with hyphens, where left out: that is where the engine looks for it."
  type        = string
  default     = null

  validation {
    condition     = var.name == null || can(regex("^parallelcluster-[a-z0-9-]{1,25}$", var.name))
    error_message = "name must start with parallelcluster-, by which the role finds the stack's bucket, and go on with at most 25 lower-case letters, digits and hyphens."
  }

  validation {
    condition     = var.name == null || endswith(coalesce(var.name, "-"), "-${replace(var.pcluster_version, ".", "-")}")
    error_message = "name must end in the version with hyphens, such as -3-16-1: another version must be another stack, since a provider that changed its version could update no cluster any more."
  }
}

variable "cluster_prefix" {
  description = "What the names of all clusters start with. The provider can make no other."
  type        = string
  default     = "pc-"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,14}-$", var.cluster_prefix))
    error_message = "cluster_prefix must be 2 to 16 lower-case letters, digits and hyphens, with a letter first and a hyphen last."
  }
}

variable "scripts_prefix" {
  description = "Prefix of the nodes' scripts in a project's bucket, without a slash at either end. ParallelCluster looks whether they are there."
  type        = string
  default     = "scripts"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$", var.scripts_prefix)) && length(var.scripts_prefix) <= 512
    error_message = "scripts_prefix must be one or more key parts joined by single slashes, such as scripts; at most 512 characters."
  }
}

variable "node_policy_arns" {
  description = "Managed policies that clusters may attach to their nodes' roles, beside CloudWatchAgentServerPolicy."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.node_policy_arns : can(regex("^arn:aws[a-z-]*:iam::(aws|[0-9]{12}):policy/[A-Za-z0-9+=,.@_/-]+$", arn))])
    error_message = "node_policy_arns must be ARNs of managed policies, without wildcards."
  }
}

variable "permissions_boundary" {
  description = "ARN of the policy that bounds the provider's role, and that every role it makes for a cluster must carry: the cluster configuration's Iam/PermissionsBoundary must name it. No boundary where left out."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary == null || can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:policy/[A-Za-z0-9+=,.@_/-]+$", var.permissions_boundary))
    error_message = "permissions_boundary must be the ARN of a managed policy of your account."
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
