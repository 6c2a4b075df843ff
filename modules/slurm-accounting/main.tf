data "aws_caller_identity" "this" {}

data "aws_partition" "this" {}

data "aws_region" "this" {}

module "discovery" {
  source = "../discovery"
}

locals {
  address = var.address == "" ? "" : "${var.address}."
  tags    = merge(var.tags, { Name = var.name })

  region  = data.aws_region.this.name
  account = data.aws_caller_identity.this.account_id
  # What every ARN of this account and region starts with, up to the service and behind it.
  arn = {
    for service in ["ec2", "kms", "lambda", "logs", "rds", "secretsmanager"] :
    service => "arn:${data.aws_partition.this.partition}:${service}:${local.region}:${local.account}"
  }

  port       = 3306
  major      = join(".", slice(split(".", var.engine_version), 0, 2))
  family     = "mariadb${local.major}"
  monitoring = var.monitoring_interval_s > 0
  # Failed log-ins are in the error log already. The audit log would need an option group, which RDS
  # keeps for as long as a snapshot of the database exists: ADR 0013.
  logs = ["error", "slowquery"]

  # SchedMD, "Accounting and Resource Limits" and the accounting database of its Slinky charts.
  # innodb_buffer_pool_size stays RDS's own: 3/4 of the instance's memory.
  parameters = {
    character_set_server     = { value = "utf8mb4", apply_method = "immediate" }
    collation_server         = { value = "utf8mb4_general_ci", apply_method = "immediate" }
    innodb_lock_wait_timeout = { value = "900", apply_method = "immediate" }
    # Static: RDS takes a new value over when it starts the server.
    innodb_log_file_size = { value = tostring(1024 * 1024 * 1024), apply_method = "pending-reboot" }
    # Files, since RDS exports no logs that MariaDB writes into tables.
    log_output               = { value = "FILE", apply_method = "immediate" }
    long_query_time          = { value = "10", apply_method = "immediate" }
    max_allowed_packet       = { value = tostring(256 * 1024 * 1024), apply_method = "immediate" }
    require_secure_transport = { value = "1", apply_method = "immediate" }
    slow_query_log           = { value = "1", apply_method = "immediate" }
  }

  function_arn = "${local.arn.lambda}:function:${var.function_name}"
  function_permissions = concat(
    [
      {
        Sid      = "WriteLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${local.arn.logs}:log-group:/aws/lambda/${var.function_name}:log-stream:*"
      },
      {
        Sid      = "ReadMasterSecret"
        Effect   = "Allow"
        Action   = "secretsmanager:GetSecretValue"
        Resource = local.master_secret_arn
      },
      {
        Sid    = "WriteProjectSecrets"
        Effect = "Allow"
        Action = [
          "secretsmanager:DescribeSecret",
          "secretsmanager:GetSecretValue",
          "secretsmanager:PutSecretValue",
          "secretsmanager:UpdateSecretVersionStage",
        ]
        Resource = "${local.arn.secretsmanager}:secret:provisioner/*/accounting-*"
      },
    ],
    # Without a key of our own Secrets Manager uses aws/secretsmanager, which asks for no permission.
    var.kms_key_arn == null ? [] : [
      {
        Sid      = "DecryptMasterSecret"
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = var.kms_key_arn
        # No document says which suffix KMS sees in China.
        Condition = {
          StringEquals = {
            "kms:ViaService" = [
              for suffix in toset(["amazonaws.com", data.aws_partition.this.dns_suffix]) : "secretsmanager.${local.region}.${suffix}"
            ]
          }
        }
      },
    ],
  )
  # Lambda makes the function's network interfaces with the function's role, in whatever subnet the
  # function has, and tells the function's own code apart by lambda:SourceFunctionArn.
  # Lambda Developer Guide, "Giving Lambda functions access to resources in an Amazon VPC".
  network_permissions = [
    {
      Sid      = "LookAtNetwork"
      Effect   = "Allow"
      Action   = ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"]
      Resource = "*"
    },
    {
      Sid    = "MakeNetworkInterfaces"
      Effect = "Allow"
      Action = [
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:UnassignPrivateIpAddresses",
      ]
      Resource = "${local.arn.ec2}:*/*"
    },
    {
      Sid    = "NotByTheCode"
      Effect = "Deny"
      Action = [
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:UnassignPrivateIpAddresses",
      ]
      Resource  = "*"
      Condition = { ArnEquals = { "lambda:SourceFunctionArn" = local.function_arn } }
    },
  ]
  master_secret_arn = aws_db_instance.this.master_user_secret[0].secret_arn
}

# --- who may reach the database

resource "aws_security_group" "access" {
  name        = "${var.name}-access"
  description = "Carried by what may reach the accounting database ${var.name}"
  vpc_id      = var.vpc_id

  tags = merge(local.tags, module.discovery.shared.accounting_access, {
    Name                  = "${var.name}-access"
    "provisioner:address" = "${local.address}aws_security_group.access"
  })
}

resource "aws_security_group" "this" {
  name        = "${var.name}-database"
  description = "The accounting database ${var.name}: in from those who carry ${var.name}-access, nothing out"
  vpc_id      = var.vpc_id

  tags = merge(local.tags, {
    Name                  = "${var.name}-database"
    "provisioner:address" = "${local.address}aws_security_group.this"
  })
}

resource "aws_vpc_security_group_ingress_rule" "this" {
  security_group_id            = aws_security_group.this.id
  description                  = "MariaDB from head nodes and the accounting function"
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
  referenced_security_group_id = aws_security_group.access.id

  tags = merge(local.tags, {
    Name                  = "${var.name}-in"
    "provisioner:address" = "${local.address}aws_vpc_security_group_ingress_rule.this"
  })
}

resource "aws_vpc_security_group_egress_rule" "access" {
  security_group_id            = aws_security_group.access.id
  description                  = "MariaDB to the accounting database"
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
  referenced_security_group_id = aws_security_group.this.id

  tags = merge(local.tags, {
    Name                  = "${var.name}-access-out"
    "provisioner:address" = "${local.address}aws_vpc_security_group_egress_rule.access"
  })
}

# --- the database

resource "aws_db_subnet_group" "this" {
  name        = var.name
  description = "Private subnets of the accounting database ${var.name}"
  subnet_ids  = var.database_subnet_ids

  tags = merge(local.tags, { "provisioner:address" = "${local.address}aws_db_subnet_group.this" })
}

resource "aws_db_parameter_group" "this" {
  # Another major version is another family, and a family another group: named so that the new one
  # can stand before the instance leaves the old one.
  name        = "${var.name}-${replace(local.family, ".", "-")}"
  family      = local.family
  description = "Slurm accounting on ${local.family}: TLS only, settings SchedMD asks for"

  dynamic "parameter" {
    for_each = local.parameters

    content {
      name         = parameter.key
      value        = parameter.value.value
      apply_method = parameter.value.apply_method
    }
  }

  tags = merge(local.tags, { "provisioner:address" = "${local.address}aws_db_parameter_group.this" })

  lifecycle {
    create_before_destroy = true
  }
}

# RDS would make these itself, without a retention.
resource "aws_cloudwatch_log_group" "database" {
  #checkov:skip=CKV_AWS_158:Encrypted with the key of CloudWatch Logs unless log_kms_key_arn names another; slow statements may name jobs and users, never a password.
  for_each = toset(local.logs)

  name              = "/aws/rds/instance/${var.name}/${each.key}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.log_kms_key_arn

  tags = merge(local.tags, { "provisioner:address" = "${local.address}aws_cloudwatch_log_group.database.${each.key}" })
}

# Each life of the database leaves a snapshot of its own behind, so the name holds when it began.
resource "terraform_data" "began" {
  input = formatdate("YYYYMMDD-hhmmss", plantimestamp())
  # What replaces the database.
  triggers_replace = var.kms_key_arn

  lifecycle {
    ignore_changes = [input]
  }
}

resource "aws_db_instance" "this" {
  #checkov:skip=CKV_AWS_161:slurmdbd knows passwords only, and IAM tokens end after 15 minutes; leaving IAM log-in off is one way in less.
  #checkov:skip=CKV_AWS_354:Encrypted with the key of RDS unless kms_key_arn names another.
  identifier     = var.name
  engine         = "mariadb"
  engine_version = var.engine_version
  instance_class = var.instance_class

  storage_type          = "gp3"
  allocated_storage     = var.allocated_storage_gib
  max_allocated_storage = var.max_allocated_storage_gib
  storage_encrypted     = true
  kms_key_id            = var.kms_key_arn

  # RDS makes the password, keeps it in Secrets Manager and changes it every week: it is in no state.
  username                      = "provisioner"
  manage_master_user_password   = true
  master_user_secret_kms_key_id = var.kms_key_arn

  multi_az               = var.multi_az
  db_subnet_group_name   = aws_db_subnet_group.this.name
  vpc_security_group_ids = [aws_security_group.this.id]
  publicly_accessible    = false
  port                   = local.port
  ca_cert_identifier     = var.ca_certificate_identifier
  parameter_group_name   = aws_db_parameter_group.this.name

  auto_minor_version_upgrade  = true
  allow_major_version_upgrade = var.allow_major_version_upgrade
  apply_immediately           = var.apply_immediately
  maintenance_window          = var.maintenance_window

  backup_window             = var.backup_window
  backup_retention_period   = var.backup_retention_days
  copy_tags_to_snapshot     = true
  deletion_protection       = var.deletion_protection
  skip_final_snapshot       = var.skip_final_snapshot
  final_snapshot_identifier = coalesce(var.final_snapshot_identifier, "${var.name}-final-${terraform_data.began.output}")

  enabled_cloudwatch_logs_exports       = local.logs
  monitoring_interval                   = var.monitoring_interval_s
  monitoring_role_arn                   = one(aws_iam_role.monitoring[*].arn)
  performance_insights_enabled          = var.performance_insights
  performance_insights_retention_period = var.performance_insights ? 7 : null
  performance_insights_kms_key_id       = var.performance_insights ? var.kms_key_arn : null

  tags = merge(local.tags, { "provisioner:address" = "${local.address}aws_db_instance.this" })

  # Before the database writes its first line, and until it has written its last.
  depends_on = [aws_cloudwatch_log_group.database, aws_iam_role_policy.monitoring]
}

resource "aws_iam_role" "monitoring" {
  count = local.monitoring ? 1 : 0

  name        = "${var.name}-monitoring-${local.region}"
  description = "Lets RDS write the operating system metrics of ${var.name}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "monitoring.rds.amazonaws.com" }
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnEquals    = { "aws:SourceArn" = "${local.arn.rds}:db:${var.name}" }
      }
    }]
  })

  tags = merge(local.tags, {
    Name                  = "${var.name}-monitoring"
    "provisioner:address" = "${local.address}aws_iam_role.monitoring.0"
  })
}

# AWS's managed policy AmazonRDSEnhancedMonitoringRole, on the one log group that RDS writes to. CloudWatch Logs asks
# for the ARN with ":*" (its user guide, "CloudWatch Logs resources and operations"), IAM's reference for it without.
resource "aws_iam_role_policy" "monitoring" {
  count = local.monitoring ? 1 : 0

  name = "write-metrics"
  role = aws_iam_role.monitoring[0].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["logs:CreateLogGroup", "logs:PutRetentionPolicy"]
        Resource = [for tail in ["", ":*"] : "${local.arn.logs}:log-group:RDSOSMetrics${tail}"]
      },
      {
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:GetLogEvents", "logs:PutLogEvents"]
        Resource = "${local.arn.logs}:log-group:RDSOSMetrics:log-stream:*"
      },
    ]
  })
}

# --- the function that makes databases and users

resource "aws_cloudwatch_log_group" "function" {
  #checkov:skip=CKV_AWS_158:Encrypted with the key of CloudWatch Logs unless log_kms_key_arn names another; the function logs no secrets.
  name              = "/aws/lambda/${var.function_name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.log_kms_key_arn

  tags = merge(local.tags, {
    Name                  = var.function_name
    "provisioner:address" = "${local.address}aws_cloudwatch_log_group.function"
  })
}

resource "aws_iam_role" "function" {
  name        = "${var.function_name}-${local.region}"
  description = "What the function ${var.function_name} may do"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })

  tags = merge(local.tags, {
    Name                  = var.function_name
    "provisioner:address" = "${local.address}aws_iam_role.function"
  })
}

resource "aws_iam_role_policy" "function" {
  name = "make-accounting-databases"
  role = aws_iam_role.function.name
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = concat(local.function_permissions, local.network_permissions)
  })
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_50:Short calls from Terraform, whose logs and metrics tell what a trace would; tracing needs write access to X-Ray on every resource.
  #checkov:skip=CKV_AWS_116:Called synchronously by Terraform and the engine, who get every failure as the answer; nothing would ever reach a dead letter queue.
  #checkov:skip=CKV_AWS_173:The environment holds an address, a path and the ARN of a secret, no secret; Lambda encrypts it with its own key.
  #checkov:skip=CKV_AWS_272:The package is built reproducibly from this repository and pinned by its hash in the plan; a signing profile would sign what the same person deploys.
  function_name = var.function_name
  description   = "Makes the accounting database and user of each project on ${var.name}"

  runtime          = "python3.12"
  handler          = "engine.accounting.handler.handle"
  filename         = var.function_package
  source_code_hash = filebase64sha256(var.function_package)

  role                           = aws_iam_role.function.arn
  timeout                        = 120
  memory_size                    = 256
  reserved_concurrent_executions = var.function_concurrency

  vpc_config {
    subnet_ids         = var.function_subnet_ids
    security_group_ids = [aws_security_group.access.id, var.endpoint_access_security_group_id]
  }

  environment {
    variables = {
      ACCOUNTING_DATABASE_HOST     = aws_db_instance.this.address
      ACCOUNTING_DATABASE_PORT     = aws_db_instance.this.port
      ACCOUNTING_MASTER_SECRET_ARN = local.master_secret_arn
      ACCOUNTING_CA_FILE           = var.function_ca_file
    }
  }

  tags = merge(local.tags, {
    Name                  = var.function_name
    "provisioner:address" = "${local.address}aws_lambda_function.this"
  })

  # Lambda refuses a function whose role cannot make its network interfaces, and would make a log
  # group without a retention for its first line.
  depends_on = [aws_cloudwatch_log_group.function, aws_iam_role_policy.function]
}
