locals {
  flow_log_group     = "/${var.name}/flow-logs"
  flow_log_group_arn = "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:${local.flow_log_group}"
}

resource "aws_cloudwatch_log_group" "flow_logs" {
  name              = local.flow_log_group
  retention_in_days = var.flow_log_retention_days
  kms_key_id        = var.kms_key_arn

  tags = merge(local.tags, {
    Name                  = "${var.name}-flow-logs"
    "provisioner:address" = "${local.address}aws_cloudwatch_log_group.flow_logs"
  })
}

resource "aws_iam_role" "flow_logs" {
  # Roles are the account's, and another region may have the same.
  name        = "${var.name}-flow-logs-${local.region}"
  description = "Writes the flow logs of the VPC ${var.name}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "vpc-flow-logs.amazonaws.com" }
      Action    = "sts:AssumeRole"
      # Only for flow logs of this account and region: nobody else's can borrow the role.
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account_id }
        ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:ec2:${local.region}:${local.account_id}:vpc-flow-log/*" }
      }
    }]
  })

  tags = merge(local.tags, {
    Name                  = "${var.name}-flow-logs"
    "provisioner:address" = "${local.address}aws_iam_role.flow_logs"
  })
}

resource "aws_iam_role_policy" "flow_logs" {
  name = "write-flow-logs"
  role = aws_iam_role.flow_logs.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
        Resource = [local.flow_log_group_arn, "${local.flow_log_group_arn}:*"]
      },
      {
        # Lists groups, so it cannot be limited to one.
        Effect   = "Allow"
        Action   = "logs:DescribeLogGroups"
        Resource = "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:*"
      },
    ]
  })
}

resource "aws_flow_log" "this" {
  vpc_id                   = aws_vpc.this.id
  traffic_type             = "ALL"
  log_destination_type     = "cloud-watch-logs"
  log_destination          = aws_cloudwatch_log_group.flow_logs.arn
  iam_role_arn             = aws_iam_role.flow_logs.arn
  max_aggregation_interval = 600

  tags = merge(local.tags, { "provisioner:address" = "${local.address}aws_flow_log.this" })

  # A flow log that may not write yet fails, and says so nowhere but in its status.
  depends_on = [aws_iam_role_policy.flow_logs]
}
