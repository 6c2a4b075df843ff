variable "account_id" {
  description = "AWS account, 12 digits in quotes; Terraform refuses to work in any other."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits, in quotes."
  }
}

variable "region" {
  description = "AWS region of everything."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z0-9]+)+-[0-9]$", var.region))
    error_message = "region must be the name of a region, such as eu-central-1."
  }
}

variable "image_tag" {
  description = "Tag of the provisioner's image in the repository that bootstrap made."
  type        = string
  nullable    = false
}

variable "caller_role_arns" {
  description = "IAM roles that may call the API: the Workflow Service's."
  type        = list(string)
  nullable    = false
}

variable "vpc_endpoint_ids" {
  description = "Endpoints of execute-api in the Workflow Service's VPC, through which alone the API is then reached. Without any it has a public address, for the same roles."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "name" {
  description = "Name of what is shared: the same as in workspaces/shared."
  type        = string
  default     = "provisioner"
  nullable    = false
}

variable "settings" {
  description = "Further settings of the engine by name (docs/settings.md), as text: those of your provisioner.yaml that differ from the defaults, and are no input here."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "state_bucket" {
  description = "Bucket of Terraform's states; provisioner-state-<account>-<region> where left out."
  type        = string
  default     = null
}

variable "lock_table" {
  description = "DynamoDB table of Terraform's state locks."
  type        = string
  default     = "provisioner-terraform-locks"
  nullable    = false
}

variable "registry_table" {
  description = "DynamoDB table of projects and operations."
  type        = string
  default     = "provisioner-registry"
  nullable    = false
}

variable "public_bucket" {
  description = "Bucket of the data that all projects share; provisioner-public-<account>-<region> where left out."
  type        = string
  default     = null
}

variable "nodes_bucket" {
  description = "Bucket of what nodes fetch; provisioner-nodes-<account>-<region> where left out."
  type        = string
  default     = null
}

variable "accounting_database" {
  description = "RDS instance of the accounting databases."
  type        = string
  default     = "provisioner-slurm-accounting"
  nullable    = false
}

variable "accounting_function" {
  description = "Function that makes databases and users."
  type        = string
  default     = "provisioner-accounting"
  nullable    = false
}

variable "requests" {
  description = "How many requests the API takes: a second in the long run, at once beyond that, and answered at the same time."
  type = object({
    rate_per_s  = optional(number, 50)
    burst       = optional(number, 100)
    concurrency = optional(number, 50)
  })
  default  = {}
  nullable = false
}

variable "worker" {
  description = "The worker: operations at the same time, and memory and /tmp of each."
  type = object({
    concurrency = optional(number, 20)
    memory_mib  = optional(number, 3008)
    storage_mib = optional(number, 2048)
  })
  default  = {}
  nullable = false
}

variable "reserve_concurrency" {
  description = "Whether the functions have their concurrency reserved. false for accounts whose Lambda quota leaves no room: 100 must stay unreserved."
  type        = bool
  default     = true
  nullable    = false
}

variable "schedules" {
  description = "What the worker does by the clock, each with an expression of EventBridge: drift, keys and sweep. Without a word here sweep is every hour, and keys too where settings have jwks_url; null switches one off."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "event_bus_name" {
  description = "Event bus on which the service tells of each phase of an operation. null: it tells nobody."
  type        = string
  default     = null
}

variable "manage_account_logging" {
  description = "Whether to give API Gateway the role by which it writes logs, one for the account and region. false where something else has set it."
  type        = bool
  default     = true
  nullable    = false
}

variable "permissions_boundary" {
  description = "ARN of the policy that bounds the roles of both functions. No boundary where left out."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "How long CloudWatch keeps the logs of the API's requests."
  type        = number
  default     = 365
  nullable    = false
}

variable "tags" {
  description = "Tags for everything, such as those by which costs are allocated, on top of the one that says who made it."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "s3_use_path_style" {
  description = "Bucket in the path of S3's address instead of its host name: for the local cloud."
  type        = bool
  default     = false
  nullable    = false
}
