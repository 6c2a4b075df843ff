# The front: who gets in, how often, and with what.

locals {
  private = length(var.vpc_endpoint_ids) > 0

  # Paths as clients know them; parents first, so that each path is made under its parent. What lies under /v1
  # is the function's own, and so is what it answers to paths that it does not have.
  roots    = ["hpc-provisioner", "v1"]
  children = { pcluster = "hpc-provisioner", version = "hpc-provisioner", "{proxy+}" = "v1" }
  needs_ids = {
    "method.request.querystring.project_id" = true
    "method.request.querystring.vlab_id"    = true
  }
  methods = {
    "GET pcluster"    = { path = "pcluster", method = "GET", parameters = {} }
    "POST pcluster"   = { path = "pcluster", method = "POST", parameters = local.needs_ids }
    "DELETE pcluster" = { path = "pcluster", method = "DELETE", parameters = local.needs_ids }
    "GET version"     = { path = "version", method = "GET", parameters = {} }
    "ANY v1"          = { path = "v1", method = "ANY", parameters = {} }
    "ANY {proxy+}"    = { path = "{proxy+}", method = "ANY", parameters = {} }
  }

  # What API Gateway refuses itself, in the shape of the function's own errors; `message` is what clients of the
  # earlier provisioner look for. Codes are those of engine/errors.py where it has one.
  refusals = {
    ACCESS_DENIED                = { status = "403", code = "ACCESS_DENIED" }
    BAD_REQUEST_PARAMETERS       = { status = "400", code = "BAD_REQUEST" }
    EXPIRED_TOKEN                = { status = "403", code = "ACCESS_DENIED" }
    INTEGRATION_FAILURE          = { status = "504", code = "UNREACHABLE" }
    INTEGRATION_TIMEOUT          = { status = "504", code = "UNREACHABLE" }
    INVALID_SIGNATURE            = { status = "403", code = "ACCESS_DENIED" }
    MISSING_AUTHENTICATION_TOKEN = { status = "403", code = "ACCESS_DENIED" }
    REQUEST_TOO_LARGE            = { status = "413", code = "BAD_REQUEST" }
    THROTTLED                    = { status = "429", code = "BUSY" }
  }

  resource_ids = merge(
    { for path, resource in aws_api_gateway_resource.root : path => resource.id },
    { for path, resource in aws_api_gateway_resource.child : path => resource.id },
  )
}

resource "aws_api_gateway_rest_api" "this" {
  name        = var.name
  description = "Clusters for projects: asks for them, tells how far they are"

  endpoint_configuration {
    types            = [local.private ? "PRIVATE" : "REGIONAL"]
    vpc_endpoint_ids = local.private ? var.vpc_endpoint_ids : null
  }

  tags = merge(local.tags, { "provisioner:address" = "${local.address}aws_api_gateway_rest_api.this" })

  lifecycle {
    create_before_destroy = true
  }
}

# Within an account an IAM policy alone would let anybody in whom it allows; the refusal stands above it (API
# Gateway developer guide, "How resource policies affect authorization workflow").
resource "aws_api_gateway_rest_api_policy" "this" {
  rest_api_id = aws_api_gateway_rest_api.this.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid       = "WorkflowService"
          Effect    = "Allow"
          Principal = { AWS = var.caller_role_arns }
          Action    = "execute-api:Invoke"
          Resource  = "${aws_api_gateway_rest_api.this.execution_arn}/${var.stage}/*"
        },
        {
          Sid       = "NobodyElse"
          Effect    = "Deny"
          Principal = "*"
          Action    = "execute-api:Invoke"
          Resource  = "${aws_api_gateway_rest_api.this.execution_arn}/*"
          Condition = { StringNotEquals = { "aws:PrincipalArn" = var.caller_role_arns } }
        },
      ],
      local.private ? [{
        Sid       = "ThroughTheEndpoints"
        Effect    = "Deny"
        Principal = "*"
        Action    = "execute-api:Invoke"
        Resource  = "${aws_api_gateway_rest_api.this.execution_arn}/*"
        Condition = { StringNotEquals = { "aws:SourceVpce" = var.vpc_endpoint_ids } }
      }] : [],
    )
  })
}

resource "aws_api_gateway_request_validator" "this" {
  rest_api_id                 = aws_api_gateway_rest_api.this.id
  name                        = "parameters"
  validate_request_parameters = true
}

resource "aws_api_gateway_resource" "root" {
  for_each = toset(local.roots)

  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_rest_api.this.root_resource_id
  path_part   = each.key
}

resource "aws_api_gateway_resource" "child" {
  for_each = local.children

  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_resource.root[each.value].id
  path_part   = each.key
}

resource "aws_api_gateway_method" "this" {
  for_each = local.methods

  rest_api_id          = aws_api_gateway_rest_api.this.id
  resource_id          = local.resource_ids[each.value.path]
  http_method          = each.value.method
  authorization        = "AWS_IAM"
  request_parameters   = each.value.parameters
  request_validator_id = aws_api_gateway_request_validator.this.id
}

resource "aws_api_gateway_integration" "this" {
  for_each = local.methods

  rest_api_id             = aws_api_gateway_rest_api.this.id
  resource_id             = local.resource_ids[each.value.path]
  http_method             = aws_api_gateway_method.this[each.key].http_method
  type                    = "AWS_PROXY"
  integration_http_method = "POST"
  uri                     = aws_lambda_function.this["api"].invoke_arn
  timeout_milliseconds    = 29000
}

# By the API's ARN alone, which names the account, as API Gateway's own developer guide has it.
resource "aws_lambda_permission" "api" {
  statement_id  = "api"
  function_name = aws_lambda_function.this["api"].function_name
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_api_gateway_rest_api.this.execution_arn}/${var.stage}/*"
}

resource "aws_api_gateway_gateway_response" "this" {
  for_each = local.refusals

  rest_api_id   = aws_api_gateway_rest_api.this.id
  response_type = each.key
  status_code   = each.value.status
  response_templates = {
    "application/json" = join("", [
      "{\"type\":\"about:blank\",\"title\":${jsonencode(each.value.code)},\"status\":${each.value.status},",
      "\"code\":${jsonencode(each.value.code)},\"detail\":$context.error.messageString,\"message\":$context.error.messageString}",
    ])
  }
}

resource "aws_api_gateway_deployment" "this" {
  rest_api_id = aws_api_gateway_rest_api.this.id

  # A deployment is a copy of all of this: another one whenever something of it changes.
  triggers = {
    content = sha256(jsonencode([
      local.resource_ids,
      local.methods,
      local.refusals,
      aws_api_gateway_rest_api_policy.this.policy,
      [for integration in aws_api_gateway_integration.this : [integration.uri, integration.timeout_milliseconds]],
    ]))
  }

  lifecycle {
    create_before_destroy = true
  }

  depends_on = [
    aws_api_gateway_gateway_response.this,
    aws_api_gateway_integration.this,
    aws_api_gateway_rest_api_policy.this,
  ]
}

resource "aws_api_gateway_stage" "this" {
  #checkov:skip=CKV_AWS_120:Every answer says how things are at this moment; a client that polls must never get an old one.
  #checkov:skip=CKV2_AWS_29:Nobody gets in but by a signature of the named roles, and throttling stands before the function; a firewall would look at requests of one known client.
  #checkov:skip=CKV2_AWS_51:Clients prove themselves by the signature of each request; a certificate of API Gateway would be shown to a backend, and the backend is Lambda.
  rest_api_id   = aws_api_gateway_rest_api.this.id
  deployment_id = aws_api_gateway_deployment.this.id
  stage_name    = var.stage
  description   = "What clients call"

  xray_tracing_enabled = var.tracing

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    format = jsonencode({
      time       = "$context.requestTime"
      request_id = "$context.requestId"
      trace_id   = "$context.xrayTraceId"
      caller     = "$context.identity.userArn"
      source_ip  = "$context.identity.sourceIp"
      endpoint   = "$context.identity.vpceId"
      method     = "$context.httpMethod"
      path       = "$context.path"
      status     = "$context.status"
      size_bytes = "$context.responseLength"
      latency_ms = "$context.responseLatency"
      error      = "$context.error.responseType"
    })
  }

  tags = merge(local.tags, { "provisioner:address" = "${local.address}aws_api_gateway_stage.this" })

  depends_on = [aws_api_gateway_account.this, aws_cloudwatch_log_group.execution]
}

resource "aws_api_gateway_method_settings" "this" {
  #checkov:skip=CKV_AWS_225:As for the stage: answers about running work are never kept for a second asker.
  rest_api_id = aws_api_gateway_rest_api.this.id
  stage_name  = aws_api_gateway_stage.this.stage_name
  method_path = "*/*"

  settings {
    throttling_rate_limit  = var.request_rate_per_s
    throttling_burst_limit = var.request_burst
    metrics_enabled        = true
    logging_level          = "ERROR"
    # Bodies and headers of requests are nobody's to read later.
    data_trace_enabled = false
  }
}

# --- logs of the API; those of the functions are modules/observability's

resource "aws_cloudwatch_log_group" "access" {
  #checkov:skip=CKV_AWS_158:Encrypted with the key of CloudWatch Logs unless kms_key_arn names another; it holds paths and callers, no bodies and no keys.
  name              = "/aws/apigateway/${var.name}/access"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn

  tags = merge(local.tags, {
    Name                  = "${var.name}-access"
    "provisioner:address" = "${local.address}aws_cloudwatch_log_group.access"
  })
}

# API Gateway makes this one by itself, without a retention.
resource "aws_cloudwatch_log_group" "execution" {
  #checkov:skip=CKV_AWS_158:As the access log: the key of CloudWatch Logs by default, and nothing in it but errors of the gateway itself.
  name              = "API-Gateway-Execution-Logs_${aws_api_gateway_rest_api.this.id}/${var.stage}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn

  tags = merge(local.tags, {
    Name                  = "${var.name}-execution"
    "provisioner:address" = "${local.address}aws_cloudwatch_log_group.execution"
  })
}

resource "aws_api_gateway_account" "this" {
  count = var.manage_account_logging ? 1 : 0

  cloudwatch_role_arn = aws_iam_role.gateway[0].arn

  depends_on = [aws_iam_role_policy_attachment.gateway]
}

resource "aws_iam_role" "gateway" {
  count = var.manage_account_logging ? 1 : 0

  name                 = "${var.name}-gateway-logs-${local.region}"
  description          = "Lets API Gateway write the logs of every API in this account and region"
  permissions_boundary = var.permissions_boundary
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "apigateway.amazonaws.com" }
    }]
  })

  tags = merge(local.tags, {
    Name                  = "${var.name}-gateway-logs"
    "provisioner:address" = "${local.address}aws_iam_role.gateway.0"
  })
}

# AWS's own policy: API Gateway takes no role that may do less than it (developer guide, "Permissions for
# CloudWatch logging"), and one role serves every API of the account.
resource "aws_iam_role_policy_attachment" "gateway" {
  count = var.manage_account_logging ? 1 : 0

  role       = aws_iam_role.gateway[0].name
  policy_arn = "arn:${local.partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
}
