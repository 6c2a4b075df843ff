# Every rule of variables.tf refuses what breaks it.

mock_provider "aws" {}

variables {
  name = "provisioner"
}

run "refuses_name_with_underscore" {
  command = plan

  variables {
    name = "my_provisioner"
  }

  expect_failures = [var.name]
}

run "refuses_api_function_that_is_an_arn" {
  command = plan

  variables {
    api_function = "arn:aws:lambda:us-east-1:123456789012:function:x"
  }

  expect_failures = [var.api_function]
}

run "refuses_api_timeout_of_nothing" {
  command = plan

  variables {
    api_timeout_s = 0
  }

  expect_failures = [var.api_timeout_s]
}

run "refuses_worker_function_with_dots" {
  command = plan

  variables {
    worker_function = "provisioner.worker"
  }

  expect_failures = [var.worker_function]
}

run "refuses_worker_timeout_beyond_lambda" {
  command = plan

  variables {
    worker_timeout_s = 901
  }

  expect_failures = [var.worker_timeout_s]
}

run "refuses_accounting_function_of_65_characters" {
  command = plan

  variables {
    accounting_function = format("a%064d", 0)
  }

  expect_failures = [var.accounting_function]
}

run "refuses_accounting_timeout_of_half_a_second" {
  command = plan

  variables {
    accounting_timeout_s = 0.5
  }

  expect_failures = [var.accounting_timeout_s]
}

run "refuses_queue_without_fifo" {
  command = plan

  variables {
    queue = "provisioner-operations"
  }

  expect_failures = [var.queue]
}

run "refuses_queue_age_beyond_retention" {
  command = plan

  variables {
    queue_age_max_s = 1209601
  }

  expect_failures = [var.queue_age_max_s]
}

run "refuses_dead_letter_queue_that_is_an_address" {
  command = plan

  variables {
    dead_letter_queue = "https://sqs.us-east-1.amazonaws.com/123456789012/dead.fifo"
  }

  expect_failures = [var.dead_letter_queue]
}

run "refuses_database_with_double_hyphen" {
  command = plan

  variables {
    database = "slurm--accounting"
  }

  expect_failures = [var.database]
}

run "refuses_database_cpu_of_100" {
  command = plan

  variables {
    database_cpu_max_percent = 100
  }

  expect_failures = [var.database_cpu_max_percent]
}

run "refuses_database_storage_of_nothing" {
  command = plan

  variables {
    database_free_storage_min_gib = 0
  }

  expect_failures = [var.database_free_storage_min_gib]
}

run "refuses_database_memory_of_16_mib" {
  command = plan

  variables {
    database_free_memory_min_mib = 16
  }

  expect_failures = [var.database_free_memory_min_mib]
}

run "refuses_database_connections_of_nothing" {
  command = plan

  variables {
    database_connections_max = 0
  }

  expect_failures = [var.database_connections_max]
}

run "refuses_retention_for_ever" {
  command = plan

  variables {
    log_retention_days = 0
  }

  expect_failures = [var.log_retention_days]
}

run "refuses_retention_that_cloudwatch_does_not_know" {
  command = plan

  variables {
    log_retention_days = 100
  }

  expect_failures = [var.log_retention_days]
}

run "refuses_email_without_a_domain" {
  command = plan

  variables {
    alarm_emails = ["platform"]
  }

  expect_failures = [var.alarm_emails]
}

run "refuses_url_without_tls" {
  command = plan

  variables {
    alarm_urls = ["http://alarms.example.org"]
  }

  expect_failures = [var.alarm_urls]
}

run "refuses_tag_key_of_aws" {
  command = plan

  variables {
    tags = { "aws:owner" = "me" }
  }

  expect_failures = [var.tags]
}

run "refuses_tag_value_with_brackets" {
  command = plan

  variables {
    tags = { path = "a[0]" }
  }

  expect_failures = [var.tags]
}

run "refuses_tag_value_of_257_characters" {
  command = plan

  variables {
    tags = { long = format("%0257d", 0) }
  }

  expect_failures = [var.tags]
}

run "refuses_address_with_brackets" {
  command = plan

  variables {
    address = "module.observability[0]"
  }

  expect_failures = [var.address]
}

run "refuses_address_that_ends_in_a_dot" {
  command = plan

  variables {
    address = "module.observability."
  }

  expect_failures = [var.address]
}
