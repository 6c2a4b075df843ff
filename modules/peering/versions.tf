terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"

      # The main VPC's account; the same provider where that is this account.
      configuration_aliases = [aws.main]
    }
  }
}
