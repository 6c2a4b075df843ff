# What tells that the service needs people, beyond its functions and queues, which modules/observability watches.

locals {
  # The functions' own metrics, embedded in their logs: engine/service/logging.py.
  outcomes       = { namespace = "ParallelClusterProvisioner", service = "parallelcluster-provisioner" }
  api_dimensions = { ApiName = aws_api_gateway_rest_api.this.name, Stage = var.stage }

  period_s = 300
  alarms = {
    "api-5xx" = {
      description = "The API answered requests with 5xx. Read the log groups /aws/lambda/${local.functions.api.name} and ${aws_cloudwatch_log_group.access.name} around that time; what was accepted before is not lost, and clients may ask again with the same Idempotency-Key."
      namespace   = "AWS/ApiGateway", metric = "5XXError", dimensions = local.api_dimensions
    }
    "api-throttled" = {
      description = "The API turns requests away with 429: more than ${var.request_rate_per_s} a second, or ${var.request_burst} at once. Find out in ${aws_cloudwatch_log_group.access.name} who calls so often; raise request_rate_per_s and request_burst only when that is as it should be."
      namespace   = var.name, metric = "api-throttled", dimensions = null
    }
    "operations-failed" = {
      description = "An operation ended as FAILED. `provisioner status` of the project, or GET of the operation, says why and what to do; its project is left as it is until somebody asks again."
      namespace   = local.outcomes.namespace, metric = "Count"
      dimensions  = { service = local.outcomes.service, function = "worker", outcome = "failed" }
    }
    "drift" = {
      description = "A project is not as it was left: somebody changed it at AWS. The log group /aws/lambda/${local.functions.worker.name} says which (\"has drifted\") and what, and so does `provisioner drift`; applying the project again puts it right. Only the schedule drift looks for it."
      namespace   = local.outcomes.namespace, metric = "Count"
      dimensions  = { service = local.outcomes.service, function = "drift", outcome = "drifted" }
    }
    "keys" = {
      description = "The keys of Slurm's REST API could not be refreshed: once the identity provider signs with another key, every cluster answers its tokens with 401. The log group /aws/lambda/${local.functions.worker.name} says why (\"the keys of tokens stay as they are\"); when it is mended, `provisioner refresh-jwks` or the next time by the clock puts it right. Only the schedule keys looks for it."
      namespace   = local.outcomes.namespace, metric = "Count"
      dimensions  = { service = local.outcomes.service, function = "keys", outcome = "failed" }
    }
  }

  # CloudWatch's own grid: 24 columns; a widget says where it stands and how large it is.
  # Source: CloudWatch API reference, "Dashboard body structure and syntax".
  graph = { view = "timeSeries", region = local.region, period = local.period_s, stacked = false }
  graphs = [
    {
      title = "Requests", stat = "Sum", metrics = [
        for metric in ["Count", "4XXError", "5XXError"] :
        ["AWS/ApiGateway", metric, "ApiName", var.name, "Stage", var.stage]
      ]
    },
    {
      title = "Time to answer in ms", metrics = [
        for stat in ["p50", "p99"] :
        ["AWS/ApiGateway", "Latency", "ApiName", var.name, "Stage", var.stage, { stat = stat, label = stat }]
      ]
    },
    {
      title = "Operations", stat = "Sum", metrics = [
        for outcome in ["succeeded", "failed", "continues"] :
        [local.outcomes.namespace, "Count", "service", local.outcomes.service, "function", "worker", "outcome", outcome, { label = outcome }]
      ]
    },
    {
      title = "Waiting, at work, dead", stat = "Maximum", metrics = [
        ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", local.queue_name],
        ["AWS/SQS", "ApproximateNumberOfMessagesNotVisible", "QueueName", local.queue_name],
        ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", local.dead_letter_name],
      ]
    },
  ]
  widgets = concat(
    [{
      type = "alarm", x = 0, y = 0, width = 24, height = 3
      properties = {
        title  = "Alarms"
        alarms = [for key in sort(keys(local.alarms)) : "arn:${local.partition}:cloudwatch:${local.region}:${local.account}:alarm:${var.name}-${key}"]
      }
    }],
    [for place, graph in local.graphs : {
      type       = "metric", x = (place % 2) * 12, y = 3 + floor(place / 2) * 6, width = 12, height = 6
      properties = merge(local.graph, graph)
    }],
    [{
      type = "log", x = 0, y = 15, width = 24, height = 6
      properties = {
        title  = "Requests that were refused"
        region = local.region
        view   = "table"
        query  = "SOURCE '/aws/apigateway/${var.name}/access' | fields @timestamp, caller, method, path, status, error | filter status >= 400 | sort @timestamp desc | limit 20"
      }
    }],
  )
}

resource "aws_cloudwatch_log_metric_filter" "throttled" {
  name           = "${var.name}-throttled"
  log_group_name = aws_cloudwatch_log_group.access.name
  pattern        = "{ $.status = \"429\" }"

  metric_transformation {
    namespace     = var.name
    name          = "api-throttled"
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
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = local.period_s
  evaluation_periods  = 1
  # Nobody called, nothing ran.
  treat_missing_data = "notBreaching"

  alarm_actions = var.alarm_topic_arns
  # The next five minutes without a look are no repair: what the clock looks for says nothing when it goes back.
  ok_actions = contains(["drift", "keys"], each.key) ? [] : var.alarm_topic_arns

  tags = merge(local.tags, {
    Name                  = "${var.name}-${each.key}"
    "provisioner:address" = "${local.address}aws_cloudwatch_metric_alarm.this.${each.key}"
  })
}

resource "aws_cloudwatch_dashboard" "this" {
  # Dashboards are the account's, and another region may have the same.
  dashboard_name = "${var.name}-service-${local.region}"
  dashboard_body = jsonencode({ widgets = local.widgets })
}
