# One of everything that a project makes, and the lookups it does, in the smallest form.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

variable "max_count" {
  type    = number
  default = 4
}

variable "head_node" {
  type    = string
  default = "t3.medium"
}

provider "aws" {
  s3_use_path_style = true
  default_tags { tags = { "provisioner:project" = "proj-1" } }
}

data "aws_vpc" "shared" { tags = { "provisioner:shared" = "vpc" } }
data "aws_route_table" "projects" { tags = { "provisioner:shared" = "project-route-table" } }
data "aws_security_group" "endpoints" { tags = { "provisioner:shared" = "endpoint-access" } }
data "aws_db_instance" "accounting" { db_instance_identifier = "provisioner-slurm-accounting" }
data "aws_cloudformation_stack" "provider" { name = "parallelcluster-provider-3-16-1" }
data "aws_s3_bucket" "public" { bucket = "provisioner-public-123456789012-us-east-1" }

resource "aws_secretsmanager_secret" "accounting" {
  name                    = "provisioner/proj-1/accounting"
  recovery_window_in_days = 0
}

resource "aws_lambda_invocation" "database" {
  function_name   = "provisioner-accounting"
  lifecycle_scope = "CRUD"
  input           = jsonencode({ resource = "database", database = "proj_1" })
}

resource "aws_lambda_invocation" "user" {
  function_name   = "provisioner-accounting"
  lifecycle_scope = "CRUD"
  input = jsonencode({
    resource   = "user"
    database   = "proj_1"
    user       = "slurm_1"
    secret_arn = aws_secretsmanager_secret.accounting.arn
  })
  depends_on = [aws_lambda_invocation.database]
}

resource "aws_subnet" "this" {
  vpc_id            = data.aws_vpc.shared.id
  cidr_block        = "10.42.64.0/24"
  availability_zone = "us-east-1a"
}

resource "aws_route_table_association" "this" {
  subnet_id      = aws_subnet.this.id
  route_table_id = data.aws_route_table.projects.id
}

resource "aws_security_group" "nodes" {
  name        = "nodes"
  description = "nodes"
  vpc_id      = data.aws_vpc.shared.id
}

resource "aws_vpc_security_group_ingress_rule" "self" {
  security_group_id            = aws_security_group.nodes.id
  description                  = "among themselves"
  ip_protocol                  = "-1"
  referenced_security_group_id = aws_security_group.nodes.id
}

resource "aws_vpc_security_group_egress_rule" "self" {
  security_group_id            = aws_security_group.nodes.id
  description                  = "among themselves"
  ip_protocol                  = "-1"
  referenced_security_group_id = aws_security_group.nodes.id
}

resource "aws_s3_bucket" "this" {
  bucket        = "proj-1-data"
  force_destroy = true
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id
  versioning_configuration { status = "Enabled" }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id
  rule {
    apply_server_side_encryption_by_default { sse_algorithm = "AES256" }
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket                  = aws_s3_bucket.this.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id
  rule { object_ownership = "BucketOwnerEnforced" }
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id
  rule {
    id     = "uploads"
    status = "Enabled"
    filter {}
    abort_incomplete_multipart_upload { days_after_initiation = 7 }
  }
}

resource "aws_s3_object" "script" {
  bucket     = aws_s3_bucket.this.id
  key        = "scripts/setup.sh"
  content    = "#!/bin/sh\n"
  depends_on = [aws_s3_bucket_policy.this]
}

resource "aws_efs_file_system" "home" {
  creation_token  = "proj-1"
  encrypted       = true
  throughput_mode = "elastic"
}

resource "aws_efs_backup_policy" "home" {
  file_system_id = aws_efs_file_system.home.id
  backup_policy { status = "ENABLED" }
}

resource "aws_efs_mount_target" "home" {
  file_system_id  = aws_efs_file_system.home.id
  subnet_id       = aws_subnet.this.id
  security_groups = [aws_security_group.nodes.id]
}

resource "aws_fsx_lustre_file_system" "data" {
  deployment_type                 = "PERSISTENT_2"
  storage_type                    = "SSD"
  storage_capacity                = 1200
  per_unit_storage_throughput     = 250
  data_compression_type           = "LZ4"
  file_system_type_version        = "2.15"
  automatic_backup_retention_days = 0
  subnet_ids                      = [aws_subnet.this.id]
  security_group_ids              = [aws_security_group.nodes.id]
  depends_on = [
    aws_vpc_security_group_ingress_rule.self,
    aws_vpc_security_group_egress_rule.self,
  ]
}

resource "aws_fsx_data_repository_association" "public" {
  file_system_id                   = aws_fsx_lustre_file_system.data.id
  file_system_path                 = "/project/public"
  data_repository_path             = "s3://${data.aws_s3_bucket.public.id}/"
  batch_import_meta_data_on_create = true
  s3 {
    auto_import_policy { events = ["NEW", "CHANGED", "DELETED"] }
  }
}

resource "aws_cloudformation_stack" "cluster" {
  name = "proj-1-stack"
  template_body = jsonencode({
    Resources = {
      Cluster = {
        Type = "Custom::PclusterCluster"
        Properties = {
          ServiceToken = data.aws_cloudformation_stack.provider.outputs["ServiceToken"]
          ClusterName  = "proj-1"
          ClusterConfiguration = {
            Image = { Os = "alinux2023" }
            HeadNode = {
              InstanceType = var.head_node
              Networking = {
                SubnetId                 = aws_subnet.this.id
                AdditionalSecurityGroups = [aws_security_group.nodes.id, data.aws_security_group.endpoints.id]
              }
              CustomActions = {
                OnNodeConfigured = { Script = "s3://${aws_s3_bucket.this.id}/${aws_s3_object.script.key}" }
              }
            }
            Scheduling = {
              Scheduler = "slurm"
              SlurmSettings = {
                Database = {
                  Uri               = "${data.aws_db_instance.accounting.address}:3306"
                  UserName          = jsondecode(aws_lambda_invocation.user.input).user
                  PasswordSecretArn = aws_secretsmanager_secret.accounting.arn
                }
              }
              SlurmQueues = [{
                Name             = "debug"
                Networking       = { SubnetIds = [aws_subnet.this.id] }
                ComputeResources = [{ Name = "small", InstanceType = "c5.large", MaxCount = var.max_count }]
              }]
            }
            SharedStorage = [
              {
                Name        = "home", MountDir = "/home", StorageType = "Efs",
                EfsSettings = { FileSystemId = aws_efs_mount_target.home.file_system_id }
              },
              {
                Name              = "data", MountDir = "/data", StorageType = "FsxLustre",
                FsxLustreSettings = { FileSystemId = aws_fsx_lustre_file_system.data.id }
              },
            ]
          }
        }
      }
    }
    Outputs = { Status = { Value = { "Fn::GetAtt" = ["Cluster", "clusterStatus"] } } }
  })
}

output "status" { value = aws_cloudformation_stack.cluster.outputs["Status"] }
