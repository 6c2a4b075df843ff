data "aws_partition" "this" {}

locals {
  tags    = merge(var.tags, { Name = var.name })
  address = var.address == "" ? "" : "${var.address}."

  # Built from the name instead of read from the resource, so that the plan shows the whole policy.
  arn = "arn:${data.aws_partition.this.partition}:s3:::${var.name}"
}

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_18: Server access logs would need a second lasting bucket for every project; where reads must be recorded, CloudTrail's data events do it for the whole account.
  #checkov:skip=CKV_AWS_144: A project's data stays in the region its owner chose, and FSx links buckets of its own region only; versioning and prevent_destroy guard against loss.
  #checkov:skip=CKV_AWS_145: Encrypted with S3's own keys, so that FSx imports and exports need no grant on a KMS key; who may read is decided by the policy below and by roles.
  #checkov:skip=CKV2_AWS_62: FSx for Lustre writes the notifications of its automatic import to the bucket itself; a configuration of Terraform's would overwrite them.

  bucket        = var.name
  force_destroy = false

  tags = merge(local.tags, { "provisioner:address" = "${local.address}aws_s3_bucket.this" })

  lifecycle {
    # A project's data outlives its cluster. To remove it on purpose, take the module call out of
    # the workspace; the bucket must be empty by then.
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

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    apply_server_side_encryption_by_default {
      # S3's own keys: FSx exports and imports then need no grant on a KMS key.
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [local.arn, "${local.arn}/*"]
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

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  # Only the remains of broken uploads go. Objects and their older versions are the project's
  # data and never expire.
  rule {
    id     = "abort-incomplete-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}
