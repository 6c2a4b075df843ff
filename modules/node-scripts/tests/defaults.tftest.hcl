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

  mock_data "aws_region" {
    defaults = { name = "eu-central-1" }
  }
}

variables {
  name   = "pc-lab-1-proj-1-abcdefghij"
  bucket = "project-data"
  config = "{\"region\": \"eu-central-1\"}"
}

run "one_file_for_the_nodes" {
  command = plan

  assert {
    condition     = output.url == "s3://project-data/scripts/${sha256(aws_s3_object.this.content)}/node.sh" && output.sha256 == sha256(aws_s3_object.this.content)
    error_message = "The address must name the text: another text, another address."
  }

  assert {
    condition     = startswith(aws_s3_object.this.content, "#!/bin/bash\n") && strcontains(aws_s3_object.this.content, "\nexport AWS_DEFAULT_REGION='eu-central-1'\n")
    error_message = "The text must be a script that knows its region, as there is no other S3 to be reached."
  }

  assert {
    condition = alltrue([
      for name in fileset("files", "**") :
      strcontains(aws_s3_object.this.content, "<<'END OF ${name}'\n${file("files/${name}")}END OF ${name}\n")
      if !strcontains(name, "__pycache__")
    ])
    error_message = "Every file must be in it, as it is."
  }

  assert {
    condition     = aws_s3_object.this.etag == md5(aws_s3_object.this.content)
    error_message = "The digest must be that of the text."
  }

  assert {
    condition     = aws_s3_object.this.server_side_encryption == "AES256" && aws_s3_object.config.server_side_encryption == "AES256"
    error_message = "The objects must be encrypted at rest."
  }
}

run "the_configuration_beside_it" {
  command = plan

  assert {
    condition     = output.config_url == "s3://project-data/nodes/pc-lab-1-proj-1-abcdefghij/node.json"
    error_message = "The configuration's address is an argument of the custom actions: it must stay the same."
  }

  assert {
    condition     = aws_s3_object.config.content == var.config && aws_s3_object.config.etag == md5(var.config)
    error_message = "The configuration must be uploaded as it is, and a change behind Terraform's back must show."
  }

  assert {
    condition     = output.update_config_url == "s3://project-data/nodes/pc-lab-1-proj-1-abcdefghij/node-${sha256(var.config)}.json" && aws_s3_object.update.content == var.config
    error_message = "The head node must hear of another text: its address must name it."
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
    condition = aws_s3_object.this.tags == tomap({
      a                     = "x"
      b                     = "x"
      c                     = "x"
      d                     = "x"
      e                     = "x"
      Name                  = "pc-lab-1-proj-1-abcdefghij-node-software"
      "provisioner:address" = "module.node_scripts.0.aws_s3_object.this"
    })
    error_message = "The object must carry its name, its address and the caller's tags."
  }

  assert {
    condition = alltrue([
      for label, object in { config = aws_s3_object.config, update = aws_s3_object.update } :
      object.tags["provisioner:address"] == "module.node_scripts.0.aws_s3_object.${label}" && object.tags["a"] == "x"
    ])
    error_message = "The configuration must carry its own address, and the caller's tags as well."
  }

  assert {
    condition     = length(aws_s3_object.this.override_provider) == 0 && length(aws_s3_object.config.override_provider) == 0
    error_message = "Ten tags fit: the provider's default tags must stay."
  }

  assert {
    condition     = startswith(output.url, "s3://project-data/admin/scripts/")
    error_message = "The prefix must be part of the address."
  }
}

run "no_more_than_ten_tags" {
  command = plan

  variables {
    tags = { for key in ["a", "b", "c", "d", "e", "f"] : key => "x" }
  }

  assert {
    condition = aws_s3_object.this.tags == tomap({
      Name                  = "pc-lab-1-proj-1-abcdefghij-node-software"
      "provisioner:address" = "aws_s3_object.this"
    }) && length(aws_s3_object.config.tags) == 2 && length(aws_s3_object.update.tags) == 2
    error_message = "S3 refuses an eleventh tag: the objects keep their own two only."
  }

  assert {
    condition     = length(one(one(aws_s3_object.this.override_provider).default_tags).tags) == 0 && length(one(one(aws_s3_object.config.override_provider).default_tags).tags) == 0 && length(one(one(aws_s3_object.update.override_provider).default_tags).tags) == 0
    error_message = "The provider's default tags must be left out as well."
  }
}
