data "aws_partition" "this" {}

data "aws_region" "this" {}

data "aws_caller_identity" "this" {}

locals {
  tags    = merge(var.tags, { Name = var.name })
  address = var.address == "" ? "" : "${var.address}."

  partition = data.aws_partition.this.partition
  region    = data.aws_region.this.name
  account   = data.aws_caller_identity.this.account_id

  # Built from the name instead of read from the resource, so that the plan shows the whole policy.
  bucket_arn = "arn:${local.partition}:s3:::${var.state_bucket}"

  key_policy = {
    Version = "2012-10-17"
    Statement = [
      {
        # Without it nobody could change the key any more; IAM policies decide who of the account may.
        # RDS, ECR, S3 and Secrets Manager use the key in the name of whoever calls them: this covers them.
        Sid       = "AccountDecidesByIam"
        Effect    = "Allow"
        Principal = { AWS = "arn:${local.partition}:iam::${local.account}:root" }
        Action    = "kms:*"
        Resource  = "*"
      },
      {
        # CloudWatch Logs user guide, "Encrypt log data in CloudWatch Logs using KMS"; in China it has another suffix,
        # which most services have not (AWS CDK, region-info).
        Sid       = "LogGroupsOfThisAccount"
        Effect    = "Allow"
        Principal = { Service = "logs.${local.region}.${data.aws_partition.this.dns_suffix}" }
        Action    = ["kms:Decrypt*", "kms:Describe*", "kms:Encrypt*", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
        Resource  = "*"
        Condition = {
          ArnLike = {
            "kms:EncryptionContext:aws:logs:arn" = "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:*"
          }
        }
      },
      {
        # SNS developer guide, "Enable compatibility between event sources from AWS services and encrypted topics".
        Sid       = "AlarmsOfThisAccount"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
        Resource  = "*"
        Condition = {
          ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:cloudwatch:${local.region}:${local.account}:alarm:*" }
          StringEquals = { "aws:SourceAccount" = local.account }
        }
      },
    ]
  }
}

# One key for what this repository encrypts in the account. Other roots find it by its alias.
resource "aws_kms_key" "this" {
  description             = "Default encryption of the provisioner: state bucket, images, database, logs, alarms."
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = jsonencode(local.key_policy)

  tags = merge(local.tags, { "provisioner:address" = "${local.address}aws_kms_key.this" })

  lifecycle {
    # What it encrypted cannot be read without it.
    prevent_destroy = true
  }
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.this.key_id
}

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_18:Who reads and writes states is told by CloudTrail's data events; a log bucket would need the same care as this one.
  #checkov:skip=CKV_AWS_144:A state describes one region and is of no use without it; every version of every state is kept here.
  #checkov:skip=CKV2_AWS_62:Nothing acts on a new state: Terraform and the engine read it when they need it.
  bucket        = var.state_bucket
  force_destroy = false

  tags = merge(local.tags, { Name = var.state_bucket, "provisioner:address" = "${local.address}aws_s3_bucket.this" })

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket = aws_s3_bucket.this.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id

  versioning_configuration {
    status = "Enabled"
  }
}

# For whatever does not say how it wants to be encrypted, such as saved plans. Terraform's S3 backend says it
# (`encrypt = true` without a key): states are encrypted with S3's own keys, and reading one needs no permission
# on a key that somebody could disable.
resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.this.arn
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "RefuseUnencryptedTransport"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [local.bucket_arn, "${local.bucket_arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })

  # S3 answers "conflicting conditional operation" when these three reach one bucket together.
  depends_on = [
    aws_s3_bucket_ownership_controls.this,
    aws_s3_bucket_public_access_block.this,
  ]
}

# No rule touches a state, neither the current version nor an old one: each is what a bad apply is repaired from,
# however late it is noticed, and a hundred thousand of them cost less than a dollar a month.
resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    id     = "abort-incomplete-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  rule {
    # A saved plan is stale long before that, and it holds what the state holds. In a versioned bucket expiring
    # only hides the object; the hidden version goes a day later.
    id     = "expire-saved-plans"
    status = "Enabled"

    filter {
      prefix = "plans/"
    }

    expiration {
      days = var.plan_days
    }

    noncurrent_version_expiration {
      noncurrent_days = 1
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_dynamodb_table" "lock" {
  #checkov:skip=CKV_AWS_119:Lock holders and checksums are no secrets. With the account's DynamoDB key a lock can be read and released whatever becomes of our own key.
  name                        = var.lock_table
  billing_mode                = "PAY_PER_REQUEST"
  deletion_protection_enabled = var.deletion_protection

  # Terraform's S3 backend insists on this key.
  hash_key = "LockID"

  attribute {
    name = "LockID"
    type = "S"
  }

  server_side_encryption {
    enabled = true
  }

  point_in_time_recovery {
    enabled = true
  }

  tags = merge(local.tags, { Name = var.lock_table, "provisioner:address" = "${local.address}aws_dynamodb_table.lock" })

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_dynamodb_table" "registry" {
  #checkov:skip=CKV_AWS_119:Specs and address blocks are no secrets. The account's DynamoDB key costs nothing per request, and the engine asks the registry before all it does.
  name                        = var.registry_table
  billing_mode                = "PAY_PER_REQUEST"
  deletion_protection_enabled = var.deletion_protection

  hash_key  = "pk"
  range_key = "sk"

  attribute {
    name = "pk"
    type = "S"
  }

  attribute {
    name = "sk"
    type = "S"
  }

  # Events of operations and idempotency keys are kept for a time; projects and address blocks have no such
  # attribute, and stay.
  ttl {
    attribute_name = "ttl"
    enabled        = true
  }

  server_side_encryption {
    enabled = true
  }

  point_in_time_recovery {
    enabled = true
  }

  tags = merge(local.tags, { Name = var.registry_table, "provisioner:address" = "${local.address}aws_dynamodb_table.registry" })

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_ecr_repository" "this" {
  name                 = var.name
  image_tag_mutability = "IMMUTABLE"
  force_delete         = false

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "KMS"
    kms_key         = aws_kms_key.this.arn
  }

  tags = merge(local.tags, { "provisioner:address" = "${local.address}aws_ecr_repository.this" })

  lifecycle {
    prevent_destroy = true

    # Settled when a repository is made: one that was here before keeps its own, and its images.
    ignore_changes = [encryption_configuration]
  }
}

resource "aws_ecr_lifecycle_policy" "this" {
  repository = aws_ecr_repository.this.name

  policy = jsonencode({
    rules = [
      {
        rulePriority = 1
        description  = "Layers of pushes that were never finished, and images that lost their tag."
        selection = {
          tagStatus   = "untagged"
          countType   = "sinceImagePushed"
          countUnit   = "days"
          countNumber = 14
        }
        action = { type = "expire" }
      },
    ]
  })
}
