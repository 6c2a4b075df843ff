variable "image_uri" {
  description = "Image of both functions in the account's own ECR, by its digest or by a tag that never moves."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}\\.dkr\\.ecr\\.[a-z0-9-]+\\.amazonaws\\.com(\\.cn)?/[a-z0-9][a-z0-9._/-]*(@sha256:[0-9a-f]{64}|:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})$", var.image_uri))
    error_message = "image_uri must be an image in ECR with its digest or a tag: <account>.dkr.ecr.<region>.amazonaws.com/<repository>@sha256:... ."
  }
}

variable "caller_role_arns" {
  description = "IAM roles that may call the API: the Workflow Service's. Nobody else gets in, whatever their own policies say."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.caller_role_arns) > 0 && alltrue([for arn in var.caller_role_arns : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$", arn))])
    error_message = "caller_role_arns must be one ARN of an IAM role or more, each without wildcards; roles, not their sessions."
  }
}

variable "ground" {
  description = "What the service stands on, by the names in the engine's settings: bucket and tables of the backend, buckets, database and accounting function of the shared ground."
  type = object({
    state_bucket        = string
    lock_table          = string
    registry_table      = string
    public_bucket       = string
    nodes_bucket        = string
    accounting_database = string
    accounting_function = string
  })
  nullable = false

  validation {
    condition     = alltrue([for name in values(var.ground) : can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$", name))])
    error_message = "ground must hold names, not ARNs or addresses, and none may be left out."
  }
}

variable "name" {
  description = "Name of the API, and the beginning of the names of functions, queues, roles and alarms. modules/observability watches the functions and queues of this name."
  type        = string
  default     = "provisioner"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,24}$", var.name))
    error_message = "name must be a lower-case letter followed by lower-case letters, digits and hyphens, at most 25 characters."
  }
}

variable "settings" {
  description = "Further settings of the engine by name (docs/settings.md), as text: lists and the KEY=VALUE of mappings with commas, true or false, files by their absolute paths in the image."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.settings) : can(regex("^[a-z][a-z0-9_]*$", name))])
    error_message = "settings must be named as in docs/settings.md, in lower case."
  }

  validation {
    condition = length(setintersection(keys(var.settings), [
      "account_id", "accounting_database", "accounting_function", "cloud", "endpoint_url", "event_bus", "home", "lock_table",
      "nodes_bucket", "operations_queue", "public_bucket", "region", "registry_table", "state_bucket", "terraform", "tracing",
      "workspaces_dir",
    ])) == 0
    error_message = "settings must leave out what the module says itself: cloud, account, region, folders, and the names in ground."
  }

  # The functions have the files of their image and no others.
  validation {
    condition     = alltrue([for name in ["policies", "prices", "tiers"] : startswith(lookup(var.settings, name, "/"), "/")])
    error_message = "settings: policies, prices and tiers must be absolute paths in the image. Copy the files into an image of your own (docs/service.md, \"Tiers, prices and policies of your own\"), and name them as they lie there, such as /opt/installation/tiers.yaml."
  }
}

variable "stage" {
  description = "Stage of the API, the first part of every path. Clients of the earlier provisioner expect production."
  type        = string
  default     = "production"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_]{1,128}$", var.stage))
    error_message = "stage must be letters, digits and underscores, at most 128."
  }
}

variable "vpc_endpoint_ids" {
  description = "Endpoints of execute-api through which alone the API is reached: makes the API private. Without any it has a public address, behind the same signatures and the same roles."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for id in var.vpc_endpoint_ids : can(regex("^vpce-[0-9a-f]{8,17}$", id))])
    error_message = "vpc_endpoint_ids must be ids of VPC endpoints, such as vpce-0123456789abcdef0."
  }
}

variable "manage_account_logging" {
  description = "Whether to give API Gateway the role by which it writes logs: one setting for the account and region. false where something else has set it."
  type        = bool
  default     = true
  nullable    = false
}

variable "request_rate_per_s" {
  description = "Requests per second that the API takes in the long run; more are answered with 429."
  type        = number
  default     = 50
  nullable    = false

  validation {
    condition     = var.request_rate_per_s >= 1 && var.request_rate_per_s <= 10000
    error_message = "request_rate_per_s must be from 1 to 10000, API Gateway's default for an account."
  }
}

variable "request_burst" {
  description = "Requests that the API takes at once beyond that rate."
  type        = number
  default     = 100
  nullable    = false

  validation {
    condition     = var.request_burst >= 1 && var.request_burst <= 5000 && floor(var.request_burst) == var.request_burst
    error_message = "request_burst must be a whole number from 1 to 5000, API Gateway's default for an account."
  }
}

variable "api_memory_mib" {
  description = "Memory of the API function, in MiB; its share of a processor grows with it."
  type        = number
  default     = 1024
  nullable    = false

  validation {
    condition     = var.api_memory_mib >= 256 && var.api_memory_mib <= 10240 && floor(var.api_memory_mib) == var.api_memory_mib
    error_message = "api_memory_mib must be a whole number from 256 to 10240."
  }
}

variable "worker_memory_mib" {
  description = "Memory of the worker function, in MiB. Terraform with the AWS provider and cdktf's Node needs about 700; 1769 are one processor. The default is the most that Lambda gives a new account."
  type        = number
  default     = 3008
  nullable    = false

  validation {
    condition     = var.worker_memory_mib >= 1536 && var.worker_memory_mib <= 10240 && floor(var.worker_memory_mib) == var.worker_memory_mib
    error_message = "worker_memory_mib must be a whole number from 1536 to 10240: Terraform, its provider and Node run side by side."
  }
}

variable "worker_storage_mib" {
  description = "Size of the worker's /tmp, in MiB: workspaces, plans and logs of the projects it works on. The provider is in the image and is not copied."
  type        = number
  default     = 2048
  nullable    = false

  validation {
    condition     = var.worker_storage_mib >= 512 && var.worker_storage_mib <= 10240 && floor(var.worker_storage_mib) == var.worker_storage_mib
    error_message = "worker_storage_mib must be a whole number from 512 to 10240."
  }
}

variable "worker_timeout_s" {
  description = "Time limit of one run of the worker, in seconds; longer operations go on in the next run."
  type        = number
  default     = 900
  nullable    = false

  validation {
    condition     = var.worker_timeout_s >= 300 && var.worker_timeout_s <= 900 && floor(var.worker_timeout_s) == var.worker_timeout_s
    error_message = "worker_timeout_s must be a whole number of seconds from 300 to 900: a run must have time for a plan, and Lambda ends it at 900."
  }
}

variable "worker_concurrency" {
  description = "Operations that are worked on at the same time, each of another project."
  type        = number
  default     = 20
  nullable    = false

  # While CloudFormation makes, changes or deletes a cluster, ParallelCluster's provider keeps a statement in the
  # resource policy of its own function that lets a rule of EventBridge call it (aws-parallelcluster 3.16.1,
  # crhelper/resource_helper.py, _add_permission): some 345 bytes, of the 20 KB that such a policy may have (Lambda
  # developer guide, "Lambda quotas", not adjustable). So 59 clusters at a time; one more fails, and Lambda says
  # PolicyLengthExceededException. A run hands over after worker_timeout_s and other operations come before it is
  # taken up again, so twice as many are under way at AWS as workers: 2 x 25, and some for people and pipelines.
  validation {
    condition     = var.worker_concurrency >= 2 && var.worker_concurrency <= 25 && floor(var.worker_concurrency) == var.worker_concurrency
    error_message = "worker_concurrency must be a whole number from 2 to 25: ParallelCluster's provider bears some 55 clusters that are made, changed or deleted at a time (each is a statement in its function's policy, of 20 KB at most), and up to twice as many are under way as are worked on."
  }
}

variable "api_concurrency" {
  description = "Requests that are answered at the same time."
  type        = number
  default     = 50
  nullable    = false

  validation {
    condition     = var.api_concurrency >= 1 && var.api_concurrency <= 1000 && floor(var.api_concurrency) == var.api_concurrency
    error_message = "api_concurrency must be a whole number from 1 to 1000."
  }
}

variable "reserve_concurrency" {
  description = "Whether the functions have their concurrency reserved. false for accounts whose Lambda quota leaves no room: 100 must stay unreserved."
  type        = bool
  default     = true
  nullable    = false
}

variable "max_receives" {
  description = "How often a message is tried before it goes to the dead letters. An operation that goes on in another run begins a new message, so this counts crashes."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.max_receives >= 5 && var.max_receives <= 100 && floor(var.max_receives) == var.max_receives
    error_message = "max_receives must be a whole number from 5 to 100: below 5 a busy moment of Lambda is enough for a dead letter (Lambda developer guide, \"Configuring a queue to use with Lambda\")."
  }
}

variable "schedules" {
  description = "What the worker does by the clock, by name: rate(...) or cron(...). sweep sends operations again whose message was lost, and purges data that is due; drift looks which projects are not as they were left; keys hands on the keys that the identity provider signs with now. None by default."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name, when in var.schedules : contains(["drift", "keys", "sweep"], name) && can(regex("^(rate|cron)\\(.+\\)$", when))])
    error_message = "schedules may name drift, keys and sweep, with an expression of EventBridge such as rate(1 hour) or cron(0 4 * * ? *)."
  }
}

variable "event_bus_name" {
  description = "Event bus of EventBridge on which the service tells of each phase of an operation. null: it tells nobody."
  type        = string
  default     = null

  validation {
    condition     = var.event_bus_name == null || can(regex("^[A-Za-z0-9_./-]{1,256}$", var.event_bus_name))
    error_message = "event_bus_name must be the name of an event bus of this account and region, such as default."
  }
}

variable "tracing" {
  description = "Whether API Gateway and the functions write traces to X-Ray."
  type        = bool
  default     = true
  nullable    = false
}

variable "permissions_boundary" {
  description = "ARN of the policy that bounds the roles of both functions. No boundary where left out."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary == null || can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:policy/[A-Za-z0-9+=,.@_/-]+$", var.permissions_boundary))
    error_message = "permissions_boundary must be the ARN of a managed policy of your account."
  }
}

variable "kms_key_arn" {
  description = "Key for queues, environments and the logs that the module makes, whose policy lets CloudWatch Logs use it; by default the keys that AWS keeps for them."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key, not of an alias."
  }
}

variable "log_retention_days" {
  description = "How long CloudWatch keeps the logs of the API's requests, in days."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be a number of days that CloudWatch Logs offers, such as 30, 90 or 365."
  }
}

variable "alarm_topic_arns" {
  description = "SNS topics that get the module's alarms: that of modules/observability. Without any, alarms show in CloudWatch only."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.alarm_topic_arns : can(regex("^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$", arn))])
    error_message = "alarm_topic_arns must be ARNs of SNS topics."
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
