data "aws_default_tags" "this" {}

data "aws_region" "this" {}

locals {
  address = var.address == "" ? "" : "${var.address}."

  # What Python leaves beside a file that it has read is no part of the software.
  files  = { for name in fileset("${path.module}/files", "**") : name => file("${path.module}/files/${name}") if !strcontains(name, "__pycache__") }
  bundle = templatefile("${path.module}/node.sh.tftpl", { region = data.aws_region.this.name, files = local.files })

  own_tags = {
    for label in ["this", "config", "update"] : label => {
      Name                  = "${var.name}-${label == "this" ? "node-software" : "node-config"}"
      "provisioner:address" = "${local.address}aws_s3_object.${label}"
    }
  }

  # An S3 object takes ten tags at most, and a project may have more. It then carries its own two
  # only: the provider can leave out all of its default tags, or none.
  tags_fit = length(merge(data.aws_default_tags.this.tags, var.tags, local.own_tags.this)) <= 10
  tags     = { for label, own in local.own_tags : label => local.tags_fit ? merge(var.tags, own) : own }
}

# The software of the cluster's nodes. The address is part of the cluster's configuration, and ParallelCluster
# takes another one for OnNodeStart and OnNodeConfigured only with a new cluster. So the state is the pin: as
# long as the cluster lives, neither address nor text change, and a new cluster gets the newest (ADR 0017).
resource "aws_s3_object" "this" {
  bucket       = var.bucket
  key          = "${var.prefix}/${sha256(local.bundle)}/node.sh"
  content      = local.bundle
  content_type = "text/x-shellscript"
  etag         = md5(local.bundle)

  server_side_encryption = "AES256"

  tags = local.tags.this

  dynamic "override_provider" {
    for_each = local.tags_fit ? [] : [true]

    content {
      default_tags {
        tags = {}
      }
    }
  }

  lifecycle {
    ignore_changes = [key, content, content_type, etag]

    precondition {
      condition     = alltrue([for text in values(local.files) : endswith(text, "\n")])
      error_message = "Every file of the node software must end with a new line, or its end would be taken for text."
    }

    # Root on the nodes runs this. The state holds the text that was uploaded, S3 the digest of what is there.
    postcondition {
      condition     = self.etag == md5(self.content)
      error_message = "s3://${self.bucket}/${self.key}, which root runs on the nodes of ${var.name}, was changed by somebody else. Put its earlier version back, or release the project and apply it again."
    }
  }
}

# What differs between projects. Nodes fetch it at each step, so a change reaches those that start later.
resource "aws_s3_object" "config" {
  bucket       = var.bucket
  key          = "nodes/${var.name}/node.json"
  content      = var.config
  content_type = "application/json"
  etag         = md5(var.config)

  server_side_encryption = "AES256"

  tags = local.tags.config

  dynamic "override_provider" {
    for_each = local.tags_fit ? [] : [true]

    content {
      default_tags {
        tags = {}
      }
    }
  }
}

# The same, under an address that names its text: an argument of the head node's OnNodeUpdated, and of nothing
# else. ParallelCluster takes another one for that while the cluster runs, so a change of the text is a change of
# the cluster, and the head node goes by it at once. The earlier object stays until that is done.
resource "aws_s3_object" "update" {
  bucket       = var.bucket
  key          = "nodes/${var.name}/node-${sha256(var.config)}.json"
  content      = var.config
  content_type = "application/json"
  etag         = md5(var.config)

  server_side_encryption = "AES256"

  tags = local.tags.update

  dynamic "override_provider" {
    for_each = local.tags_fit ? [] : [true]

    content {
      default_tags {
        tags = {}
      }
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}
