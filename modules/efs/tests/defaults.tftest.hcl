# A mounted file system, and the same one parked.

mock_provider "aws" {
  mock_resource "aws_efs_file_system" {
    defaults = {
      id       = "fs-0123456789abcdef0"
      dns_name = "fs-0123456789abcdef0.efs.us-east-1.amazonaws.com"
    }
    override_during = plan
  }
  mock_resource "aws_security_group" {
    defaults = {
      id = "sg-0fedcba9876543210"
    }
    override_during = plan
  }
}

variables {
  name                     = "pc-lab-1-proj-1-abcdefghij"
  vpc_id                   = "vpc-0123456789abcdef0"
  mounted                  = true
  subnet_id                = "subnet-0123456789abcdef0"
  client_security_group_id = "sg-0123456789abcdef0"
}

run "mounted" {
  command = plan

  assert {
    condition     = aws_efs_file_system.this.encrypted && aws_efs_file_system.this.throughput_mode == "elastic"
    error_message = "The file system must be encrypted and pay by use."
  }

  assert {
    condition     = aws_efs_file_system.this.creation_token == var.name
    error_message = "The creation token must be known beforehand: it finds the file system again after a crash."
  }

  assert {
    condition     = one(aws_efs_backup_policy.this.backup_policy).status == "ENABLED"
    error_message = "The home directories must be backed up."
  }

  assert {
    condition     = aws_efs_mount_target.this[0].subnet_id == "subnet-0123456789abcdef0" && toset(aws_efs_mount_target.this[0].security_groups) == toset(["sg-0fedcba9876543210"])
    error_message = "The mount target must be in the project's subnet, behind the module's own group only."
  }

  assert {
    condition = alltrue([
      for rule in [aws_vpc_security_group_ingress_rule.this["client"], aws_vpc_security_group_egress_rule.this["client"]] :
      rule.security_group_id == "sg-0fedcba9876543210" &&
      rule.referenced_security_group_id == "sg-0123456789abcdef0" &&
      rule.from_port == 2049 && rule.to_port == 2049 && rule.ip_protocol == "tcp"
    ])
    error_message = "The mount target must speak NFS with the nodes, both ways, and with nobody else."
  }

  assert {
    condition = (
      aws_vpc_security_group_egress_rule.client["client"].security_group_id == "sg-0123456789abcdef0" &&
      aws_vpc_security_group_egress_rule.client["client"].referenced_security_group_id == "sg-0fedcba9876543210" &&
      aws_vpc_security_group_egress_rule.client["client"].from_port == 2049 &&
      aws_vpc_security_group_egress_rule.client["client"].to_port == 2049
    )
    error_message = "The nodes must be let out to the mount target."
  }

  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.this) + length(aws_vpc_security_group_egress_rule.this) + length(aws_vpc_security_group_egress_rule.client) == 3
    error_message = "Three rules and no more."
  }

  assert {
    condition     = output.id == "fs-0123456789abcdef0" && output.security_group_id == "sg-0fedcba9876543210"
    error_message = "The outputs must be the ids of file system and group."
  }

  assert {
    condition = jsonencode(output.storage) == jsonencode({
      id         = "fs-0123456789abcdef0"
      kind       = "efs"
      dns_name   = "fs-0123456789abcdef0.efs.us-east-1.amazonaws.com"
      mount_name = null
      mount_path = null
      links      = []
    })
    error_message = "The storage object must have the shape that all storage modules share."
  }
}

run "parked" {
  command = plan

  variables {
    mounted                  = false
    subnet_id                = null
    client_security_group_id = null
  }

  assert {
    condition = length(concat(
      aws_efs_mount_target.this[*].id,
      aws_security_group.this[*].id,
      values(aws_vpc_security_group_ingress_rule.this)[*].id,
      values(aws_vpc_security_group_egress_rule.this)[*].id,
      values(aws_vpc_security_group_egress_rule.client)[*].id,
    )) == 0
    error_message = "Nothing of the network may stay while parked."
  }

  assert {
    condition     = aws_efs_file_system.this.creation_token == var.name && one(aws_efs_backup_policy.this.backup_policy).status == "ENABLED"
    error_message = "The data and its backups stay while parked."
  }

  assert {
    condition     = output.id == "fs-0123456789abcdef0" && output.security_group_id == null
    error_message = "Parked, there is a file system and no group."
  }
}

run "tags_of_a_module_call" {
  command = plan

  variables {
    address = "module.efs"
    tags    = { CostCentre = "42" }
  }

  assert {
    condition = {
      file_system = aws_efs_file_system.this.tags["provisioner:address"]
      group       = aws_security_group.this[0].tags["provisioner:address"]
      in          = aws_vpc_security_group_ingress_rule.this["client"].tags["provisioner:address"]
      out         = aws_vpc_security_group_egress_rule.this["client"].tags["provisioner:address"]
      from_client = aws_vpc_security_group_egress_rule.client["client"].tags["provisioner:address"]
      } == {
      file_system = "module.efs.aws_efs_file_system.this"
      group       = "module.efs.aws_security_group.this.0"
      in          = "module.efs.aws_vpc_security_group_ingress_rule.this.client"
      out         = "module.efs.aws_vpc_security_group_egress_rule.this.client"
      from_client = "module.efs.aws_vpc_security_group_egress_rule.client.client"
    }
    error_message = "Each resource must carry its own Terraform address."
  }

  assert {
    condition     = aws_efs_file_system.this.tags["Name"] == var.name && aws_efs_file_system.this.tags["CostCentre"] == "42" && aws_security_group.this[0].tags["CostCentre"] == "42"
    error_message = "Name and the caller's tags must be there."
  }
}
