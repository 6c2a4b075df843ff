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

variable "name" {
  description = "Name of what is shared, and the beginning of the names of its parts. workspaces/service is given the same."
  type        = string
  default     = "provisioner"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,24}$", var.name))
    error_message = "name must be a lower-case letter followed by lower-case letters, digits and hyphens, at most 25 characters."
  }
}

variable "zone_letters" {
  description = "Availability zones of endpoints, database and functions, by the letter after the region. The database needs two, in two different zones; projects should live in one of them. Their order decides the addresses of the subnets: add at the end."
  type        = list(string)
  default     = ["a", "b"]
  nullable    = false

  validation {
    condition     = alltrue([for letter in var.zone_letters : can(regex("^[a-z]$", letter))])
    error_message = "zone_letters must be single lower-case letters, such as [\"a\", \"b\"]."
  }
}

variable "vpc_cidr_block" {
  description = "IPv4 block of the VPC."
  type        = string
  default     = "10.42.0.0/16"
  nullable    = false
}

variable "infrastructure_range" {
  description = "Part of it for endpoints, database and functions."
  type        = string
  default     = "10.42.0.0/18"
  nullable    = false
}

variable "project_ranges" {
  description = "Parts of it from which each project gets a subnet: the setting address_ranges, which must say the same."
  type        = list(string)
  default     = ["10.42.64.0/18", "10.42.128.0/17"]
  nullable    = false
}

variable "login_nodes" {
  description = "Whether to make the endpoints that ParallelCluster's login nodes need."
  type        = bool
  default     = false
  nullable    = false
}

variable "extra_endpoints" {
  description = "Further services that nodes reach through endpoints, such as ecr.api and ecr.dkr."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "readable_buckets" {
  description = "Buckets outside the account, in the same region, that the way out of the VPC is opened to, for reading. What reads them needs credentials that may: nodes' roles get none for them, jobs have none at all."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "main_vpc" {
  description = "The VPC in which the Workflow Service lives: id, account, the blocks its clients come from, and their route tables by a name of your choice. null makes no peering; head nodes are then reached by Session Manager alone (docs/setup.md, \"Logging in\")."
  type = object({
    vpc_id          = string
    account_id      = string
    cidr_blocks     = list(string)
    route_table_ids = map(string)
  })
  default = null
}

variable "main_role_arn" {
  description = "Role to assume in the main VPC's account, where that is another one."
  type        = string
  default     = null
}

variable "workflow_clients" {
  description = "Who may reach head nodes by SSH and on the Slurm REST port, by a name of your choice: a block of the main VPC, or a security group there (account/sg-... for another account)."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "slurm_rest_port" {
  description = "TCP port of the Slurm REST API on head nodes."
  type        = number
  default     = 8082
  nullable    = false
}

variable "accounting_database" {
  description = "RDS instance of the accounting databases: the setting of that name."
  type        = string
  default     = "provisioner-slurm-accounting"
  nullable    = false
}

variable "accounting_function" {
  description = "Function that makes databases and users: the setting of that name."
  type        = string
  default     = "provisioner-accounting"
  nullable    = false
}

variable "function_package" {
  description = "Zip of that function, written by `provisioner package`."
  type        = string
  default     = "../../dist/accounting-function.zip"
  nullable    = false
}

variable "function_concurrency" {
  description = "Calls of that function that may run at once, reserved from the account's Lambda quota. -1 reserves none: for new accounts, whose quota of 10 leaves no room."
  type        = number
  default     = 5
  nullable    = false
}

variable "database" {
  description = "Size and protection of the database. max_connections_alarm goes with the class: 80 % of its bytes of memory / 25165760. RDS grows the storage by itself up to max_allocated_storage_gib. performance_insights = false for the micro and small classes, which don't offer it. apply_immediately = true lets changes that interrupt it happen at once instead of in the next maintenance window. deletion_protection = false is one step of taking it down on purpose."
  type = object({
    instance_class            = optional(string, "db.t4g.large")
    max_connections_alarm     = optional(number, 270)
    max_allocated_storage_gib = optional(number, 200)
    multi_az                  = optional(bool, true)
    performance_insights      = optional(bool, true)
    apply_immediately         = optional(bool, false)
    deletion_protection       = optional(bool, true)
  })
  default  = {}
  nullable = false
}

variable "pcluster_versions" {
  description = "ParallelCluster releases that have a provider: that of the setting pcluster_version, and those of clusters that still run."
  type        = set(string)
  default     = ["3.16.1"]
  nullable    = false

  validation {
    condition     = length(var.pcluster_versions) > 0
    error_message = "pcluster_versions must name one release or more."
  }
}

variable "permissions_boundary" {
  description = "ARN of the policy that bounds the providers' roles and every role they make for a cluster: the setting of that name, which must say the same. No boundary where left out."
  type        = string
  default     = null
}

variable "public_bucket" {
  description = "Bucket of the data that all projects share; provisioner-public-<account>-<region> where left out."
  type        = string
  default     = null
}

variable "nodes_bucket" {
  description = "Bucket of what nodes fetch, such as packages; provisioner-nodes-<account>-<region> where left out."
  type        = string
  default     = null
}

variable "alarm_emails" {
  description = "Addresses that alarms are sent to; each is asked to confirm."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "log_retention_days" {
  description = "How long CloudWatch keeps logs of network, database and functions."
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
