# The state is the pin: what a running cluster was made with stays, whatever comes later.

mock_provider "aws" {
  mock_data "aws_default_tags" {
    defaults = { tags = {} }
  }

  mock_data "aws_region" {
    defaults = { name = "eu-central-1" }
  }
}

variables {
  name   = "pc-lab-1-proj-1-abcdefghij"
  bucket = "project-data"
  config = "{\"user\": {\"name\": \"sim\"}}"
}

run "a_cluster_is_made" {
  command = apply

  assert {
    condition     = output.url == "s3://project-data/scripts/${output.sha256}/node.sh"
    error_message = "A new cluster must get the newest software."
  }
}

# Another prefix and another region (whose name is part of the text) stand for a later version.
run "later_the_cluster_keeps_its_software" {
  command = apply

  override_data {
    target = data.aws_region.this
    values = { name = "us-east-1" }
  }

  variables {
    prefix = "later"
    config = "{\"user\": {\"name\": \"other\"}}"
  }

  assert {
    condition     = output.url == run.a_cluster_is_made.url && aws_s3_object.this.key == "scripts/${run.a_cluster_is_made.sha256}/node.sh"
    error_message = "Another address would need a new cluster."
  }

  assert {
    condition     = sha256(aws_s3_object.this.content) == run.a_cluster_is_made.sha256 && output.sha256 != run.a_cluster_is_made.sha256
    error_message = "The text under that address must stay as well, although there is a newer one."
  }

  assert {
    condition     = output.config_url == run.a_cluster_is_made.config_url && aws_s3_object.config.content == "{\"user\": {\"name\": \"other\"}}"
    error_message = "The configuration changes in its place, while the cluster runs."
  }
}
