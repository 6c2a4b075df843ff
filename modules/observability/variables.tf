variable "name" {
  description = "Start of the names of alarms, topic, metrics and dashboard, and the value of the Name tags; usually provisioner."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9-]{0,59}$", var.name))
    error_message = "name must be a letter followed by letters, digits and hyphens, at most 60 characters."
  }
}

variable "api_function" {
  description = "Name of the service's API function."
  type        = string
  default     = "provisioner-api"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,64}$", var.api_function))
    error_message = "api_function must be the name of a Lambda function, not its ARN: letters, digits, hyphens and underscores, at most 64."
  }
}

variable "api_timeout_s" {
  description = "Time limit of that function, in seconds; the alarm comes at 80 %."
  type        = number
  default     = 29
  nullable    = false

  validation {
    condition     = var.api_timeout_s >= 1 && var.api_timeout_s <= 900 && floor(var.api_timeout_s) == var.api_timeout_s
    error_message = "api_timeout_s must be a whole number of seconds from 1 to 900, Lambda's longest."
  }
}

variable "worker_function" {
  description = "Name of the service's worker function."
  type        = string
  default     = "provisioner-worker"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,64}$", var.worker_function))
    error_message = "worker_function must be the name of a Lambda function, not its ARN: letters, digits, hyphens and underscores, at most 64."
  }
}

variable "worker_timeout_s" {
  description = "Time limit of that function, in seconds; it hands over before, and the alarm comes at 97 %."
  type        = number
  default     = 900
  nullable    = false

  validation {
    condition     = var.worker_timeout_s >= 1 && var.worker_timeout_s <= 900 && floor(var.worker_timeout_s) == var.worker_timeout_s
    error_message = "worker_timeout_s must be a whole number of seconds from 1 to 900, Lambda's longest."
  }
}

variable "accounting_function" {
  description = "Name of the accounting function."
  type        = string
  default     = "provisioner-accounting"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,64}$", var.accounting_function))
    error_message = "accounting_function must be the name of a Lambda function, not its ARN: letters, digits, hyphens and underscores, at most 64."
  }
}

variable "accounting_timeout_s" {
  description = "Time limit of that function, in seconds: that of modules/slurm-accounting; the alarm comes at 80 %."
  type        = number
  default     = 120
  nullable    = false

  validation {
    condition     = var.accounting_timeout_s >= 1 && var.accounting_timeout_s <= 900 && floor(var.accounting_timeout_s) == var.accounting_timeout_s
    error_message = "accounting_timeout_s must be a whole number of seconds from 1 to 900, Lambda's longest."
  }
}

variable "queue" {
  description = "Name of the queue of operations."
  type        = string
  default     = "provisioner-operations.fifo"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,75}\\.fifo$", var.queue))
    error_message = "queue must be the name of a FIFO queue, not its address: letters, digits, hyphens and underscores, then .fifo, at most 80 characters."
  }
}

variable "queue_age_max_s" {
  description = "How long an operation may wait before it is an alarm, in seconds."
  type        = number
  default     = 1800
  nullable    = false

  validation {
    condition     = var.queue_age_max_s >= 60 && var.queue_age_max_s <= 1209600 && floor(var.queue_age_max_s) == var.queue_age_max_s
    error_message = "queue_age_max_s must be a whole number of seconds from 60 to 1209600, the 14 days after which SQS forgets."
  }
}

variable "dead_letter_queue" {
  description = "Name of the queue of operations that failed on every try."
  type        = string
  default     = "provisioner-operations-dead.fifo"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,75}\\.fifo$", var.dead_letter_queue))
    error_message = "dead_letter_queue must be the name of a FIFO queue, not its address: letters, digits, hyphens and underscores, then .fifo, at most 80 characters."
  }
}

variable "database" {
  description = "Identifier of the accounting database's RDS instance."
  type        = string
  default     = "provisioner-slurm-accounting"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z](-?[a-z0-9])*$", var.database)) && length(var.database) <= 63
    error_message = "database must be an RDS instance identifier: a letter first, then lower-case letters, digits and single hyphens, at most 63 characters."
  }
}

variable "database_cpu_max_percent" {
  description = "CPU use of the database above which there is an alarm after 15 minutes, in percent."
  type        = number
  default     = 80
  nullable    = false

  validation {
    condition     = var.database_cpu_max_percent >= 10 && var.database_cpu_max_percent < 100
    error_message = "database_cpu_max_percent must be from 10 to 99."
  }
}

variable "database_free_storage_min_gib" {
  description = "Free storage of the database below which there is an alarm, in GiB."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.database_free_storage_min_gib >= 1
    error_message = "database_free_storage_min_gib must be 1 or more: RDS stops a database that is full."
  }
}

variable "database_free_memory_min_mib" {
  description = "Free memory of the database below which there is an alarm after 15 minutes, in MiB."
  type        = number
  default     = 256
  nullable    = false

  validation {
    condition     = var.database_free_memory_min_mib >= 32
    error_message = "database_free_memory_min_mib must be 32 or more."
  }
}

variable "database_connections_max" {
  description = "Connections to the database above which there is an alarm; about 80 % of its max_connections, which RDS sets to the instance's bytes of memory / 25165760: 341 for 8 GiB."
  type        = number
  default     = 270
  nullable    = false

  validation {
    condition     = var.database_connections_max >= 1 && floor(var.database_connections_max) == var.database_connections_max
    error_message = "database_connections_max must be a whole number, 1 or more."
  }
}

variable "log_retention_days" {
  description = "How long CloudWatch keeps the logs of the service's functions, in days."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be one of the numbers that CloudWatch takes, such as 30, 90, 180 or 365; never 0, for ever."
  }
}

variable "alarm_emails" {
  description = "Addresses that get alarms by e-mail. Each has to confirm once, by the link that SNS sends."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for address in var.alarm_emails : can(regex("^[^@ ]+@[^@ ]+[.][^@ ]+$", address))])
    error_message = "alarm_emails must be e-mail addresses."
  }
}

variable "alarm_urls" {
  description = "HTTPS addresses that get alarms as SNS messages, such as that of an on-call service. Each has to confirm once."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for address in var.alarm_urls : can(regex("^https://[^ /]+", address))])
    error_message = "alarm_urls must start with https://."
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
