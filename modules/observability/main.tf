data "aws_partition" "this" {}
data "aws_region" "this" {}
data "aws_caller_identity" "this" {}

locals {
  tags      = merge(var.tags, { Name = var.name })
  address   = var.address == "" ? "" : "${var.address}."
  partition = data.aws_partition.this.partition
  region    = data.aws_region.this.name
  account   = data.aws_caller_identity.this.account_id

  functions = {
    # A handful of calls run at once by design and the others are tried again by their callers: being turned
    # away is a fault only when it goes on for a quarter of an hour.
    accounting = { name = var.accounting_function, limit_s = var.accounting_timeout_s, share = 0.8, throttled_periods = 3 }
    api        = { name = var.api_function, limit_s = var.api_timeout_s, share = 0.8, throttled_periods = 1 }
    # It uses its time on purpose, and hands over to its next run before the limit.
    worker = { name = var.worker_function, limit_s = var.worker_timeout_s, share = 0.97, throttled_periods = 1 }
  }
  # The accounting function's log group is made where the function is made.
  logged = { for role in ["api", "worker"] : role => "/aws/lambda/${local.functions[role].name}" }

  topic_arn = "arn:${local.partition}:sns:${local.region}:${local.account}:${var.name}-alarms"

  # What every alarm has; each below says what differs. Five minutes are the finest that RDS, SQS and
  # Lambda are worth looking at here: nothing that is watched costs data or money within five minutes.
  period_s = 300
  alarms = merge(
    local.database_alarms,
    merge([for role, function in local.functions : {
      "${role}-errors" = {
        description = "${function.name} ended with an error. Read its log group /aws/lambda/${function.name} around that time; what it worked on is tried again and is in the dead letters after the last try."
        namespace   = "AWS/Lambda", metric = "Errors", dimensions = { FunctionName = function.name }
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0, periods = 1
        missing     = "notBreaching" # nobody called it
      }
      "${role}-throttles" = {
        description = "Calls of ${function.name} are turned away: the account's concurrent executions, or the function's reserved ones, are used up. Raise them, or find out who calls so often."
        namespace   = "AWS/Lambda", metric = "Throttles", dimensions = { FunctionName = function.name }
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0, periods = function.throttled_periods
        missing     = "notBreaching"
      }
      "${role}-duration" = {
        description = "${function.name} comes close to its limit of ${function.limit_s} s, at which Lambda would cut it off. Look in its log group for what takes so long; raise the limit only when that is as it should be."
        namespace   = "AWS/Lambda", metric = "Duration", dimensions = { FunctionName = function.name }
        statistic   = "Maximum", comparison = "GreaterThanThreshold", threshold = function.limit_s * 1000 * function.share, periods = 1
        missing     = "notBreaching"
      }
    }]...),
    {
      "queue-age" = {
        description = "An operation has waited for ${var.queue_age_max_s} s or more. Look whether ${var.worker_function} runs, and what holds the operations of that project up; `provisioner list` shows who is at work."
        namespace   = "AWS/SQS", metric = "ApproximateAgeOfOldestMessage", dimensions = { QueueName = var.queue }
        statistic   = "Maximum", comparison = "GreaterThanOrEqualToThreshold", threshold = var.queue_age_max_s, periods = 1
        missing     = "notBreaching" # SQS stops reporting a queue that nobody has used for six hours
      }
      "queue-dead-letters" = {
        description = "An operation failed on every try and lies in ${var.dead_letter_queue}. Read the message and the log of ${var.worker_function}, put right what is wrong, then move the message back (`provisioner redrive`) or delete it."
        namespace   = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", dimensions = { QueueName = var.dead_letter_queue }
        statistic   = "Maximum", comparison = "GreaterThanThreshold", threshold = 0, periods = 1
        missing     = "notBreaching"
      }
    },
  )

  database_dimensions = { DBInstanceIdentifier = var.database }
  database_alarms = {
    "database-cpu" = {
      description = "The accounting database ${var.database} has been busier than ${var.database_cpu_max_percent} % for 15 minutes, or has reported nothing for so long, which a database that is stopped or gone does. Look at its state and its slow queries in RDS; no cluster comes up without it."
      namespace   = "AWS/RDS", metric = "CPUUtilization", dimensions = local.database_dimensions
      statistic   = "Average", comparison = "GreaterThanThreshold", threshold = var.database_cpu_max_percent, periods = 3
      missing     = "breaching" # the one alarm that tells when the database is silent
    }
    "database-storage" = {
      description = "The accounting database ${var.database} has less than ${var.database_free_storage_min_gib} GiB of storage left; at none it stops, and with it the accounting of every cluster. Raise its storage, or purge old records with Slurm's settings."
      namespace   = "AWS/RDS", metric = "FreeStorageSpace", dimensions = local.database_dimensions
      statistic   = "Minimum", comparison = "LessThanThreshold", threshold = var.database_free_storage_min_gib * 1024 * 1024 * 1024, periods = 1
      missing     = "missing"
    }
    "database-memory" = {
      description = "The accounting database ${var.database} has had less than ${var.database_free_memory_min_mib} MiB of memory left for 15 minutes and will start to swap. Choose a larger instance class."
      namespace   = "AWS/RDS", metric = "FreeableMemory", dimensions = local.database_dimensions
      statistic   = "Average", comparison = "LessThanThreshold", threshold = var.database_free_memory_min_mib * 1024 * 1024, periods = 3
      missing     = "missing"
    }
    "database-connections" = {
      description = "The accounting database ${var.database} holds more than ${var.database_connections_max} connections; each running cluster needs some, and at the server's max_connections new clusters fail. Choose a larger instance class, or release clusters that nobody uses."
      namespace   = "AWS/RDS", metric = "DatabaseConnections", dimensions = local.database_dimensions
      statistic   = "Maximum", comparison = "GreaterThanThreshold", threshold = var.database_connections_max, periods = 1
      missing     = "missing"
    }
  }

  # CloudWatch's own grid: 24 columns; a widget says where it stands and how large it is.
  # Source: CloudWatch API reference, "Dashboard body structure and syntax".
  graph = { view = "timeSeries", region = local.region, period = local.period_s, stacked = false }
  widgets = concat(
    [{
      type = "alarm", x = 0, y = 0, width = 24, height = 3
      properties = {
        title  = "Alarms"
        alarms = [for key in sort(keys(local.alarms)) : "arn:${local.partition}:cloudwatch:${local.region}:${local.account}:alarm:${var.name}-${key}"]
      }
    }],
    [for column, role in keys(local.functions) : {
      type = "metric", x = column * 8, y = 3, width = 8, height = 6
      properties = merge(local.graph, {
        title = "${local.functions[role].name}: calls"
        stat  = "Sum"
        metrics = [
          for metric in ["Invocations", "Errors", "Throttles"] :
          ["AWS/Lambda", metric, "FunctionName", local.functions[role].name]
        ]
      })
    }],
    [for column, role in keys(local.functions) : {
      type = "metric", x = column * 8, y = 9, width = 8, height = 6
      properties = merge(local.graph, {
        title = "${local.functions[role].name}: duration in ms"
        metrics = [
          for stat in ["p50", "p99", "Maximum"] :
          ["AWS/Lambda", "Duration", "FunctionName", local.functions[role].name, { stat = stat, label = stat }]
        ]
        annotations = { horizontal = [{ label = "limit", value = local.functions[role].limit_s * 1000 }] }
      })
    }],
    [for column, graph in [
      {
        title = "Operations waiting and at work", stat = "Maximum", metrics = [
          ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", var.queue],
          ["AWS/SQS", "ApproximateNumberOfMessagesNotVisible", "QueueName", var.queue],
        ]
      },
      {
        title = "Oldest operation in s, and dead letters", stat = "Maximum", metrics = [
          ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", var.queue],
          ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", var.dead_letter_queue],
        ]
      },
      {
        title = "Errors in the logs", stat = "Sum", metrics = [
          for role in keys(local.logged) : [var.name, "${role}-logged-errors"]
        ]
      },
      ] : {
      type = "metric", x = column * 8, y = 15, width = 8, height = 6, properties = merge(local.graph, graph)
    }],
    [for column, graph in [
      { title = "Database: CPU in %", metric = "CPUUtilization" },
      { title = "Database: connections", metric = "DatabaseConnections" },
      { title = "Database: free memory in bytes", metric = "FreeableMemory" },
      { title = "Database: free storage in bytes", metric = "FreeStorageSpace" },
      ] : {
      type = "metric", x = column * 6, y = 21, width = 6, height = 6
      properties = merge(local.graph, {
        title   = graph.title
        stat    = "Average"
        metrics = [["AWS/RDS", graph.metric, "DBInstanceIdentifier", var.database]]
      })
    }],
    [{
      type = "log", x = 0, y = 27, width = 24, height = 6
      properties = {
        title  = "Last errors"
        region = local.region
        view   = "table"
        query  = "${join(" | ", [for group in values(local.logged) : "SOURCE '${group}'"])} | fields @timestamp, @log, @message | filter level = 'ERROR' | sort @timestamp desc | limit 20"
      }
    }],
  )
}

# A key of its own, since CloudWatch's alarms can't get through AWS's key for SNS, whose policy nobody
# may change (CloudWatch user guide, "Amazon SNS encrypted topics"); the functions' logs use it as well.
resource "aws_kms_key" "this" {
  description             = "Alarms and logs of ${var.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 7

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # The account administers the key by its IAM policies.
        Sid       = "Account"
        Effect    = "Allow"
        Principal = { AWS = "arn:${local.partition}:iam::${local.account}:root" }
        Action    = "kms:*"
        Resource  = "*"
      },
      {
        Sid       = "Alarms"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
        Resource  = "*"
        Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
      },
      {
        Sid       = "Logs"
        Effect    = "Allow"
        Principal = { Service = "logs.${local.region}.${data.aws_partition.this.dns_suffix}" }
        Action    = ["kms:Decrypt*", "kms:Describe*", "kms:Encrypt*", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
        Resource  = "*"
        Condition = { ArnEquals = {
          "kms:EncryptionContext:aws:logs:arn" = [
            for group in values(local.logged) : "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:${group}"
          ]
        } }
      },
    ]
  })

  tags = merge(local.tags, { "provisioner:address" = "${local.address}aws_kms_key.this" })
}

resource "aws_sns_topic" "this" {
  name              = "${var.name}-alarms"
  kms_master_key_id = aws_kms_key.this.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AlarmsOfThisAccount"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = local.topic_arn
        Condition = {
          StringEquals = { "aws:SourceAccount" = local.account }
          ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:cloudwatch:${local.region}:${local.account}:alarm:${var.name}-*" }
        }
      },
      {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = { AWS = "*" }
        Action    = "sns:Publish"
        Resource  = local.topic_arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })

  tags = merge(local.tags, {
    Name                  = "${var.name}-alarms"
    "provisioner:address" = "${local.address}aws_sns_topic.this"
  })
}

resource "aws_sns_topic_subscription" "email" {
  for_each = toset(var.alarm_emails)

  topic_arn = aws_sns_topic.this.arn
  protocol  = "email"
  endpoint  = each.key
}

resource "aws_sns_topic_subscription" "https" {
  for_each = toset(var.alarm_urls)

  topic_arn = aws_sns_topic.this.arn
  protocol  = "https"
  endpoint  = each.key
}

# Before the functions write to them: groups that Lambda makes itself keep their logs for ever.
resource "aws_cloudwatch_log_group" "function" {
  for_each = local.logged

  name              = each.value
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.this.arn

  tags = merge(local.tags, {
    Name                  = each.value
    "provisioner:address" = "${local.address}aws_cloudwatch_log_group.function.${each.key}"
  })
}

# Lambda counts calls that ended with an error; what was caught and logged is counted here. The field is
# the one of Lambda's JSON log format.
resource "aws_cloudwatch_log_metric_filter" "error" {
  for_each = aws_cloudwatch_log_group.function

  name           = "${var.name}-${each.key}-logged-errors"
  log_group_name = each.value.name
  pattern        = "{ $.level = \"ERROR\" }"

  metric_transformation {
    namespace     = var.name
    name          = "${each.key}-logged-errors"
    value         = "1"
    default_value = "0"
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name        = "${var.name}-${each.key}"
  alarm_description = each.value.description

  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = local.period_s
  evaluation_periods  = each.value.periods
  treat_missing_data  = each.value.missing

  alarm_actions = [aws_sns_topic.this.arn]
  ok_actions    = [aws_sns_topic.this.arn]

  tags = merge(local.tags, {
    Name                  = "${var.name}-${each.key}"
    "provisioner:address" = "${local.address}aws_cloudwatch_metric_alarm.this.${each.key}"
  })
}

resource "aws_cloudwatch_dashboard" "this" {
  # Dashboards are the account's, and another region may have the same.
  dashboard_name = "${var.name}-${local.region}"
  dashboard_body = jsonencode({ widgets = local.widgets })
}
