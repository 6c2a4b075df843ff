# What a plan with nothing but the required inputs makes, and what a parked project keeps.

mock_provider "aws" {
  mock_resource "aws_secretsmanager_secret" {
    defaults = {
      arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:provisioner/pc-lab-1-proj-1-abcdefghij/accounting-AbCdEf"
    }
    override_during = plan
  }
}

variables {
  name          = "pc-lab-1-proj-1-abcdefghij"
  function_name = "provisioner-accounting"
  database      = "pc_lab_1_proj_1_abcdefghij"
  user          = "slurm_abcdefghij"
}

run "database_and_user_are_asked_for" {
  command = plan

  assert {
    condition = jsondecode(aws_lambda_invocation.database.input) == {
      resource = "database"
      database = "pc_lab_1_proj_1_abcdefghij"
    }
    error_message = "The function must be asked for the project's own database."
  }

  assert {
    condition = jsondecode(aws_lambda_invocation.user[0].input) == {
      resource   = "user"
      database   = "pc_lab_1_proj_1_abcdefghij"
      user       = "slurm_abcdefghij"
      secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:provisioner/pc-lab-1-proj-1-abcdefghij/accounting-AbCdEf"
    }
    error_message = "The function must be asked for the user of that database, with the secret for its password."
  }

  assert {
    condition = alltrue([
      for call in [aws_lambda_invocation.database, aws_lambda_invocation.user[0]] :
      call.function_name == "provisioner-accounting" && call.lifecycle_scope == "CRUD"
    ])
    error_message = "The function must be called when each comes, changes and goes."
  }
}

run "the_secret_is_made_without_a_value_and_goes_at_once" {
  command = plan

  assert {
    condition = (
      aws_secretsmanager_secret.this[0].name == "provisioner/pc-lab-1-proj-1-abcdefghij/accounting" &&
      aws_secretsmanager_secret.this[0].recovery_window_in_days == 0
    )
    error_message = "The secret must have the name that the function takes, and leave it free when it goes."
  }

  assert {
    condition     = output.secret_arn == aws_secretsmanager_secret.this[0].arn && output.database == var.database
    error_message = "The cluster is handed the secret and the database."
  }
}

run "parked_keeps_the_database_alone" {
  command = plan

  variables {
    active = false
  }

  assert {
    condition     = length(aws_secretsmanager_secret.this) + length(aws_lambda_invocation.user) == 0
    error_message = "A parked project has no database user and no password."
  }

  assert {
    condition     = jsondecode(aws_lambda_invocation.database.input).database == var.database && output.secret_arn == null
    error_message = "A parked project keeps its job records."
  }
}

run "tags_of_a_module_call" {
  command = plan

  variables {
    address = "module.accounting"
    tags    = { CostCentre = "42" }
  }

  assert {
    condition = aws_secretsmanager_secret.this[0].tags == tomap({
      CostCentre            = "42"
      Name                  = "pc-lab-1-proj-1-abcdefghij"
      "provisioner:address" = "module.accounting.aws_secretsmanager_secret.this.0"
    })
    error_message = "The secret must carry its name, its address and the caller's tags."
  }
}
