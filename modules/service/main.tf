data "aws_partition" "this" {}

data "aws_region" "this" {}

data "aws_caller_identity" "this" {}

locals {
  tags      = merge(var.tags, { Name = var.name })
  address   = var.address == "" ? "" : "${var.address}."
  partition = data.aws_partition.this.partition
  region    = data.aws_region.this.name
  account   = data.aws_caller_identity.this.account_id

  # What every ARN of this account and region starts with, up to the service and behind it. ARNs are built
  # from names where two things name each other.
  here = {
    for service in ["events", "lambda", "logs", "sqs"] :
    service => "arn:${local.partition}:${service}:${local.region}:${local.account}"
  }

  queue_name       = "${var.name}-operations.fifo"
  dead_letter_name = "${var.name}-operations-dead.fifo"

  functions = {
    api = {
      name        = "${var.name}-api"
      handler     = "engine.service.api.handler"
      description = "Takes requests for clusters, records them and answers how far they are"
      memory_mib  = var.api_memory_mib
      # API Gateway waits 29 s for an answer, and no longer.
      timeout_s   = 29
      storage_mib = 512
      concurrency = var.api_concurrency
    }
    worker = {
      name        = "${var.name}-worker"
      handler     = "engine.service.worker.handler"
      description = "Carries out what was asked for: runs the engine, and Terraform under it"
      memory_mib  = var.worker_memory_mib
      timeout_s   = var.worker_timeout_s
      storage_mib = var.worker_storage_mib
      # One beyond what the queue may start, for the clock.
      concurrency = var.worker_concurrency + max(1, length(var.schedules))
    }
  }

  # Settings of the engine, as its environment says them. The image's own folders are read-only.
  settings = merge(
    var.settings,
    var.ground,
    {
      cloud            = "aws"
      account_id       = local.account
      home             = "/tmp/provisioner"
      workspaces_dir   = "/tmp/provisioner/workspaces"
      operations_queue = local.queue_name
      tracing          = tostring(var.tracing)
    },
    var.event_bus_name == null ? {} : { event_bus = var.event_bus_name },
  )
}

# --- the queue of operations: in order for each project, any number of projects side by side

resource "aws_sqs_queue" "this" {
  name       = local.queue_name
  fifo_queue = true
  # The sender says what is the same message: two operations may have the same text.
  content_based_deduplication = false
  # Order and throughput by message group, which is the project.
  deduplication_scope   = "messageGroup"
  fifo_throughput_limit = "perMessageGroupId"

  # Lambda developer guide, "Configuring a queue to use with Lambda": six times the function's time limit.
  visibility_timeout_seconds = 6 * var.worker_timeout_s
  message_retention_seconds  = 14 * 24 * 3600
  receive_wait_time_seconds  = 20
  max_message_size           = 16 * 1024

  kms_master_key_id                 = var.kms_key_arn
  kms_data_key_reuse_period_seconds = var.kms_key_arn == null ? null : 3600
  sqs_managed_sse_enabled           = var.kms_key_arn == null ? true : null

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letter.arn
    maxReceiveCount     = var.max_receives
  })

  tags = merge(local.tags, {
    Name                  = local.queue_name
    "provisioner:address" = "${local.address}aws_sqs_queue.this"
  })
}

resource "aws_sqs_queue" "dead_letter" {
  name       = local.dead_letter_name
  fifo_queue = true

  # As long as SQS keeps anything; what is older than that nobody wants done any more.
  message_retention_seconds  = 14 * 24 * 3600
  visibility_timeout_seconds = 60

  kms_master_key_id                 = var.kms_key_arn
  kms_data_key_reuse_period_seconds = var.kms_key_arn == null ? null : 3600
  sqs_managed_sse_enabled           = var.kms_key_arn == null ? true : null

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = ["${local.here.sqs}:${local.queue_name}"]
  })

  tags = merge(local.tags, {
    Name                  = local.dead_letter_name
    "provisioner:address" = "${local.address}aws_sqs_queue.dead_letter"
  })
}

resource "aws_sqs_queue_policy" "this" {
  for_each = { operations = aws_sqs_queue.this, dead_letter = aws_sqs_queue.dead_letter }

  queue_url = each.value.url
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "RefuseUnencryptedTransport"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = each.value.arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

# --- the two functions, from one image

locals {
  image = regex("^(?P<account>[0-9]+)\\.dkr\\.ecr\\.[^/]+/(?P<repository>[^@:]+)[@:].+$", var.image_uri)
}

# Lambda fetches the image by itself, again and again: Lambda developer guide, "Amazon ECR permissions".
resource "aws_ecr_repository_policy" "this" {
  repository = local.image.repository
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "FunctionsOfThisService"
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      Condition = { ArnLike = { "aws:SourceArn" = [for function in values(local.functions) : "${local.here.lambda}:function:${function.name}"] } }
    }]
  })

  lifecycle {
    precondition {
      condition     = local.image.account == local.account
      error_message = "image_uri must be in ECR of the account that the functions are made in: Lambda could not fetch it."
    }
  }
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_116:The API answers its caller, and the worker's messages have a queue of dead letters of their own; what the clock starts comes again by the clock.
  #checkov:skip=CKV_AWS_117:It needs IAM and other services that have no endpoint in the private VPC, and nothing inside it: what must reach the database is the accounting function.
  #checkov:skip=CKV_AWS_173:The environment holds names of tables, buckets and a queue, and no secret; without kms_key_arn Lambda encrypts it with its own key.
  #checkov:skip=CKV_AWS_272:Lambda signs zip packages only; an image is pinned by its digest, and its tags in the repository never move.
  for_each = local.functions

  function_name = each.value.name
  description   = each.value.description

  package_type = "Image"
  image_uri    = var.image_uri
  # As the Dockerfile builds it: the provider's lock file knows Linux on this one alone.
  architectures = ["x86_64"]

  image_config {
    command = [each.value.handler]
  }

  role                           = aws_iam_role.function[each.key].arn
  timeout                        = each.value.timeout_s
  memory_size                    = each.value.memory_mib
  reserved_concurrent_executions = var.reserve_concurrency ? each.value.concurrency : -1
  kms_key_arn                    = var.kms_key_arn

  ephemeral_storage {
    size = each.value.storage_mib
  }

  environment {
    variables = { for name, value in local.settings : "PROVISIONER_${upper(name)}" => value }
  }

  logging_config {
    # The log group is there already, with its retention: modules/observability.
    log_group             = "/aws/lambda/${each.value.name}"
    log_format            = "JSON"
    application_log_level = "INFO"
    system_log_level      = "WARN"
  }

  tracing_config {
    mode = var.tracing ? "Active" : "PassThrough"
  }

  tags = merge(local.tags, {
    Name                  = each.value.name
    "provisioner:address" = "${local.address}aws_lambda_function.this.${each.key}"
  })

  depends_on = [aws_ecr_repository_policy.this, aws_iam_role_policy_attachment.function]
}

resource "aws_lambda_event_source_mapping" "this" {
  event_source_arn = aws_sqs_queue.this.arn
  function_name    = aws_lambda_function.this["worker"].arn

  # One operation a run: it may take all of the run's time.
  batch_size              = 1
  function_response_types = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = var.worker_concurrency
  }

  tags = merge(local.tags, { "provisioner:address" = "${local.address}aws_lambda_event_source_mapping.this" })

  # Lambda looks whether the worker may read the queue, its key included, before it takes this.
  depends_on = [aws_iam_role_policy.optional, aws_iam_role_policy_attachment.function]
}

# An operation that takes longer than a run sends its next message to the queue that starts the worker: one for
# each slice of time, until it is done. Lambda takes that for a loop and drops what comes after about 16 runs
# (Lambda developer guide, "Use Lambda recursive loop detection to prevent infinite loops").
resource "aws_lambda_function_recursion_config" "this" {
  function_name  = aws_lambda_function.this["worker"].function_name
  recursive_loop = "Allow"
}

# --- what the worker does by the clock

resource "aws_cloudwatch_event_rule" "this" {
  for_each = var.schedules

  name                = "${var.name}-${each.key}"
  description         = "Starts the worker of ${var.name} for: ${each.key}"
  schedule_expression = each.value

  tags = merge(local.tags, {
    Name                  = "${var.name}-${each.key}"
    "provisioner:address" = "${local.address}aws_cloudwatch_event_rule.this.${each.key}"
  })
}

resource "aws_cloudwatch_event_target" "this" {
  for_each = var.schedules

  rule  = aws_cloudwatch_event_rule.this[each.key].name
  arn   = aws_lambda_function.this["worker"].arn
  input = jsonencode({ schedule = each.key })

  retry_policy {
    maximum_event_age_in_seconds = 3600
    maximum_retry_attempts       = 2
  }
}

# Without source_account, which keeps EventBridge from calling the function (EventBridge user guide, "My rule ran but
# my Lambda function wasn't invoked"); the rule's ARN names the account.
resource "aws_lambda_permission" "clock" {
  for_each = var.schedules

  statement_id  = "clock-${each.key}"
  function_name = aws_lambda_function.this["worker"].function_name
  action        = "lambda:InvokeFunction"
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.this[each.key].arn
}

# What the clock started and what failed is not started once more by Lambda: it comes again by the clock.
resource "aws_lambda_function_event_invoke_config" "this" {
  function_name                = aws_lambda_function.this["worker"].function_name
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = 3600
}
