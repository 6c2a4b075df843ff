# The peering with a main VPC of another account, and with one of the same account.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = {
      account_id = "123456789012"
    }
  }
  mock_data "aws_region" {
    defaults = {
      name = "us-east-1"
    }
  }
  mock_resource "aws_vpc_peering_connection" {
    defaults = {
      id = "pcx-0123456789abcdef0"
    }
    override_during = plan
  }
}

mock_provider "aws" {
  alias = "main"

  mock_data "aws_caller_identity" {
    defaults = {
      account_id = "210987654321"
    }
  }
  mock_data "aws_region" {
    defaults = {
      name = "us-east-1"
    }
  }
  mock_resource "aws_vpc_peering_connection_accepter" {
    defaults = {
      id = "pcx-0123456789abcdef0"
    }
    override_during = plan
  }
}

variables {
  name            = "provisioner-main"
  vpc_id          = "vpc-0123456789abcdef0"
  cidr_block      = "10.42.0.0/16"
  project_ranges  = ["10.42.64.0/18", "10.42.128.0/17"]
  route_table_ids = { projects = "rtb-0123456789abcdef0" }
  main_vpc = {
    vpc_id          = "vpc-0fedcba9876543210"
    account_id      = "210987654321"
    cidr_blocks     = ["10.0.16.0/20", "10.0.32.0/20"]
    route_table_ids = { service = "rtb-0fedcba9876543210" }
  }
}

run "another_account" {
  command = plan

  assert {
    condition = (
      aws_vpc_peering_connection.this.vpc_id == "vpc-0123456789abcdef0" &&
      aws_vpc_peering_connection.this.peer_vpc_id == "vpc-0fedcba9876543210" &&
      aws_vpc_peering_connection.this.peer_owner_id == "210987654321"
    )
    error_message = "The projects' VPC must ask the main VPC."
  }

  assert {
    condition     = !aws_vpc_peering_connection.this.auto_accept && one(aws_vpc_peering_connection_accepter.main).auto_accept
    error_message = "The other account must accept."
  }

  assert {
    condition = (
      one(aws_vpc_peering_connection_options.this.requester).allow_remote_vpc_dns_resolution &&
      one(aws_vpc_peering_connection_options.main.accepter).allow_remote_vpc_dns_resolution
    )
    error_message = "Each side must let the other resolve its names."
  }

  assert {
    condition     = output.id == "pcx-0123456789abcdef0"
    error_message = "The id must be that of the connection."
  }
}

run "only_what_must_cross_is_routed" {
  command = plan

  assert {
    condition = jsonencode({ for key, route in aws_route.this : key => "${route.route_table_id} ${route.destination_cidr_block}" }) == jsonencode({
      "projects-10.0.16.0/20" = "rtb-0123456789abcdef0 10.0.16.0/20"
      "projects-10.0.32.0/20" = "rtb-0123456789abcdef0 10.0.32.0/20"
    })
    error_message = "Projects must reach the clients' blocks and no more of the main VPC."
  }

  assert {
    condition = jsonencode({ for key, route in aws_route.main : key => "${route.route_table_id} ${route.destination_cidr_block}" }) == jsonencode({
      "service-10.42.128.0/17" = "rtb-0fedcba9876543210 10.42.128.0/17"
      "service-10.42.64.0/18"  = "rtb-0fedcba9876543210 10.42.64.0/18"
    })
    error_message = "The main VPC must reach projects, not the database and the endpoints."
  }

  assert {
    condition     = alltrue([for route in concat(values(aws_route.this), values(aws_route.main)) : route.vpc_peering_connection_id == "pcx-0123456789abcdef0"])
    error_message = "Every route must lead through the peering."
  }
}

run "own_account" {
  command = plan

  variables {
    main_vpc = {
      vpc_id          = "vpc-0fedcba9876543210"
      account_id      = "123456789012"
      cidr_blocks     = ["10.0.16.0/20"]
      route_table_ids = { service = "rtb-0fedcba9876543210" }
    }
  }

  providers = {
    aws      = aws
    aws.main = aws
  }

  assert {
    condition     = aws_vpc_peering_connection.this.auto_accept && length(aws_vpc_peering_connection_accepter.main) == 0
    error_message = "In one account the connection accepts itself: two resources would fight over its tags."
  }

  assert {
    condition     = output.id == "pcx-0123456789abcdef0" && length(aws_route.main) == 2
    error_message = "Id and routes must be there as well."
  }
}

run "tags_of_a_module_call" {
  command = plan

  variables {
    address        = "module.peering"
    tags           = { CostCentre = "42" }
    dns_resolution = false
  }

  assert {
    condition = [aws_vpc_peering_connection.this.tags, one(aws_vpc_peering_connection_accepter.main).tags] == [
      for address in ["aws_vpc_peering_connection.this", "aws_vpc_peering_connection_accepter.main.0"] : tomap({
        CostCentre            = "42"
        Name                  = "provisioner-main"
        "provisioner:address" = "module.peering.${address}"
      })
    ]
    error_message = "Both sides must carry their name, their address and the caller's tags."
  }

  assert {
    condition     = !one(aws_vpc_peering_connection_options.this.requester).allow_remote_vpc_dns_resolution
    error_message = "Name resolution must go off where it is not wanted."
  }
}
