# What a plan with nothing but the required inputs makes.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = {
      account_id = "123456789012"
    }
  }
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
  mock_resource "aws_db_instance" {
    defaults = {
      address = "provisioner-slurm-accounting.abc.us-east-1.rds.amazonaws.com"
      master_user_secret = [{
        kms_key_id    = "arn:aws:kms:us-east-1:123456789012:key/0"
        secret_arn    = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0-abcdef"
        secret_status = "active"
      }]
    }
    override_during = plan
  }
  mock_resource "aws_iam_role" {
    defaults = {
      arn = "arn:aws:iam::123456789012:role/mocked"
    }
    override_during = plan
  }
}

override_resource {
  target          = aws_security_group.this
  override_during = plan
  values = {
    id = "sg-0aaaaaaaaaaaaaaaa"
  }
}

override_resource {
  target          = aws_security_group.access
  override_during = plan
  values = {
    id = "sg-0bbbbbbbbbbbbbbbb"
  }
}

variables {
  vpc_id                            = "vpc-0123456789abcdef0"
  database_subnet_ids               = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  function_subnet_ids               = ["subnet-0123456789abcdef2", "subnet-0123456789abcdef3"]
  endpoint_access_security_group_id = "sg-0123456789abcdef0"
  # Any file has a hash.
  function_package = "versions.tf"
}

run "database" {
  command = plan

  override_resource {
    target          = terraform_data.began
    override_during = plan
    values = {
      output = "20260131-101112"
    }
  }

  assert {
    condition = (
      aws_db_instance.this.deletion_protection &&
      !aws_db_instance.this.skip_final_snapshot &&
      aws_db_instance.this.final_snapshot_identifier == "provisioner-slurm-accounting-final-20260131-101112"
    )
    error_message = "The database must be protected, and leave a snapshot of its own when it is deleted on purpose."
  }

  assert {
    condition     = aws_db_instance.this.backup_retention_period == 14 && aws_db_instance.this.copy_tags_to_snapshot
    error_message = "Backups are kept for two weeks and carry the tags."
  }

  assert {
    condition = (
      aws_db_instance.this.identifier == "provisioner-slurm-accounting" &&
      aws_db_instance.this.engine == "mariadb" &&
      aws_db_instance.this.engine_version == "11.4" &&
      aws_db_instance.this.port == 3306
    )
    error_message = "Workspaces look for MariaDB under this name."
  }

  assert {
    condition = (
      !aws_db_instance.this.publicly_accessible &&
      aws_db_instance.this.vpc_security_group_ids == toset(["sg-0aaaaaaaaaaaaaaaa"]) &&
      toset(aws_db_subnet_group.this.subnet_ids) == toset(var.database_subnet_ids)
    )
    error_message = "The database must stand in the database subnets, behind its own group only."
  }

  assert {
    condition     = aws_db_instance.this.storage_encrypted
    error_message = "Storage must be encrypted."
  }

  assert {
    condition     = aws_db_instance.this.manage_master_user_password && aws_db_instance.this.password == null
    error_message = "No password may pass through Terraform."
  }

  assert {
    condition     = aws_db_instance.this.multi_az && aws_db_instance.this.auto_minor_version_upgrade && !aws_db_instance.this.apply_immediately
    error_message = "A standby, minor updates, and no interruption outside the maintenance window."
  }

  assert {
    condition     = aws_db_parameter_group.this.family == "mariadb11.4" && aws_db_parameter_group.this.name == "provisioner-slurm-accounting-mariadb11-4"
    error_message = "The group must be of the version's family, and have a name without a dot."
  }

  assert {
    condition = { for one in aws_db_parameter_group.this.parameter : one.name => one.value } == {
      character_set_server     = "utf8mb4"
      collation_server         = "utf8mb4_general_ci"
      innodb_lock_wait_timeout = "900"
      innodb_log_file_size     = "1073741824"
      log_output               = "FILE"
      long_query_time          = "10"
      max_allowed_packet       = "268435456"
      require_secure_transport = "1"
      slow_query_log           = "1"
    }
    error_message = "TLS must be required, and MariaDB set as SchedMD asks."
  }

  assert {
    condition     = [for one in aws_db_parameter_group.this.parameter : one.name if one.apply_method == "pending-reboot"] == ["innodb_log_file_size"]
    error_message = "RDS takes a static parameter with pending-reboot only."
  }

  assert {
    condition = (
      aws_db_instance.this.monitoring_interval == 60 &&
      aws_db_instance.this.performance_insights_enabled &&
      aws_db_instance.this.performance_insights_retention_period == 7
    )
    error_message = "Metrics every minute, and the week of Performance Insights that is free."
  }

  assert {
    condition = one(jsondecode(aws_iam_role.monitoring[0].assume_role_policy).Statement).Condition == {
      StringEquals = { "aws:SourceAccount" = "123456789012" }
      ArnEquals    = { "aws:SourceArn" = "arn:aws:rds:us-east-1:123456789012:db:provisioner-slurm-accounting" }
    }
    error_message = "RDS may take the role for this database only."
  }

  assert {
    condition = toset(flatten([
      for statement in jsondecode(aws_iam_role_policy.monitoring[0].policy).Statement : statement.Resource
      if contains(statement.Action, "logs:CreateLogGroup")
      ])) == toset([
      "arn:aws:logs:us-east-1:123456789012:log-group:RDSOSMetrics",
      "arn:aws:logs:us-east-1:123456789012:log-group:RDSOSMetrics:*",
    ])
    error_message = "CloudWatch Logs asks for a group with :* behind its name."
  }

  assert {
    condition = (
      { for log, group in aws_cloudwatch_log_group.database : log => group.name } == {
        error     = "/aws/rds/instance/provisioner-slurm-accounting/error"
        slowquery = "/aws/rds/instance/provisioner-slurm-accounting/slowquery"
      } &&
      aws_db_instance.this.enabled_cloudwatch_logs_exports == toset(["error", "slowquery"]) &&
      aws_cloudwatch_log_group.function.name == "/aws/lambda/provisioner-accounting"
    )
    error_message = "Every log that RDS and Lambda write must have its group from here."
  }

  assert {
    condition     = alltrue([for group in concat(values(aws_cloudwatch_log_group.database), [aws_cloudwatch_log_group.function]) : group.retention_in_days == 365])
    error_message = "Logs are kept for a year."
  }
}

run "access_and_function" {
  command = plan

  assert {
    condition = (
      aws_vpc_security_group_ingress_rule.this.security_group_id == "sg-0aaaaaaaaaaaaaaaa" &&
      aws_vpc_security_group_ingress_rule.this.referenced_security_group_id == "sg-0bbbbbbbbbbbbbbbb" &&
      aws_vpc_security_group_ingress_rule.this.ip_protocol == "tcp" &&
      aws_vpc_security_group_ingress_rule.this.from_port == 3306 &&
      aws_vpc_security_group_ingress_rule.this.to_port == 3306
    )
    error_message = "The database must let in the access group, on its port."
  }

  assert {
    condition = (
      aws_vpc_security_group_egress_rule.access.security_group_id == "sg-0bbbbbbbbbbbbbbbb" &&
      aws_vpc_security_group_egress_rule.access.referenced_security_group_id == "sg-0aaaaaaaaaaaaaaaa" &&
      aws_vpc_security_group_egress_rule.access.from_port == 3306 &&
      aws_vpc_security_group_egress_rule.access.to_port == 3306
    )
    error_message = "The access group must lead to the database and nowhere else."
  }

  assert {
    condition     = aws_security_group.access.tags["provisioner:shared"] == "accounting-access"
    error_message = "Workspaces find the access group by its tag."
  }

  assert {
    condition = (
      aws_lambda_function.this.function_name == "provisioner-accounting" &&
      aws_lambda_function.this.runtime == "python3.12" &&
      aws_lambda_function.this.handler == "engine.accounting.handler.handle" &&
      aws_lambda_function.this.source_code_hash == filebase64sha256("versions.tf") &&
      aws_lambda_function.this.reserved_concurrent_executions == 5
    )
    error_message = "The function must be the one that the engine packs and calls."
  }

  assert {
    condition = (
      toset(one(aws_lambda_function.this.vpc_config).subnet_ids) == toset(var.function_subnet_ids) &&
      toset(one(aws_lambda_function.this.vpc_config).security_group_ids) == toset(["sg-0bbbbbbbbbbbbbbbb", "sg-0123456789abcdef0"])
    )
    error_message = "The function must reach the database and the endpoints, and be in its own subnets."
  }

  assert {
    condition = one(aws_lambda_function.this.environment).variables == tomap({
      ACCOUNTING_CA_FILE           = "/var/task/rds-ca.pem"
      ACCOUNTING_DATABASE_HOST     = "provisioner-slurm-accounting.abc.us-east-1.rds.amazonaws.com"
      ACCOUNTING_DATABASE_PORT     = "3306"
      ACCOUNTING_MASTER_SECRET_ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0-abcdef"
    })
    error_message = "The function must be told where the database is and where its password lies, and no password."
  }

  assert {
    condition = { for one in jsondecode(aws_iam_role_policy.function.policy).Statement : one.Sid => one.Resource if one.Effect == "Allow" } == {
      WriteLogs             = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/provisioner-accounting:log-stream:*"
      ReadMasterSecret      = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0-abcdef"
      WriteProjectSecrets   = "arn:aws:secretsmanager:us-east-1:123456789012:secret:provisioner/*/accounting-*"
      LookAtNetwork         = "*"
      MakeNetworkInterfaces = "arn:aws:ec2:us-east-1:123456789012:*/*"
    }
    error_message = "The role must name what it may touch; only AWS's describe calls know no resource."
  }

  assert {
    condition = toset(flatten([
      for one in jsondecode(aws_iam_role_policy.function.policy).Statement : one.Action
      if one.Effect == "Allow" && anytrue([for action in flatten([one.Action]) : startswith(action, "secretsmanager:")])
      ])) == toset([
      "secretsmanager:DescribeSecret",
      "secretsmanager:GetSecretValue",
      "secretsmanager:PutSecretValue",
      "secretsmanager:UpdateSecretVersionStage",
    ])
    error_message = "The function must not make or delete secrets."
  }

  # What Lambda needs for the network interfaces, the function's code must not use.
  assert {
    condition = alltrue([
      for one in jsondecode(aws_iam_role_policy.function.policy).Statement :
      one.Condition == { ArnEquals = { "lambda:SourceFunctionArn" = "arn:aws:lambda:us-east-1:123456789012:function:provisioner-accounting" } } &&
      toset(one.Action) == toset(flatten([
        for other in jsondecode(aws_iam_role_policy.function.policy).Statement : other.Action
        if contains(["LookAtNetwork", "MakeNetworkInterfaces"], other.Sid)
      ]))
      if one.Effect == "Deny"
    ]) && length([for one in jsondecode(aws_iam_role_policy.function.policy).Statement : one if one.Effect == "Deny"]) == 1
    error_message = "Every EC2 call that Lambda may make must be denied to the function itself."
  }

  assert {
    condition     = one(one(jsondecode(aws_iam_role.function.assume_role_policy).Statement)[*].Principal).Service == "lambda.amazonaws.com"
    error_message = "Nobody but Lambda may take the function's role."
  }
}

run "own_key_and_authority" {
  command = plan

  variables {
    kms_key_arn               = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    ca_certificate_identifier = "rds-ca-ecc384-g1"
  }

  assert {
    condition = alltrue([
      for key in [
        aws_db_instance.this.kms_key_id,
        aws_db_instance.this.master_user_secret_kms_key_id,
        aws_db_instance.this.performance_insights_kms_key_id,
      ] : key == var.kms_key_arn
    ])
    error_message = "One key must protect storage, master secret and Performance Insights."
  }

  assert {
    condition = [
      for one in jsondecode(aws_iam_role_policy.function.policy).Statement : [one.Action, one.Resource, one.Condition]
      if one.Sid == "DecryptMasterSecret"
      ] == [
      ["kms:Decrypt", var.kms_key_arn, { StringEquals = { "kms:ViaService" = ["secretsmanager.us-east-1.amazonaws.com"] } }]
    ]
    error_message = "The function may use the key through Secrets Manager only."
  }

  assert {
    condition     = terraform_data.began.triggers_replace == var.kms_key_arn
    error_message = "The database that another key makes must leave a snapshot of its own name behind."
  }

  assert {
    condition     = aws_db_instance.this.ca_cert_identifier == "rds-ca-ecc384-g1"
    error_message = "The certificate must be signed by the authority asked for."
  }
}

run "another_version_without_monitoring" {
  command = plan

  variables {
    engine_version        = "10.11.16"
    monitoring_interval_s = 0
    performance_insights  = false
  }

  assert {
    condition     = aws_db_parameter_group.this.family == "mariadb10.11" && aws_db_parameter_group.this.name == "provisioner-slurm-accounting-mariadb10-11"
    error_message = "A minor version belongs to the family of its major version."
  }

  assert {
    condition     = length(aws_iam_role.monitoring) == 0 && length(aws_iam_role_policy.monitoring) == 0
    error_message = "Without readings there is no role for them."
  }

  # What is left to AWS is mocked as 0; 7 would be the module's own.
  assert {
    condition     = !aws_db_instance.this.performance_insights_enabled && aws_db_instance.this.performance_insights_retention_period == 0
    error_message = "RDS refuses settings of Performance Insights while it is off."
  }
}

run "tags_and_outputs_of_a_module_call" {
  command = plan

  variables {
    address = "module.slurm_accounting"
    tags    = { CostCentre = "42" }
  }

  assert {
    condition = aws_db_instance.this.tags == tomap({
      CostCentre            = "42"
      Name                  = "provisioner-slurm-accounting"
      "provisioner:address" = "module.slurm_accounting.aws_db_instance.this"
    })
    error_message = "The database must carry its name, its address and the caller's tags."
  }

  assert {
    condition = [
      for tags in [
        aws_cloudwatch_log_group.database["error"].tags,
        aws_cloudwatch_log_group.function.tags,
        aws_db_parameter_group.this.tags,
        aws_db_subnet_group.this.tags,
        aws_iam_role.function.tags,
        aws_iam_role.monitoring[0].tags,
        aws_lambda_function.this.tags,
        aws_security_group.access.tags,
        aws_security_group.this.tags,
        aws_vpc_security_group_egress_rule.access.tags,
        aws_vpc_security_group_ingress_rule.this.tags,
      ] : tags["provisioner:address"]
      ] == [
      "module.slurm_accounting.aws_cloudwatch_log_group.database.error",
      "module.slurm_accounting.aws_cloudwatch_log_group.function",
      "module.slurm_accounting.aws_db_parameter_group.this",
      "module.slurm_accounting.aws_db_subnet_group.this",
      "module.slurm_accounting.aws_iam_role.function",
      "module.slurm_accounting.aws_iam_role.monitoring.0",
      "module.slurm_accounting.aws_lambda_function.this",
      "module.slurm_accounting.aws_security_group.access",
      "module.slurm_accounting.aws_security_group.this",
      "module.slurm_accounting.aws_vpc_security_group_egress_rule.access",
      "module.slurm_accounting.aws_vpc_security_group_ingress_rule.this",
    ]
    error_message = "Each resource must carry its own Terraform address."
  }

  assert {
    condition = (
      output.identifier == "provisioner-slurm-accounting" &&
      output.address == "provisioner-slurm-accounting.abc.us-east-1.rds.amazonaws.com" &&
      output.port == 3306 &&
      output.function_name == "provisioner-accounting" &&
      output.accounting_access_security_group_id == "sg-0bbbbbbbbbbbbbbbb" &&
      output.database_security_group_id == "sg-0aaaaaaaaaaaaaaaa" &&
      output.master_secret_arn == "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0-abcdef"
    )
    error_message = "Those who use the module must learn where the database is and who may reach it."
  }

  assert {
    condition     = toset(keys(output.log_group_names)) == toset(["error", "slowquery", "function"])
    error_message = "Alarms need the names of all logs."
  }
}
