# Who gets in, what the functions may do, how work is queued: once as it comes, once with all that can be asked for.
# Many assertions on one plan, since most of a run is the plan.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = {
      partition  = "aws"
      dns_suffix = "amazonaws.com"
    }
  }
  mock_data "aws_region" {
    defaults = {
      name = "eu-central-1"
    }
  }
  mock_data "aws_caller_identity" {
    defaults = {
      account_id = "210987654321"
    }
  }
  mock_resource "aws_api_gateway_rest_api" {
    defaults = {
      id               = "abc123"
      root_resource_id = "root"
      execution_arn    = "arn:aws:execute-api:eu-central-1:210987654321:abc123"
    }
    override_during = plan
  }
  mock_resource "aws_sqs_queue" {
    defaults = {
      arn = "arn:aws:sqs:eu-central-1:210987654321:provisioner-operations-dead.fifo"
      url = "https://sqs.eu-central-1.amazonaws.com/210987654321/provisioner-operations.fifo"
    }
    override_during = plan
  }
  mock_resource "aws_iam_role" {
    defaults = {
      arn = "arn:aws:iam::210987654321:role/a-role"
    }
    override_during = plan
  }
  mock_resource "aws_lambda_function" {
    defaults = {
      arn        = "arn:aws:lambda:eu-central-1:210987654321:function:provisioner-worker"
      invoke_arn = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/a-function/invocations"
    }
    override_during = plan
  }
}

variables {
  image_uri        = "210987654321.dkr.ecr.eu-central-1.amazonaws.com/provisioner:1.2.0"
  caller_role_arns = ["arn:aws:iam::210987654321:role/workflow-service"]
  ground = {
    state_bucket        = "acme-states"
    lock_table          = "acme-locks"
    registry_table      = "acme-registry"
    public_bucket       = "acme-public"
    nodes_bucket        = "acme-nodes"
    accounting_database = "acme-accounting"
    accounting_function = "acme-accounts"
  }
}

run "as_it_comes" {
  command = plan

  # Only the workflow service gets in.
  assert {
    condition     = alltrue([for method in aws_api_gateway_method.this : method.authorization == "AWS_IAM"])
    error_message = "Every method must ask for a signature."
  }

  assert {
    condition = jsondecode(aws_api_gateway_rest_api_policy.this.policy).Statement == [
      {
        Sid       = "WorkflowService"
        Effect    = "Allow"
        Principal = { AWS = ["arn:aws:iam::210987654321:role/workflow-service"] }
        Action    = "execute-api:Invoke"
        Resource  = "arn:aws:execute-api:eu-central-1:210987654321:abc123/production/*"
      },
      {
        Sid       = "NobodyElse"
        Effect    = "Deny"
        Principal = "*"
        Action    = "execute-api:Invoke"
        Resource  = "arn:aws:execute-api:eu-central-1:210987654321:abc123/*"
        Condition = { StringNotEquals = { "aws:PrincipalArn" = ["arn:aws:iam::210987654321:role/workflow-service"] } }
      },
    ]
    error_message = "The named roles are let in, and all others refused whatever their own policies say."
  }

  assert {
    condition     = one(aws_api_gateway_rest_api.this.endpoint_configuration).types == tolist(["REGIONAL"])
    error_message = "Without endpoints of a VPC the API has a public address."
  }

  # Paths of the earlier provisioner and v1.
  assert {
    condition = toset([for key, method in aws_api_gateway_method.this : "${method.http_method} ${key}"]) == toset([
      "ANY ANY v1", "ANY ANY {proxy+}", "DELETE DELETE pcluster", "GET GET pcluster", "GET GET version", "POST POST pcluster",
    ])
    error_message = "The old paths must be there, and /v1 itself with all below it."
  }

  assert {
    condition = alltrue([
      for key, method in aws_api_gateway_method.this :
      (length(method.request_parameters) == 2) == contains(["POST pcluster", "DELETE pcluster"], key)
    ])
    error_message = "What changes a project must name it; what reads may list."
  }

  assert {
    condition = alltrue([
      for integration in aws_api_gateway_integration.this :
      integration.type == "AWS_PROXY" && integration.timeout_milliseconds == 29000
    ])
    error_message = "Every path leads to the function."
  }

  assert {
    condition = alltrue([
      for response in aws_api_gateway_gateway_response.this :
      can(jsondecode(replace(response.response_templates["application/json"], "$context.error.messageString", "\"why\"")).code) &&
      jsondecode(replace(response.response_templates["application/json"], "$context.error.messageString", "\"why\"")).message == "why"
    ])
    error_message = "What API Gateway refuses must be JSON with a code, and the message that old clients look for."
  }

  # Limits and logs.
  assert {
    condition = (
      one(aws_api_gateway_method_settings.this.settings).throttling_rate_limit == 50 &&
      one(aws_api_gateway_method_settings.this.settings).throttling_burst_limit == 100 &&
      one(aws_api_gateway_method_settings.this.settings).data_trace_enabled == false
    )
    error_message = "Requests must be limited, and their bodies not logged."
  }

  assert {
    condition = alltrue([
      for group in [aws_cloudwatch_log_group.access, aws_cloudwatch_log_group.execution] : group.retention_in_days == 365
    ])
    error_message = "Logs must be kept for a year, not for ever."
  }

  assert {
    condition     = can(jsondecode(one(aws_api_gateway_stage.this.access_log_settings).format).caller)
    error_message = "The access log must say who called."
  }

  # One image two functions.
  assert {
    condition = alltrue([
      for function in aws_lambda_function.this :
      function.package_type == "Image" && function.image_uri == var.image_uri && length(function.vpc_config) == 0
    ])
    error_message = "Both come from the image, and neither runs inside the private VPC."
  }

  assert {
    condition = { for role, function in aws_lambda_function.this : role => one(function.image_config).command } == {
      api    = tolist(["engine.service.api.handler"])
      worker = tolist(["engine.service.worker.handler"])
    }
    error_message = "Each has its entry point."
  }

  assert {
    condition = (
      aws_lambda_function.this["api"].timeout == 29 &&
      aws_lambda_function.this["worker"].timeout == 900 &&
      aws_lambda_function.this["worker"].memory_size == 3008 &&
      aws_lambda_function.this["worker"].reserved_concurrent_executions == 21
    )
    error_message = "The API answers before API Gateway gives up; the worker has Lambda's longest, the memory that a new account gives, and room for the clock."
  }

  assert {
    condition = (
      one(aws_lambda_function.this["worker"].environment).variables["PROVISIONER_REGISTRY_TABLE"] == "acme-registry" &&
      one(aws_lambda_function.this["worker"].environment).variables["PROVISIONER_ACCOUNT_ID"] == "210987654321" &&
      startswith(one(aws_lambda_function.this["worker"].environment).variables["PROVISIONER_HOME"], "/tmp/") &&
      startswith(one(aws_lambda_function.this["worker"].environment).variables["PROVISIONER_WORKSPACES_DIR"], "/tmp/")
    )
    error_message = "The engine must find its ground, and write nowhere but below /tmp."
  }

  # Work is queued in order for each project.
  assert {
    condition = (
      aws_sqs_queue.this.fifo_queue && aws_sqs_queue.dead_letter.fifo_queue &&
      !aws_sqs_queue.this.content_based_deduplication &&
      aws_sqs_queue.this.deduplication_scope == "messageGroup" &&
      aws_sqs_queue.this.fifo_throughput_limit == "perMessageGroupId"
    )
    error_message = "Order and throughput go by project."
  }

  assert {
    condition     = aws_sqs_queue.this.visibility_timeout_seconds == 5400
    error_message = "A message must stay out of sight for six times the worker's time limit."
  }

  assert {
    condition     = jsondecode(aws_sqs_queue.this.redrive_policy).maxReceiveCount == 5
    error_message = "What fails on every try must go to the dead letters."
  }

  assert {
    condition = jsondecode(aws_sqs_queue.dead_letter.redrive_allow_policy) == {
      redrivePermission = "byQueue"
      sourceQueueArns   = ["arn:aws:sqs:eu-central-1:210987654321:provisioner-operations.fifo"]
    }
    error_message = "Only the queue of operations may put dead letters there."
  }

  assert {
    condition     = alltrue([for queue in [aws_sqs_queue.this, aws_sqs_queue.dead_letter] : queue.sqs_managed_sse_enabled])
    error_message = "Messages must be encrypted."
  }

  assert {
    condition = (
      aws_lambda_event_source_mapping.this.batch_size == 1 &&
      one(aws_lambda_event_source_mapping.this.scaling_config).maximum_concurrency == 20
    )
    error_message = "One operation a run, and no more runs than were asked for."
  }

  assert {
    condition = (
      aws_lambda_function_recursion_config.this.function_name == "provisioner-worker" &&
      aws_lambda_function_recursion_config.this.recursive_loop == "Allow"
    )
    error_message = "A long operation sends itself its next message: Lambda must not take that for a loop."
  }

  # Each function may do its own part.
  assert {
    condition = alltrue(flatten([
      for policy in aws_iam_policy.function : [
        for statement in jsondecode(policy.policy).Statement : [
          for action in flatten([statement.Action]) : !strcontains(action, "*") && action != "iam:PassRole"
        ]
      ]
    ]))
    error_message = "Every action must be written out, and no role handed on."
  }

  assert {
    condition     = alltrue([for policy in aws_iam_policy.function : length(policy.policy) <= 6144])
    error_message = "IAM takes 6144 characters in a policy."
  }

  assert {
    condition = alltrue([
      for policy in aws_iam_policy.function :
      !strcontains(policy.policy, "<account>") && !strcontains(policy.policy, "<region>") &&
      !strcontains(policy.policy, "provisioner-registry") && !strcontains(policy.policy, "provisioner-state-")
    ])
    error_message = "The documents must get the names of this installation."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_policy.function["api-service-api"].policy).Statement : statement.Resource
      if contains(["RecordWishes", "AskForWork", "WriteLogs"], statement.Sid)
      ] == [
      "arn:aws:dynamodb:eu-central-1:210987654321:table/acme-registry",
      "arn:aws:sqs:eu-central-1:210987654321:provisioner-operations.fifo",
      "arn:aws:logs:eu-central-1:210987654321:log-group:/aws/lambda/provisioner-api:log-stream:*",
    ]
    error_message = "The API writes to its registry, its queue and its log."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_policy.function["worker-pipeline-apply"].policy).Statement : statement.Resource
      if statement.Sid == "ThroughTheProvider"
      ] == [[
        "arn:aws:lambda:eu-central-1:210987654321:function:pcluster-cfn-*",
        "arn:aws:lambda:eu-central-1:210987654321:function:acme-accounts",
        "arn:aws:lambda:eu-central-1:210987654321:function:acme-accounts:$LATEST",
    ]]
    error_message = "The worker must be let call this installation's accounting function, with a version named, as Terraform does, and without."
  }

  assert {
    condition = length(setintersection(
      flatten([for statement in jsondecode(aws_iam_policy.function["api-service-api"].policy).Statement : statement.Action]),
      ["cloudformation:CreateStack", "ec2:CreateSubnet", "fsx:CreateFileSystem", "s3:CreateBucket", "sqs:ReceiveMessage"],
    )) == 0
    error_message = "The API asks for work; it does none."
  }

  assert {
    condition     = toset([for policy in aws_iam_role_policy_attachment.function : policy.role]) == toset(["provisioner-api-eu-central-1", "provisioner-worker-eu-central-1"])
    error_message = "Each function has a role of its own."
  }

  assert {
    condition     = length(aws_iam_role_policy.optional) == 0
    error_message = "Nobody may send events or use keys that were not asked for."
  }

  # No clock by default.
  assert {
    condition     = aws_lambda_permission.api.principal == "apigateway.amazonaws.com" && aws_lambda_permission.api.source_account == null
    error_message = "API Gateway must be let in by its API's ARN alone."
  }

  assert {
    condition     = length(aws_cloudwatch_event_rule.this) == 0 && length(aws_lambda_permission.clock) == 0
    error_message = "Nothing may start by the clock that nobody asked for."
  }
}

run "with_all_that_can_be_asked_for" {
  command = plan

  variables {
    vpc_endpoint_ids     = ["vpce-0123456789abcdef0"]
    schedules            = { drift = "cron(0 3 * * ? *)", keys = "rate(1 hour)", sweep = "rate(1 hour)" }
    permissions_boundary = "arn:aws:iam::210987654321:policy/boundary"
    kms_key_arn          = "arn:aws:kms:eu-central-1:210987654321:key/0a1b"
    event_bus_name       = "platform"
    alarm_topic_arns     = ["arn:aws:sns:eu-central-1:210987654321:provisioner-alarms"]
    address              = "module.service"
    tags                 = { CostCentre = "42" }
  }

  # Private behind endpoints.
  assert {
    condition = (
      one(aws_api_gateway_rest_api.this.endpoint_configuration).types == tolist(["PRIVATE"]) &&
      one(aws_api_gateway_rest_api.this.endpoint_configuration).vpc_endpoint_ids == toset(["vpce-0123456789abcdef0"])
    )
    error_message = "With endpoints the API must be private."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_api_gateway_rest_api_policy.this.policy).Statement :
      [statement.Effect, statement.Condition] if statement.Sid == "ThroughTheEndpoints"
    ] == [["Deny", { StringNotEquals = { "aws:SourceVpce" = ["vpce-0123456789abcdef0"] } }]]
    error_message = "What comes another way than through the endpoints must be refused."
  }

  # By the clock when asked.
  assert {
    condition = (
      aws_cloudwatch_event_rule.this["sweep"].schedule_expression == "rate(1 hour)" &&
      jsondecode(aws_cloudwatch_event_target.this["sweep"].input) == { schedule = "sweep" } &&
      aws_cloudwatch_event_target.this["sweep"].arn == aws_lambda_function.this["worker"].arn &&
      jsondecode(aws_cloudwatch_event_target.this["drift"].input) == { schedule = "drift" } &&
      jsondecode(aws_cloudwatch_event_target.this["keys"].input) == { schedule = "keys" } &&
      aws_lambda_function.this["worker"].reserved_concurrent_executions == 23
    )
    error_message = "The clock must start the worker, and say what for."
  }

  assert {
    condition = alltrue([
      for permission in aws_lambda_permission.clock :
      permission.principal == "events.amazonaws.com" && permission.source_account == null
    ])
    error_message = "With a source account in the permission EventBridge cannot start the function."
  }

  # With a boundary a key and a bus.
  assert {
    condition = (
      alltrue([for role in aws_iam_role.function : role.permissions_boundary == var.permissions_boundary]) &&
      aws_iam_role.gateway[0].permissions_boundary == var.permissions_boundary
    )
    error_message = "Every role must carry the boundary."
  }

  assert {
    condition = (
      aws_sqs_queue.this.kms_master_key_id == var.kms_key_arn &&
      aws_cloudwatch_log_group.access.kms_key_id == var.kms_key_arn &&
      aws_lambda_function.this["api"].kms_key_arn == var.kms_key_arn
    )
    error_message = "The key must be used for queue, logs and environments."
  }

  assert {
    condition = [for statement in jsondecode(aws_iam_role_policy.optional["worker"].policy).Statement : statement.Resource] == [
      "arn:aws:events:eu-central-1:210987654321:event-bus/platform", var.kms_key_arn,
    ]
    error_message = "The functions may tell that bus, and use that key."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.optional["worker"].policy).Statement : statement.Condition
      if statement.Sid == "ReadAndWriteTheQueue"
    ] == [{ StringEquals = { "kms:ViaService" = ["sqs.eu-central-1.amazonaws.com"] } }]
    error_message = "The functions may use the key through SQS only."
  }

  # Alarms say what to do and whom.
  assert {
    condition = alltrue([
      for key, alarm in aws_cloudwatch_metric_alarm.this :
      alarm.alarm_actions == toset(var.alarm_topic_arns) &&
      (contains(["drift", "keys"], key) ? try(length(alarm.ok_actions), 0) == 0 : alarm.ok_actions == toset(var.alarm_topic_arns)) &&
      length(alarm.alarm_description) > 60 && length(alarm.alarm_description) <= 1024
    ])
    error_message = "Every alarm must reach the topics, going and coming (but what the clock finds, which nothing repairs by itself), and say what to do."
  }

  assert {
    condition     = output.alarm_names == tolist(["provisioner-api-5xx", "provisioner-api-throttled", "provisioner-drift", "provisioner-keys", "provisioner-operations-failed"])
    error_message = "What modules/observability does not watch must be watched here."
  }

  assert {
    condition     = aws_cloudwatch_dashboard.this.dashboard_name == "provisioner-service-eu-central-1"
    error_message = "Dashboards are the account's: one in each region must have a name of its own."
  }

  assert {
    condition = alltrue([
      for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets :
      widget.x + widget.width <= 24 && widget.height >= 1
    ])
    error_message = "Every widget must lie in CloudWatch's 24 columns."
  }

  # Tags of a module call.
  assert {
    condition = alltrue([
      for address, tags in {
        "aws_api_gateway_rest_api.this"         = aws_api_gateway_rest_api.this.tags
        "aws_sqs_queue.this"                    = aws_sqs_queue.this.tags
        "aws_sqs_queue.dead_letter"             = aws_sqs_queue.dead_letter.tags
        "aws_lambda_function.this.worker"       = aws_lambda_function.this["worker"].tags
        "aws_iam_policy.function.worker-reader" = aws_iam_policy.function["worker-reader"].tags
      } :
      tags["provisioner:address"] == "module.service.${address}" && tags["CostCentre"] == "42" && tags["Name"] != ""
    ])
    error_message = "Everything that takes tags must carry a name, its address and the caller's tags."
  }
}

run "refuses_an_image_of_another_account" {
  command = plan

  variables {
    image_uri = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/provisioner:1.2.0"
  }

  expect_failures = [aws_ecr_repository_policy.this]
}
