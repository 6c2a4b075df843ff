# What a plan with nothing but the required inputs makes.

mock_provider "aws" {
  mock_resource "aws_subnet" {
    defaults = {
      id = "subnet-0123456789abcdef0"
    }
    override_during = plan
  }
}

variables {
  name              = "pc-lab-1-proj-1-abcdefghij"
  vpc_id            = "vpc-0123456789abcdef0"
  cidr_block        = "10.42.64.0/24"
  availability_zone = "us-east-1a"
  route_table_id    = "rtb-0123456789abcdef0"
}

run "private_subnet" {
  command = plan

  assert {
    condition     = aws_subnet.this.map_public_ip_on_launch == false && aws_subnet.this.assign_ipv6_address_on_creation == false
    error_message = "Nodes must get private IPv4 addresses only."
  }

  assert {
    condition     = aws_subnet.this.cidr_block == "10.42.64.0/24" && aws_subnet.this.availability_zone == "us-east-1a"
    error_message = "The subnet must have the block and the zone that were asked for."
  }

  assert {
    condition     = aws_route_table_association.this.route_table_id == "rtb-0123456789abcdef0" && aws_route_table_association.this.subnet_id == aws_subnet.this.id
    error_message = "The shared route table must be put on this subnet."
  }

  assert {
    condition = aws_subnet.this.tags == tomap({
      Name                  = "pc-lab-1-proj-1-abcdefghij"
      "provisioner:address" = "aws_subnet.this"
    })
    error_message = "In a root module the address tag has no module in front."
  }

  assert {
    condition     = output.id == "subnet-0123456789abcdef0" && output.cidr_block == "10.42.64.0/24" && output.availability_zone == "us-east-1a"
    error_message = "The outputs must describe the subnet."
  }
}

run "tags_of_a_module_call" {
  command = plan

  variables {
    address = "module.subnet.0"
    tags    = { CostCentre = "42", Name = "other" }
  }

  assert {
    condition = aws_subnet.this.tags == tomap({
      CostCentre            = "42"
      Name                  = "pc-lab-1-proj-1-abcdefghij"
      "provisioner:address" = "module.subnet.0.aws_subnet.this"
    })
    error_message = "Name and address win over the caller's tags, the rest is added."
  }
}
