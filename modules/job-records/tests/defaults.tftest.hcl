# What a plan with nothing but the required inputs makes.

mock_provider "aws" {}

variables {
  name      = "pc-lab-1-proj-1-abcdefghij"
  log_group = "/provisioner/pc-lab-1-proj-1-abcdefghij/jobs"
}

run "a_group_of_the_cluster_alone" {
  command = plan

  assert {
    condition     = aws_cloudwatch_log_group.this.name == "/provisioner/pc-lab-1-proj-1-abcdefghij/jobs"
    error_message = "Each cluster's job records have a group of their own."
  }

  assert {
    condition     = aws_cloudwatch_log_group.this.retention_in_days == 365
    error_message = "Records are kept for a year unless told otherwise."
  }

  assert {
    condition     = output.log_group == aws_cloudwatch_log_group.this.name
    error_message = "The head node is told the group's name."
  }
}

run "for_ever" {
  command = plan

  variables {
    retention_days = 0
  }

  assert {
    condition     = aws_cloudwatch_log_group.this.retention_in_days == 0
    error_message = "0 keeps the records for ever."
  }
}

run "tags_of_a_module_call" {
  command = plan

  variables {
    address = "module.job_records"
    tags    = { CostCentre = "42" }
  }

  assert {
    condition = aws_cloudwatch_log_group.this.tags == tomap({
      CostCentre            = "42"
      Name                  = "pc-lab-1-proj-1-abcdefghij"
      "provisioner:address" = "module.job_records.aws_cloudwatch_log_group.this"
    })
    error_message = "The group must carry its name, its address and the caller's tags."
  }
}
