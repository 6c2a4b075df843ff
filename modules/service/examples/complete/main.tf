terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

provider "aws" {
  region = "us-east-1"
}

# Reached only from the Workflow Service's VPC, by its role; looks for what was left behind every hour.
module "service" {
  source = "../../"

  image_uri        = "123456789012.dkr.ecr.us-east-1.amazonaws.com/provisioner@sha256:${sha256("image")}"
  caller_role_arns = ["arn:aws:iam::123456789012:role/workflow-service"]
  vpc_endpoint_ids = ["vpce-0123456789abcdef0"]

  ground = {
    state_bucket        = "provisioner-state-123456789012-us-east-1"
    lock_table          = "provisioner-terraform-locks"
    registry_table      = "provisioner-registry"
    public_bucket       = "provisioner-public-123456789012-us-east-1"
    nodes_bucket        = "provisioner-nodes-123456789012-us-east-1"
    accounting_database = "provisioner-slurm-accounting"
    accounting_function = "provisioner-accounting"
  }
  settings = { pcluster_version = "3.16.1" }

  schedules        = { sweep = "rate(1 hour)", keys = "rate(1 hour)" }
  event_bus_name   = "default"
  alarm_topic_arns = ["arn:aws:sns:us-east-1:123456789012:provisioner-alarms"]

  address = "module.service"
}

output "url" {
  description = "What the Workflow Service is told."
  value       = module.service.url
}
