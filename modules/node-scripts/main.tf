data "aws_default_tags" "this" {}

locals {
  address = var.address == "" ? "" : "${var.address}."
  script  = file("${path.module}/scripts/head-node-configured.sh")

  own_tags = {
    Name                  = "${var.name}-head-node-configured"
    "provisioner:address" = "${local.address}aws_s3_object.head_node_configured"
  }

  # An S3 object takes ten tags at most, and a project may have more. It then carries its own two
  # only: the provider can leave out all of its default tags, or none.
  tags     = merge(var.tags, local.own_tags)
  tags_fit = length(merge(data.aws_default_tags.this.tags, local.tags)) <= 10
}

resource "aws_s3_object" "head_node_configured" {
  bucket = var.bucket
  # No hash of the content in the key: the address is part of the cluster's configuration, and
  # ParallelCluster takes another address for HeadNode/CustomActions only with a new cluster.
  # Running clusters keep what they ran; the bucket keeps the older versions.
  key          = "${var.prefix}/head-node-configured.sh"
  content      = local.script
  content_type = "text/x-shellscript"
  # Root on the head node runs this: a change made behind Terraform's back shows as a difference.
  etag                   = md5(local.script)
  server_side_encryption = "AES256"

  tags = local.tags_fit ? local.tags : local.own_tags

  dynamic "override_provider" {
    for_each = local.tags_fit ? [] : [true]

    content {
      default_tags {
        tags = {}
      }
    }
  }
}
