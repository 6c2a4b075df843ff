# What is watched, who is told, and a dashboard that CloudWatch takes.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = {
      partition  = "aws"
      dns_suffix = "amazonaws.com"
    }
  }
  mock_data "aws_region" {
    defaults = {
      name = "us-east-1"
    }
  }
  mock_data "aws_caller_identity" {
    defaults = {
      account_id = "123456789012"
    }
  }
  mock_resource "aws_sns_topic" {
    defaults = {
      arn = "arn:aws:sns:us-east-1:123456789012:provisioner-alarms"
    }
    override_during = plan
  }
  mock_resource "aws_kms_key" {
    defaults = {
      arn = "arn:aws:kms:us-east-1:123456789012:key/0a1b"
    }
    override_during = plan
  }
}

variables {
  name = "provisioner"
}

run "everything_that_stops_work_is_an_alarm" {
  command = plan

  assert {
    condition = toset(keys(aws_cloudwatch_metric_alarm.this)) == toset([
      "accounting-duration", "accounting-errors", "accounting-throttles",
      "api-duration", "api-errors", "api-throttles",
      "worker-duration", "worker-errors", "worker-throttles",
      "database-connections", "database-cpu", "database-memory", "database-storage",
      "queue-age", "queue-dead-letters",
    ])
    error_message = "Database, functions and queue must be watched."
  }

  assert {
    condition = alltrue([
      for alarm in aws_cloudwatch_metric_alarm.this :
      alarm.alarm_actions == toset([aws_sns_topic.this.arn]) && alarm.ok_actions == toset([aws_sns_topic.this.arn]) &&
      alarm.period == 300 && length(alarm.alarm_description) > 60 && length(alarm.alarm_description) <= 1024
    ])
    error_message = "Every alarm must reach the topic, going and coming, and say what to do."
  }

  assert {
    condition     = [for key, alarm in aws_cloudwatch_metric_alarm.this : key if alarm.treat_missing_data == "breaching"] == ["database-cpu"]
    error_message = "Silence is an alarm of the database, once, and of nothing that may lie idle."
  }

  assert {
    condition = alltrue([
      for key, alarm in aws_cloudwatch_metric_alarm.this :
      alarm.treat_missing_data == "notBreaching" if !startswith(key, "database-")
    ])
    error_message = "A function or queue that nobody uses must not be an alarm."
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.this["worker-duration"].threshold == 873000 &&
      aws_cloudwatch_metric_alarm.this["database-storage"].threshold == 5 * 1024 * 1024 * 1024 &&
      aws_cloudwatch_metric_alarm.this["database-memory"].threshold == 256 * 1024 * 1024 &&
      aws_cloudwatch_metric_alarm.this["queue-dead-letters"].dimensions == tomap({ QueueName = "provisioner-operations-dead.fifo" })
    )
    error_message = "Thresholds must be in the metric's unit: ms, bytes."
  }

  assert {
    condition = {
      for role in ["accounting", "api", "worker"] : role => aws_cloudwatch_metric_alarm.this["${role}-throttles"].evaluation_periods
    } == { accounting = 3, api = 1, worker = 1 }
    error_message = "Callers of the accounting function wait for one another by design; only when that goes on it is an alarm."
  }
}

run "encrypted_and_for_this_account_alone" {
  command = plan

  assert {
    condition = (
      aws_sns_topic.this.kms_master_key_id == aws_kms_key.this.arn &&
      alltrue([for group in aws_cloudwatch_log_group.function : group.kms_key_id == aws_kms_key.this.arn]) &&
      aws_kms_key.this.enable_key_rotation
    )
    error_message = "Topic and logs must be encrypted with the module's own key."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_kms_key.this.policy).Statement :
      can(statement.Condition) if can(statement.Principal.Service)
    ])
    error_message = "A service may use the key for this account only."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_sns_topic.this.policy).Statement :
      statement.Principal == { Service = "cloudwatch.amazonaws.com" } && statement.Condition.StringEquals["aws:SourceAccount"] == "123456789012"
      if statement.Effect == "Allow"
    ])
    error_message = "Only this account's alarms may publish."
  }
}

run "logs_are_kept_and_their_errors_counted" {
  command = plan

  assert {
    condition = (
      output.log_group_names == { api = "/aws/lambda/provisioner-api", worker = "/aws/lambda/provisioner-worker" } &&
      alltrue([for group in aws_cloudwatch_log_group.function : group.retention_in_days == 365])
    )
    error_message = "The service's two functions must have their groups, kept for a year."
  }

  assert {
    condition     = alltrue([for filter in aws_cloudwatch_log_metric_filter.error : filter.pattern == "{ $.level = \"ERROR\" }"])
    error_message = "What is logged as an error must be counted."
  }
}

run "dashboard" {
  command = plan

  assert {
    condition     = aws_cloudwatch_dashboard.this.dashboard_name == "provisioner-us-east-1"
    error_message = "Dashboards are the account's: one in each region must have a name of its own."
  }

  assert {
    condition = alltrue([
      for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets :
      contains(["alarm", "metric", "log"], widget.type) && widget.x >= 0 && widget.x + widget.width <= 24 && widget.height >= 1
    ])
    error_message = "Every widget must lie in CloudWatch's 24 columns."
  }

  assert {
    condition = alltrue([
      for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets :
      widget.properties.region == "us-east-1" && length(widget.properties.metrics) > 0 if widget.type == "metric"
    ])
    error_message = "Every graph must have a region and metrics."
  }

  assert {
    condition = length(distinct([
      for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : "${widget.x},${widget.y}"
    ])) == length(jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets)
    error_message = "No two widgets may lie on one place."
  }

  assert {
    condition = toset([
      for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : widget.properties.alarms if widget.type == "alarm"
      ]) == toset([
      [for name in output.alarm_names : "arn:aws:cloudwatch:us-east-1:123456789012:alarm:${name}"]
    ])
    error_message = "The dashboard must show every alarm."
  }
}

run "people_are_told" {
  command = plan

  variables {
    alarm_emails = ["platform@example.org"]
    alarm_urls   = ["https://alarms.example.org/provisioner"]
  }

  assert {
    condition = (
      aws_sns_topic_subscription.email["platform@example.org"].protocol == "email" &&
      aws_sns_topic_subscription.https["https://alarms.example.org/provisioner"].protocol == "https"
    )
    error_message = "Each address must be subscribed."
  }
}

run "tags_of_a_module_call" {
  command = plan

  variables {
    address = "module.observability"
    tags    = { CostCentre = "42" }
  }

  assert {
    condition = aws_sns_topic.this.tags == tomap({
      CostCentre            = "42"
      Name                  = "provisioner-alarms"
      "provisioner:address" = "module.observability.aws_sns_topic.this"
    })
    error_message = "The topic must carry its name, its address and the caller's tags."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["queue-age"].tags["provisioner:address"] == "module.observability.aws_cloudwatch_metric_alarm.this.queue-age"
    error_message = "Each alarm must carry its address."
  }
}
