variable "vpc_id" {
  description = "VPC of the database and of the function."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^vpc-([0-9a-f]{8}|[0-9a-f]{17})$", var.vpc_id))
    error_message = "vpc_id must be a VPC id: vpc- and 8 or 17 hexadecimal digits."
  }
}

variable "database_subnet_ids" {
  description = "Private subnets for the database, in two zones or more."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(distinct(var.database_subnet_ids)) >= 2 && alltrue([for id in var.database_subnet_ids : can(regex("^subnet-([0-9a-f]{8}|[0-9a-f]{17})$", id))])
    error_message = "database_subnet_ids must be the ids of two or more subnets: RDS wants two zones even for one instance."
  }
}

variable "function_subnet_ids" {
  description = "Private subnets for the function; they must reach the database and the endpoint of Secrets Manager."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.function_subnet_ids) >= 1 && alltrue([for id in var.function_subnet_ids : can(regex("^subnet-([0-9a-f]{8}|[0-9a-f]{17})$", id))])
    error_message = "function_subnet_ids must be the ids of one or more subnets: subnet- and 8 or 17 hexadecimal digits each."
  }
}

variable "endpoint_access_security_group_id" {
  description = "Security group that the VPC's endpoints let in; the function carries it to reach Secrets Manager."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^sg-([0-9a-f]{8}|[0-9a-f]{17})$", var.endpoint_access_security_group_id))
    error_message = "endpoint_access_security_group_id must be a security group id: sg- and 8 or 17 hexadecimal digits."
  }
}

variable "function_package" {
  description = "Path of the function's zip, as `provisioner package` writes it."
  type        = string
  nullable    = false

  validation {
    condition     = fileexists(var.function_package)
    error_message = "function_package: there is no such file. Run `provisioner package`, and give the path of the zip that it writes."
  }
}

variable "name" {
  description = "Identifier of the RDS instance, and the beginning of most other names."
  type        = string
  default     = "provisioner-slurm-accounting"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.name)) && length(var.name) <= 35
    error_message = "name must be lower-case letters, digits and single hyphens, begin with a letter and not end in a hyphen: at most 35 characters."
  }
}

variable "function_name" {
  description = "Name of the Lambda function."
  type        = string
  default     = "provisioner-accounting"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,40}$", var.function_name))
    error_message = "function_name must be letters, digits, hyphens and underscores: at most 40 characters."
  }
}

variable "function_concurrency" {
  description = "Calls of the function that may run at once; the rest wait or are tried again by the caller. -1 reserves none, for accounts whose Lambda quota leaves no room."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.function_concurrency == -1 || (var.function_concurrency >= 1 && var.function_concurrency <= 100 && floor(var.function_concurrency) == var.function_concurrency)
    error_message = "function_concurrency must be a whole number from 1 to 100, or -1 for no reservation."
  }
}

variable "function_ca_file" {
  description = "Path, as the function sees it, of the certificates that sign the database's own."
  type        = string
  default     = "/var/task/rds-ca.pem"
  nullable    = false

  validation {
    condition     = startswith(var.function_ca_file, "/")
    error_message = "function_ca_file must be an absolute path; the package is unpacked in /var/task."
  }
}

variable "instance_class" {
  description = "Class of the RDS instance. The default has 8 GiB, of which MariaDB buffers 6; SchedMD asks for 4."
  type        = string
  default     = "db.t4g.large"
  nullable    = false

  validation {
    condition     = can(regex("^db\\.[a-z0-9]+(-[a-z]+)?\\.[a-z0-9]+$", var.instance_class))
    error_message = "instance_class must be a class of RDS, such as db.t4g.large."
  }
}

variable "allocated_storage_gib" {
  description = "Storage to begin with, in GiB."
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition     = var.allocated_storage_gib >= 20 && var.allocated_storage_gib <= 65536 && floor(var.allocated_storage_gib) == var.allocated_storage_gib
    error_message = "allocated_storage_gib must be a whole number from 20 to 65536: the limits of gp3 for MariaDB."
  }
}

variable "max_allocated_storage_gib" {
  description = "Size in GiB up to which RDS grows the storage by itself."
  type        = number
  default     = 200
  nullable    = false

  validation {
    condition     = var.max_allocated_storage_gib >= var.allocated_storage_gib * 1.1 && var.max_allocated_storage_gib <= 65536 && floor(var.max_allocated_storage_gib) == var.max_allocated_storage_gib
    error_message = "max_allocated_storage_gib must be a whole number at least 10 % above allocated_storage_gib, 65536 at most: RDS refuses less."
  }
}

variable "engine_version" {
  description = "MariaDB version: 11.4 or 10.11, RDS then chooses and updates the minor version; or with a minor version, such as 11.4.8."
  type        = string
  default     = "11.4"
  nullable    = false

  validation {
    condition     = can(regex("^(10\\.11|11\\.4)(\\.[0-9]{1,3})?$", var.engine_version))
    error_message = "engine_version must be 11.4 or 10.11, with or without a minor version. From 11.8 on MariaDB ends transactions that slurmdbd expects to go on: docs/adr/0013."
  }
}

variable "allow_major_version_upgrade" {
  description = "Lets a new major version in engine_version upgrade the database. True for that one apply."
  type        = bool
  default     = false
  nullable    = false
}

variable "apply_immediately" {
  description = "Changes that interrupt the database happen at once, not in the next maintenance window."
  type        = bool
  default     = false
  nullable    = false
}

variable "multi_az" {
  description = "Keeps a standby in another zone. Every project's cluster needs the database to come up."
  type        = bool
  default     = true
  nullable    = false
}

variable "backup_retention_days" {
  description = "Days for which the database can be restored to any moment."
  type        = number
  default     = 14
  nullable    = false

  validation {
    condition     = var.backup_retention_days >= 1 && var.backup_retention_days <= 35 && floor(var.backup_retention_days) == var.backup_retention_days
    error_message = "backup_retention_days must be a whole number from 1 to 35; without backups a mistake would be final."
  }
}

variable "backup_window" {
  description = "When RDS takes the daily backup, in UTC."
  type        = string
  default     = "02:00-03:00"
  nullable    = false

  validation {
    condition     = can(regex("^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$", var.backup_window))
    error_message = "backup_window must look like 02:00-03:00."
  }
}

variable "maintenance_window" {
  description = "When RDS may update the database, in UTC; apart from backup_window."
  type        = string
  default     = "sun:04:00-sun:05:00"
  nullable    = false

  validation {
    condition     = can(regex("^(mon|tue|wed|thu|fri|sat|sun):([01][0-9]|2[0-3]):[0-5][0-9]-(mon|tue|wed|thu|fri|sat|sun):([01][0-9]|2[0-3]):[0-5][0-9]$", var.maintenance_window))
    error_message = "maintenance_window must look like sun:04:00-sun:05:00, in lower case."
  }
}

variable "deletion_protection" {
  description = "RDS refuses to delete the database. To delete it, apply false first, then destroy."
  type        = bool
  default     = true
  nullable    = false
}

variable "skip_final_snapshot" {
  description = "Deletes the database without a last snapshot. All accounting records are lost then."
  type        = bool
  default     = false
  nullable    = false
}

variable "final_snapshot_identifier" {
  description = "Name of the last snapshot; by default the database's name, -final- and the time when it was first planned."
  type        = string
  default     = null

  validation {
    condition     = var.final_snapshot_identifier == null || (can(regex("^[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)*$", var.final_snapshot_identifier)) && length(coalesce(var.final_snapshot_identifier, "-")) <= 255)
    error_message = "final_snapshot_identifier must be letters, digits and single hyphens, begin with a letter and not end in a hyphen: at most 255 characters."
  }
}

variable "kms_key_arn" {
  description = "Key for storage, backups, master secret and Performance Insights; by default the keys that AWS keeps for RDS and Secrets Manager. Another key replaces the database."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key (not of an alias)."
  }
}

variable "log_kms_key_arn" {
  description = "Key for the log groups, whose policy lets CloudWatch Logs use it; by default that of CloudWatch Logs."
  type        = string
  default     = null

  validation {
    condition     = var.log_kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.log_kms_key_arn))
    error_message = "log_kms_key_arn must be the ARN of a key (not of an alias)."
  }
}

variable "log_retention_days" {
  description = "Days for which logs of the database and of the function are kept."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = contains([30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be one of the numbers that CloudWatch Logs takes, 30 or more: 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096 and so on."
  }
}

variable "monitoring_interval_s" {
  description = "Seconds between two readings of the operating system's metrics; 0 for none."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = contains([0, 1, 5, 10, 15, 30, 60], var.monitoring_interval_s)
    error_message = "monitoring_interval_s must be 0, 1, 5, 10, 15, 30 or 60."
  }
}

variable "performance_insights" {
  description = "Keeps a week of Performance Insights, which costs nothing. Not for the micro and small classes, which don't offer it."
  type        = bool
  default     = true
  nullable    = false
}

variable "ca_certificate_identifier" {
  description = "Authority that signs the database's certificate; by default the account's, rds-ca-rsa2048-g1 where nobody chose another. Naming one makes the first apply change the database once more after it was made."
  type        = string
  default     = null

  validation {
    condition     = var.ca_certificate_identifier == null || contains(["rds-ca-rsa2048-g1", "rds-ca-rsa4096-g1", "rds-ca-ecc384-g1"], coalesce(var.ca_certificate_identifier, "-"))
    error_message = "ca_certificate_identifier must be rds-ca-rsa2048-g1, rds-ca-rsa4096-g1 or rds-ca-ecc384-g1."
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
