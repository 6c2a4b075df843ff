# What a plan with nothing but the required inputs makes.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = {
      partition = "aws"
    }
  }
  mock_resource "aws_s3_bucket" {
    defaults = {
      id                          = "pc-123456789012-lab-1-proj-1-abcdefghij"
      bucket_regional_domain_name = "pc-123456789012-lab-1-proj-1-abcdefghij.s3.us-east-1.amazonaws.com"
    }
    override_during = plan
  }
}

variables {
  name = "pc-123456789012-lab-1-proj-1-abcdefghij"
}

run "private_and_encrypted" {
  command = plan

  assert {
    condition     = aws_s3_bucket.this.bucket == var.name && aws_s3_bucket.this.force_destroy == false
    error_message = "The bucket must have the name asked for and must not be deleted while it holds objects."
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
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default).sse_algorithm == "AES256"
    error_message = "Objects must be encrypted at rest."
  }

  assert {
    condition     = one(aws_s3_bucket_versioning.this.versioning_configuration).status == "Enabled"
    error_message = "Older versions of an object must be kept."
  }
}

run "tls_only" {
  command = plan

  assert {
    condition     = length(jsondecode(aws_s3_bucket_policy.this.policy).Statement) == 1
    error_message = "The policy must hold the one statement that denies, and allow nobody."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_s3_bucket_policy.this.policy).Statement :
      statement.Effect == "Deny" &&
      statement.Principal == "*" &&
      statement.Action == "s3:*" &&
      statement.Condition == { Bool = { "aws:SecureTransport" = "false" } } &&
      statement.Resource == ["arn:aws:s3:::${var.name}", "arn:aws:s3:::${var.name}/*"]
    ])
    error_message = "Everything that comes without TLS must be denied, on the bucket and on its objects."
  }
}

run "data_never_expires" {
  command = plan

  assert {
    condition     = length(aws_s3_bucket_lifecycle_configuration.this.rule) == 1
    error_message = "One rule: each further one could expire data."
  }

  assert {
    condition = alltrue([
      for rule in aws_s3_bucket_lifecycle_configuration.this.rule :
      rule.status == "Enabled" &&
      length(rule.expiration) + length(rule.noncurrent_version_expiration) + length(rule.transition) == 0 &&
      one(rule.abort_incomplete_multipart_upload).days_after_initiation == 7
    ])
    error_message = "The rule must end broken uploads after 7 days and touch no object."
  }
}

run "tags_and_outputs_of_a_module_call" {
  command = plan

  variables {
    address = "module.bucket"
    tags    = { CostCentre = "42" }
  }

  assert {
    condition = aws_s3_bucket.this.tags == tomap({
      CostCentre            = "42"
      Name                  = "pc-123456789012-lab-1-proj-1-abcdefghij"
      "provisioner:address" = "module.bucket.aws_s3_bucket.this"
    })
    error_message = "The bucket must carry its name, its address and the caller's tags."
  }

  assert {
    condition     = output.name == var.name && output.arn == "arn:aws:s3:::${var.name}"
    error_message = "Name and ARN must be those of the bucket."
  }

  assert {
    condition = jsonencode(output.storage) == jsonencode({
      id         = var.name
      kind       = "s3"
      dns_name   = "${var.name}.s3.us-east-1.amazonaws.com"
      mount_name = null
      mount_path = null
      links      = []
    })
    error_message = "The storage object must have the shape that all storage modules share."
  }
}
