variable "name" {
  description = "Name of the VPC and start of the names of everything in it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9-]{0,38}$", var.name))
    error_message = "name must be a letter followed by letters, digits and hyphens, at most 39 characters."
  }
}

variable "zones" {
  description = "Availability zones with endpoint, database and function subnets, at least two. Their order decides the addresses: add at the end."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.zones) >= 2 && length(var.zones) <= 16 && length(distinct(var.zones)) == length(var.zones)
    error_message = "zones must name 2 to 16 zones, each once: a database needs two."
  }

  validation {
    condition     = alltrue([for zone in var.zones : can(regex("^[a-z]{2}(-[a-z0-9]+)+[a-z]$", zone))])
    error_message = "zones must be names of zones, such as us-east-1a, not regions or zone ids."
  }
}

variable "cidr_block" {
  description = "IPv4 block of the VPC."
  type        = string
  default     = "10.42.0.0/16"
  nullable    = false

  validation {
    condition = (
      try(cidrsubnet(var.cidr_block, 0, 0) == var.cidr_block, false) &&
      try(tonumber(split("/", var.cidr_block)[1]) >= 16 && tonumber(split("/", var.cidr_block)[1]) <= 20, false)
    )
    error_message = "cidr_block must be an IPv4 network address of /16 to /20 with no host bits set, such as 10.42.0.0/16."
  }
}

variable "infrastructure_range" {
  description = "Part of the VPC's block for endpoint, database and function subnets, /18 to /21: a quarter for each kind, of which each zone gets a sixteenth, and a quarter in reserve."
  type        = string
  default     = "10.42.0.0/18"
  nullable    = false

  validation {
    condition = (
      try(cidrsubnet(var.infrastructure_range, 0, 0) == var.infrastructure_range, false) &&
      try(tonumber(split("/", var.infrastructure_range)[1]) >= 18 && tonumber(split("/", var.infrastructure_range)[1]) <= 21, false)
    )
    error_message = "infrastructure_range must be an IPv4 network address of /18 to /21 with no host bits set, such as 10.42.0.0/18."
  }

  # Inside: at the VPC's prefix, both have the same network address.
  validation {
    condition = try(
      cidrhost("${split("/", var.infrastructure_range)[0]}/${split("/", var.cidr_block)[1]}", 0) == cidrhost(var.cidr_block, 0) &&
      tonumber(split("/", var.infrastructure_range)[1]) >= tonumber(split("/", var.cidr_block)[1]),
      false
    )
    error_message = "infrastructure_range must lie inside cidr_block."
  }
}

variable "project_ranges" {
  description = "Parts of the VPC's block from which projects get their subnets: the engine's setting address_ranges."
  type        = list(string)
  default     = ["10.42.64.0/18", "10.42.128.0/17"]
  nullable    = false

  validation {
    condition = length(var.project_ranges) > 0 && alltrue([
      for block in var.project_ranges :
      try(cidrsubnet(block, 0, 0) == block, false) && try(tonumber(split("/", block)[1]) <= 27, false)
    ])
    error_message = "project_ranges must be one or more IPv4 network addresses of at least /27 with no host bits set, such as 10.42.64.0/18."
  }

  validation {
    condition = alltrue([
      for block in var.project_ranges : try(
        cidrhost("${split("/", block)[0]}/${split("/", var.cidr_block)[1]}", 0) == cidrhost(var.cidr_block, 0) &&
        tonumber(split("/", block)[1]) >= tonumber(split("/", var.cidr_block)[1]),
        false
      )
    ])
    error_message = "project_ranges must lie inside cidr_block."
  }

  # Overlapping: at the shorter of the two prefixes, both have the same network address.
  validation {
    condition = alltrue(flatten([
      for index, block in var.project_ranges : [
        for other in concat(slice(var.project_ranges, 0, index), [var.infrastructure_range]) : try(
          cidrhost("${split("/", block)[0]}/${min(split("/", block)[1], split("/", other)[1])}", 0) !=
          cidrhost("${split("/", other)[0]}/${min(split("/", block)[1], split("/", other)[1])}", 0),
          false
        )
      ]
    ]))
    error_message = "project_ranges must overlap neither each other nor infrastructure_range."
  }
}

variable "interface_endpoints" {
  description = "AWS services that get an interface endpoint, by the last part of the endpoint service's name."
  type        = set(string)
  # Not ec2messages: regions launched in 2024 and later do not have it, and SSM Agent does without from 3.3.40.0 on
  # (Systems Manager user guide, "Reference: ec2messages, ssmmessages, and other API operations").
  default = [
    "cloudformation", "ec2", "elasticfilesystem", "fsx", "logs", "monitoring", "secretsmanager", "ssm", "ssmmessages", "sts",
  ]
  nullable = false

  validation {
    condition = (
      alltrue([for service in var.interface_endpoints : can(regex("^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", service))]) &&
      length(setintersection(var.interface_endpoints, ["dynamodb", "s3"])) == 0
    )
    error_message = "interface_endpoints must be service names such as ec2 or ecr.api; s3 and dynamodb have gateway endpoints."
  }

  validation {
    condition     = length(setsubtract(["cloudformation", "ec2", "logs", "secretsmanager"], var.interface_endpoints)) == 0
    error_message = "interface_endpoints must have cloudformation, ec2, logs and secretsmanager: no head node comes up without them."
  }
}

variable "extra_endpoints" {
  description = "Further services with an interface endpoint, such as ecr.api, ecr.dkr and kms for jobs of your own."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition = (
      alltrue([for service in var.extra_endpoints : can(regex("^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", service))]) &&
      length(setintersection(var.extra_endpoints, ["dynamodb", "s3"])) == 0
    )
    error_message = "extra_endpoints must be service names such as ec2 or ecr.api; s3 and dynamodb have gateway endpoints."
  }
}

variable "login_nodes" {
  description = "Whether clusters may have login nodes, which need endpoints for Auto Scaling and Elastic Load Balancing."
  type        = bool
  default     = false
  nullable    = false
}

variable "readable_buckets" {
  description = "Buckets of other accounts, in this region, that the endpoint lets through for reading; who reads them needs a role that may, or they are public. Buckets of this account are always reached."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for bucket in var.readable_buckets : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", bucket))])
    error_message = "readable_buckets must be names of buckets, without s3:// and without a prefix."
  }
}

variable "peer_cidr_blocks" {
  description = "Blocks of the main VPC from which head nodes may be reached, at most four: the same as main_vpc.cidr_blocks of modules/peering."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition = length(var.peer_cidr_blocks) <= 4 && alltrue([
      for block in var.peer_cidr_blocks :
      try(cidrsubnet(block, 0, 0) == block, false) && try(tonumber(split("/", block)[1]) >= 8, false)
    ])
    error_message = "peer_cidr_blocks must be at most four IPv4 network addresses of /8 or smaller with no host bits set, such as 10.0.16.0/20."
  }

  validation {
    condition = alltrue([
      for block in var.peer_cidr_blocks : try(
        cidrhost("${split("/", block)[0]}/${min(split("/", block)[1], split("/", var.cidr_block)[1])}", 0) !=
        cidrhost("${split("/", var.cidr_block)[0]}/${min(split("/", block)[1], split("/", var.cidr_block)[1])}", 0),
        false
      )
    ])
    error_message = "peer_cidr_blocks must not overlap cidr_block: AWS peers no VPCs that share addresses."
  }
}

variable "workflow_clients" {
  description = "Who may reach head nodes, by SSH and on the Slurm REST port, by a name of your choice: IPv4 blocks inside peer_cidr_blocks, or security groups of the main VPC (sg-..., or 123456789012/sg-... where the main VPC is in another account)."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.workflow_clients) : can(regex("^[a-z][a-z0-9-]{0,29}$", name))])
    error_message = "workflow_clients: each name must be a lower-case letter followed by lower-case letters, digits and hyphens, at most 30 characters."
  }

  validation {
    condition = alltrue([
      for client in values(var.workflow_clients) :
      can(regex("^([0-9]{12}/)?sg-([0-9a-f]{8}|[0-9a-f]{17})$", client)) || try(cidrsubnet(client, 0, 0) == client, false)
    ])
    error_message = "workflow_clients must be IPv4 network addresses such as 10.0.16.0/20, or security groups such as sg-0123456789abcdef0 or 123456789012/sg-0123456789abcdef0."
  }

  validation {
    condition = alltrue([
      for client in values(var.workflow_clients) : strcontains(client, "sg-") || anytrue([
        for block in var.peer_cidr_blocks : try(
          cidrhost("${split("/", client)[0]}/${split("/", block)[1]}", 0) == cidrhost(block, 0) &&
          tonumber(split("/", client)[1]) >= tonumber(split("/", block)[1]),
          false
        )
      ])
    ])
    error_message = "workflow_clients: each block must lie inside one of peer_cidr_blocks, else the network ACL keeps it out."
  }

  validation {
    condition     = length(var.workflow_clients) == 0 || length(var.peer_cidr_blocks) > 0
    error_message = "workflow_clients need peer_cidr_blocks: the network ACL knows addresses only, not security groups."
  }
}

variable "peering_connection_id" {
  description = "Active peering with the main VPC, an output of modules/peering; needed where workflow_clients has security groups."
  type        = string
  default     = null

  validation {
    condition     = var.peering_connection_id == null || can(regex("^pcx-([0-9a-f]{8}|[0-9a-f]{17})$", var.peering_connection_id))
    error_message = "peering_connection_id must be the id of a peering connection: pcx- and 8 or 17 hexadecimal digits."
  }
}

variable "slurm_rest_port" {
  description = "TCP port of the head nodes' Slurm REST service."
  type        = number
  default     = 8082
  nullable    = false

  validation {
    condition = (
      floor(var.slurm_rest_port) == var.slurm_rest_port && var.slurm_rest_port >= 1024 && var.slurm_rest_port <= 65535 &&
      !(var.slurm_rest_port >= 6817 && var.slurm_rest_port <= 6829)
    )
    error_message = "slurm_rest_port must be a whole number from 1024 to 65535, and not 6817 to 6829, which Slurm's other services take."
  }
}

variable "flow_log_retention_days" {
  description = "How long CloudWatch keeps the flow logs, in days; 0 is for ever."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = contains([0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.flow_log_retention_days)
    error_message = "flow_log_retention_days must be a period that CloudWatch offers, such as 90 or 365. See PutRetentionPolicy in the CloudWatch Logs API reference."
  }
}

variable "kms_key_arn" {
  description = "KMS key of the flow logs, whose policy lets CloudWatch Logs of this region use it; CloudWatch's own where null."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[0-9A-Za-z-]+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key, not of an alias."
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
