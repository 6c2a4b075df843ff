# What a plan with nothing but the required inputs makes.

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
      account_id = "123456789012"
    }
  }
  mock_resource "aws_s3_bucket" {
    defaults = {
      id = "provisioner-state-123456789012-eu-central-1"
    }
    override_during = plan
  }
  mock_resource "aws_kms_key" {
    defaults = {
      arn    = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
      key_id = "1234abcd-12ab-34cd-56ef-1234567890ab"
    }
    override_during = plan
  }
}

variables {
  name           = "provisioner"
  state_bucket   = "provisioner-state-123456789012-eu-central-1"
  lock_table     = "provisioner-terraform-locks"
  registry_table = "provisioner-registry"
}

run "bucket_is_private_versioned_and_encrypted" {
  command = plan

  assert {
    condition     = aws_s3_bucket.this.bucket == var.state_bucket && aws_s3_bucket.this.force_destroy == false
    error_message = "The bucket must have the name asked for and must not be deleted while it holds a state."
  }

  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this.block_public_acls,
      aws_s3_bucket_public_access_block.this.block_public_policy,
      aws_s3_bucket_public_access_block.this.ignore_public_acls,
      aws_s3_bucket_public_access_block.this.restrict_public_buckets,
    ])
    error_message = "All four kinds of public access must be blocked."
  }

  assert {
    condition     = one(aws_s3_bucket_ownership_controls.this.rule).object_ownership == "BucketOwnerEnforced"
    error_message = "ACLs must be off."
  }

  assert {
    condition     = one(aws_s3_bucket_versioning.this.versioning_configuration).status == "Enabled"
    error_message = "Old states must be kept."
  }

  assert {
    condition = (
      one(aws_s3_bucket_server_side_encryption_configuration.this.rule).bucket_key_enabled &&
      one(one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default) == {
        sse_algorithm     = "aws:kms"
        kms_master_key_id = aws_kms_key.this.arn
      }
    )
    error_message = "What does not say how it wants to be encrypted must be encrypted with the module's key."
  }

  assert {
    condition = jsondecode(aws_s3_bucket_policy.this.policy).Statement == [{
      Sid       = "RefuseUnencryptedTransport"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = ["arn:aws:s3:::${var.state_bucket}", "arn:aws:s3:::${var.state_bucket}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
    error_message = "The policy must deny everything that comes without TLS, and allow nobody anything."
  }
}

run "no_state_ever_expires" {
  command = plan

  assert {
    condition = alltrue([
      for rule in aws_s3_bucket_lifecycle_configuration.this.rule :
      length(rule.expiration) + length(rule.noncurrent_version_expiration) + length(rule.transition) == 0
      if rule.id != "expire-saved-plans"
    ])
    error_message = "A rule that reaches states must not expire one, not even an old version."
  }

  assert {
    condition = [
      for rule in aws_s3_bucket_lifecycle_configuration.this.rule :
      [one(rule.filter).prefix, one(rule.expiration).days, one(rule.noncurrent_version_expiration).noncurrent_days]
      if rule.id == "expire-saved-plans"
    ] == [["plans/", 30, 1]]
    error_message = "Saved plans must go after 30 days, their hidden versions a day later."
  }

  assert {
    condition = [
      for rule in aws_s3_bucket_lifecycle_configuration.this.rule :
      one(rule.abort_incomplete_multipart_upload).days_after_initiation
      if rule.id == "abort-incomplete-uploads"
    ] == [7]
    error_message = "Broken uploads must be cleared."
  }

  assert {
    condition     = alltrue([for rule in aws_s3_bucket_lifecycle_configuration.this.rule : rule.status == "Enabled"])
    error_message = "The rules must be in force."
  }
}

run "tables_are_protected_and_restorable" {
  command = plan

  assert {
    condition = alltrue([
      for table in [aws_dynamodb_table.lock, aws_dynamodb_table.registry] :
      table.billing_mode == "PAY_PER_REQUEST" &&
      table.deletion_protection_enabled &&
      one(table.point_in_time_recovery).enabled &&
      one(table.server_side_encryption).enabled
    ])
    error_message = "Tables must be paid per request, protected, restorable and encrypted."
  }

  assert {
    condition     = aws_dynamodb_table.lock.hash_key == "LockID" && aws_dynamodb_table.lock.range_key == null
    error_message = "Terraform's S3 backend needs the key LockID."
  }

  assert {
    condition     = aws_dynamodb_table.registry.hash_key == "pk" && aws_dynamodb_table.registry.range_key == "sk"
    error_message = "The registry needs the keys pk and sk."
  }

  assert {
    condition     = one(aws_dynamodb_table.registry.ttl).attribute_name == "ttl" && one(aws_dynamodb_table.registry.ttl).enabled
    error_message = "What the registry keeps for a time must go by itself."
  }
}

run "protection_can_be_lifted_on_purpose" {
  command = plan

  variables {
    deletion_protection = false
  }

  assert {
    condition     = !aws_dynamodb_table.lock.deletion_protection_enabled && !aws_dynamodb_table.registry.deletion_protection_enabled
    error_message = "deletion_protection = false must lift the protection of both tables."
  }
}

run "images_cannot_be_changed_and_are_scanned" {
  command = plan

  assert {
    condition = (
      aws_ecr_repository.this.name == "provisioner" &&
      aws_ecr_repository.this.image_tag_mutability == "IMMUTABLE" &&
      aws_ecr_repository.this.force_delete == false &&
      one(aws_ecr_repository.this.image_scanning_configuration).scan_on_push
    )
    error_message = "Tags must be immutable, images scanned, and no image deleted with the repository."
  }

  assert {
    condition = one(aws_ecr_repository.this.encryption_configuration) == {
      encryption_type = "KMS"
      kms_key         = aws_kms_key.this.arn
    }
    error_message = "Images must be encrypted with the module's key."
  }

  assert {
    condition = alltrue([
      for rule in jsondecode(aws_ecr_lifecycle_policy.this.policy).rules :
      rule.selection.tagStatus == "untagged" && rule.action.type == "expire"
    ])
    error_message = "Only images without a tag may expire."
  }
}

run "key_is_rotated_and_open_to_nobody_else" {
  command = plan

  assert {
    condition     = aws_kms_key.this.enable_key_rotation && aws_kms_key.this.deletion_window_in_days == 30
    error_message = "The key must be rotated, and its deletion must leave time to take it back."
  }

  assert {
    condition     = aws_kms_alias.this.name == "alias/provisioner" && aws_kms_alias.this.target_key_id == aws_kms_key.this.key_id
    error_message = "Other roots find the key by its alias."
  }

  assert {
    condition = [for statement in jsondecode(aws_kms_key.this.policy).Statement : statement.Principal] == [
      { AWS = "arn:aws:iam::123456789012:root" },
      { Service = "logs.eu-central-1.amazonaws.com" },
      { Service = "cloudwatch.amazonaws.com" },
    ]
    error_message = "The account, CloudWatch Logs of the region and alarms may use the key, and nobody else."
  }

  assert {
    condition = [for statement in jsondecode(aws_kms_key.this.policy).Statement : try(statement.Condition, null)] == [
      null,
      { ArnLike = { "kms:EncryptionContext:aws:logs:arn" = "arn:aws:logs:eu-central-1:123456789012:log-group:*" } },
      {
        ArnLike      = { "aws:SourceArn" = "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:*" }
        StringEquals = { "aws:SourceAccount" = "123456789012" }
      },
    ]
    error_message = "Services may use the key for log groups and alarms of this account only."
  }
}

run "tags_and_outputs_of_a_module_call" {
  command = plan

  variables {
    address = "module.state_backend"
    tags    = { CostCentre = "42" }
  }

  assert {
    condition = alltrue([
      for address, tags in {
        "aws_s3_bucket.this"          = aws_s3_bucket.this.tags
        "aws_dynamodb_table.lock"     = aws_dynamodb_table.lock.tags
        "aws_dynamodb_table.registry" = aws_dynamodb_table.registry.tags
        "aws_kms_key.this"            = aws_kms_key.this.tags
        "aws_ecr_repository.this"     = aws_ecr_repository.this.tags
      } :
      tags["provisioner:address"] == "module.state_backend.${address}" && tags["CostCentre"] == "42" && tags["Name"] != ""
    ])
    error_message = "Everything that takes tags must carry a name, its address and the caller's tags."
  }

  assert {
    condition = (
      output.bucket == var.state_bucket &&
      output.lock_table == var.lock_table &&
      output.registry_table == var.registry_table &&
      output.key_arn == aws_kms_key.this.arn &&
      output.key_alias == "alias/provisioner"
    )
    error_message = "The outputs must name what was made."
  }
}

run "china" {
  command = plan

  override_data {
    target = data.aws_partition.this
    values = {
      partition  = "aws-cn"
      dns_suffix = "amazonaws.com.cn"
    }
  }

  override_data {
    target = data.aws_region.this
    values = {
      name = "cn-north-1"
    }
  }

  assert {
    condition = [for statement in jsondecode(aws_kms_key.this.policy).Statement : statement.Principal] == [
      { AWS = "arn:aws-cn:iam::123456789012:root" },
      { Service = "logs.cn-north-1.amazonaws.com.cn" },
      { Service = "cloudwatch.amazonaws.com" },
    ]
    error_message = "CloudWatch Logs has a name of its own in China, alarms have not."
  }
}
