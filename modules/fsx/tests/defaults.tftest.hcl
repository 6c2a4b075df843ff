# What a plan with nothing but the required inputs makes.

mock_provider "aws" {
  mock_resource "aws_fsx_lustre_file_system" {
    defaults = {
      id         = "fs-0123456789abcdef0"
      dns_name   = "fs-0123456789abcdef0.fsx.us-east-1.amazonaws.com"
      mount_name = "abcdefgh"
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
  subnet_id                = "subnet-0123456789abcdef0"
  client_security_group_id = "sg-0123456789abcdef0"
  public_bucket            = "public-data"
  private_bucket           = "project-data"
}

run "file_system" {
  command = plan

  assert {
    condition = (
      aws_fsx_lustre_file_system.this.deployment_type == "PERSISTENT_2" &&
      aws_fsx_lustre_file_system.this.storage_type == "SSD" &&
      aws_fsx_lustre_file_system.this.data_compression_type == "LZ4" &&
      aws_fsx_lustre_file_system.this.file_system_type_version == "2.15"
    )
    error_message = "The file system must be PERSISTENT_2 on SSD, Lustre 2.15, LZ4."
  }

  assert {
    condition     = aws_fsx_lustre_file_system.this.storage_capacity == 1200 && aws_fsx_lustre_file_system.this.per_unit_storage_throughput == 250
    error_message = "The smallest size and 250 MB/s per TiB are the defaults."
  }

  assert {
    condition     = aws_fsx_lustre_file_system.this.automatic_backup_retention_days == 0 && aws_fsx_lustre_file_system.this.skip_final_backup
    error_message = "A file system linked to S3 can't be backed up by FSx, neither daily nor at the end."
  }

  assert {
    condition     = toset(aws_fsx_lustre_file_system.this.security_group_ids) == toset(["sg-0fedcba9876543210"]) && tolist(aws_fsx_lustre_file_system.this.subnet_ids) == tolist(["subnet-0123456789abcdef0"])
    error_message = "The file system must be in the project's subnet, behind the module's own group only."
  }

  assert {
    condition = alltrue([
      for times in [
        aws_fsx_lustre_file_system.this.timeouts,
        aws_fsx_data_repository_association.public.timeouts,
        aws_fsx_data_repository_association.private.timeouts,
      ] : times.create == "60m" && times.delete == "60m"
    ])
    error_message = "The provider's own waits (30 and 10 minutes) are too short for large buckets."
  }

  assert {
    condition     = aws_fsx_lustre_file_system.this.timeouts.update == "120m"
    error_message = "A change of throughput takes FSx up to an hour, and an hour is then too short a wait."
  }
}

run "public_link_only_imports" {
  command = plan

  assert {
    condition = (
      aws_fsx_data_repository_association.public.file_system_path == "/project/public" &&
      aws_fsx_data_repository_association.public.data_repository_path == "s3://public-data/" &&
      aws_fsx_data_repository_association.public.batch_import_meta_data_on_create
    )
    error_message = "The whole shared bucket must appear under /project/public."
  }

  assert {
    condition     = toset(one(one(aws_fsx_data_repository_association.public.s3).auto_import_policy).events) == toset(["NEW", "CHANGED", "DELETED"])
    error_message = "Every change of the shared bucket must be followed."
  }

  # Without an own export policy the attribute is left to AWS and unknown in a plan: the s3 block
  # then holds no policy that could be read here.
  assert {
    condition     = length(try(one(one(aws_fsx_data_repository_association.public.s3).auto_export_policy).events, [])) == 0
    error_message = "Nothing a project does may reach the shared bucket."
  }
}

run "private_link_imports_and_exports" {
  command = plan

  assert {
    condition = (
      aws_fsx_data_repository_association.private.file_system_path == "/project/private" &&
      aws_fsx_data_repository_association.private.data_repository_path == "s3://project-data/private/" &&
      aws_fsx_data_repository_association.private.batch_import_meta_data_on_create &&
      aws_fsx_data_repository_association.private.delete_data_in_filesystem != true
    )
    error_message = "The prefix private/ of the project's bucket must appear under /project/private."
  }

  assert {
    condition = alltrue([
      for policy in [
        one(one(aws_fsx_data_repository_association.private.s3).auto_import_policy),
        one(one(aws_fsx_data_repository_association.private.s3).auto_export_policy),
      ] : toset(policy.events) == toset(["NEW", "CHANGED", "DELETED"])
    ])
    error_message = "Every change must go both ways."
  }
}

run "lustre_ports" {
  command = plan

  assert {
    condition = (
      toset(keys(aws_vpc_security_group_ingress_rule.this)) == toset(["client-988", "client-1018-1023", "self-988", "self-1018-1023"]) &&
      keys(aws_vpc_security_group_egress_rule.this) == keys(aws_vpc_security_group_ingress_rule.this)
    )
    error_message = "The file system must speak with the nodes and with itself, both ways, on both port ranges."
  }

  assert {
    condition = alltrue([
      for key, rule in merge(
        { for key, rule in aws_vpc_security_group_ingress_rule.this : "in-${key}" => rule },
        { for key, rule in aws_vpc_security_group_egress_rule.this : "out-${key}" => rule },
      ) :
      rule.security_group_id == "sg-0fedcba9876543210" &&
      rule.ip_protocol == "tcp" &&
      rule.referenced_security_group_id == (strcontains(key, "self") ? "sg-0fedcba9876543210" : "sg-0123456789abcdef0") &&
      "${rule.from_port}-${rule.to_port}" == (endswith(key, "-988") ? "988-988" : "1018-1023")
    ])
    error_message = "Each rule must open what its key says, and to that group only."
  }

  assert {
    condition = alltrue([
      for rule in concat(values(aws_vpc_security_group_ingress_rule.client), values(aws_vpc_security_group_egress_rule.client)) :
      rule.security_group_id == "sg-0123456789abcdef0" &&
      rule.referenced_security_group_id == "sg-0fedcba9876543210" &&
      contains(["988-988", "1018-1023"], "${rule.from_port}-${rule.to_port}")
    ]) && length(aws_vpc_security_group_ingress_rule.client) == 2 && length(aws_vpc_security_group_egress_rule.client) == 2
    error_message = "The nodes' group must let the file system in and the nodes out to it."
  }
}

run "tags_and_outputs_of_a_module_call" {
  command = plan

  variables {
    address                 = "module.fsx.0"
    tags                    = { CostCentre = "42" }
    storage_capacity_gib    = 4800
    throughput_mbps_per_tib = 1000
    private_prefix          = "data/private"
  }

  assert {
    condition     = aws_fsx_lustre_file_system.this.storage_capacity == 4800 && aws_fsx_lustre_file_system.this.per_unit_storage_throughput == 1000
    error_message = "Size and throughput must be those asked for."
  }

  assert {
    condition = aws_fsx_lustre_file_system.this.tags == tomap({
      CostCentre            = "42"
      Name                  = "pc-lab-1-proj-1-abcdefghij"
      "provisioner:address" = "module.fsx.0.aws_fsx_lustre_file_system.this"
    })
    error_message = "The file system must carry its name, its address and the caller's tags."
  }

  assert {
    condition = [
      aws_security_group.this.tags["provisioner:address"],
      aws_fsx_data_repository_association.public.tags["provisioner:address"],
      aws_fsx_data_repository_association.private.tags["provisioner:address"],
      aws_vpc_security_group_ingress_rule.this["self-1018-1023"].tags["provisioner:address"],
      aws_vpc_security_group_egress_rule.client["988"].tags["provisioner:address"],
      ] == [
      "module.fsx.0.aws_security_group.this",
      "module.fsx.0.aws_fsx_data_repository_association.public",
      "module.fsx.0.aws_fsx_data_repository_association.private",
      "module.fsx.0.aws_vpc_security_group_ingress_rule.this.self-1018-1023",
      "module.fsx.0.aws_vpc_security_group_egress_rule.client.988",
    ]
    error_message = "Each resource must carry its own Terraform address."
  }

  assert {
    condition = jsonencode(output.storage) == jsonencode({
      id         = "fs-0123456789abcdef0"
      kind       = "lustre"
      dns_name   = "fs-0123456789abcdef0.fsx.us-east-1.amazonaws.com"
      mount_name = "abcdefgh"
      mount_path = null
      links = [
        { path = "/project/public", s3_uri = "s3://public-data/", direction = "import" },
        { path = "/project/private", s3_uri = "s3://project-data/data/private/", direction = "import-export" },
      ]
    })
    error_message = "The storage object must have the shape that all storage modules share."
  }
}
