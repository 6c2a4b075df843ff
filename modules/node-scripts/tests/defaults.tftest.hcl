# What a plan with nothing but the required inputs makes.

mock_provider "aws" {
  mock_data "aws_default_tags" {
    defaults = {
      tags = {
        CostCentre            = "42"
        "provisioner:project" = "proj-1"
        "provisioner:vlab"    = "lab-1"
      }
    }
  }
}

variables {
  name   = "pc-lab-1-proj-1-abcdefghij"
  bucket = "project-data"
}

run "script_for_the_head_node" {
  command = plan

  assert {
    condition     = output.url == "s3://project-data/scripts/head-node-configured.sh" && output.key == "scripts/head-node-configured.sh"
    error_message = "The address must stay the same over versions of the script: a new one would need a new cluster."
  }

  assert {
    condition     = aws_s3_object.head_node_configured.content == file("scripts/head-node-configured.sh") && startswith(aws_s3_object.head_node_configured.content, "#!/bin/bash\n")
    error_message = "The uploaded text must be the script, ready to be run."
  }

  assert {
    condition     = aws_s3_object.head_node_configured.etag == filemd5("scripts/head-node-configured.sh") && output.sha256 == filesha256("scripts/head-node-configured.sh")
    error_message = "A script that was changed behind Terraform's back must show up."
  }

  assert {
    condition     = aws_s3_object.head_node_configured.server_side_encryption == "AES256"
    error_message = "The object must be encrypted at rest."
  }
}

run "tags_of_a_module_call" {
  command = plan

  variables {
    address = "module.node_scripts.0"
    prefix  = "admin/scripts"
    tags    = { for key in ["a", "b", "c", "d", "e"] : key => "x" }
  }

  assert {
    condition = aws_s3_object.head_node_configured.tags == tomap({
      a                     = "x"
      b                     = "x"
      c                     = "x"
      d                     = "x"
      e                     = "x"
      Name                  = "pc-lab-1-proj-1-abcdefghij-head-node-configured"
      "provisioner:address" = "module.node_scripts.0.aws_s3_object.head_node_configured"
    })
    error_message = "The object must carry its name, its address and the caller's tags."
  }

  assert {
    condition     = length(aws_s3_object.head_node_configured.override_provider) == 0
    error_message = "Ten tags fit: the provider's default tags must stay."
  }

  assert {
    condition     = output.url == "s3://project-data/admin/scripts/head-node-configured.sh"
    error_message = "The prefix must be part of the address."
  }
}

run "no_more_than_ten_tags" {
  command = plan

  variables {
    tags = { for key in ["a", "b", "c", "d", "e", "f"] : key => "x" }
  }

  assert {
    condition = aws_s3_object.head_node_configured.tags == tomap({
      Name                  = "pc-lab-1-proj-1-abcdefghij-head-node-configured"
      "provisioner:address" = "aws_s3_object.head_node_configured"
    })
    error_message = "S3 refuses an eleventh tag: the object keeps its own two only."
  }

  assert {
    condition     = length(one(one(aws_s3_object.head_node_configured.override_provider).default_tags).tags) == 0
    error_message = "The provider's default tags must be left out as well."
  }
}
