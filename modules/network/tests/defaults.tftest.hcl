# What a plan with nothing but the required inputs makes, and what the optional ones change.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = {
      account_id = "123456789012"
    }
  }
  mock_data "aws_partition" {
    defaults = {
      partition = "aws"
    }
  }
  mock_data "aws_region" {
    defaults = {
      name = "us-east-1"
    }
  }
  mock_data "aws_vpc_endpoint_service" {
    defaults = {
      availability_zones            = ["us-east-1a", "us-east-1b", "us-east-1c"]
      vpc_endpoint_policy_supported = true
    }
  }
  mock_resource "aws_vpc" {
    defaults = {
      id = "vpc-0123456789abcdef0"
    }
    override_during = plan
  }
  mock_resource "aws_security_group" {
    defaults = {
      id = "sg-0123456789abcdef0"
    }
    override_during = plan
  }
  mock_resource "aws_subnet" {
    defaults = {
      id = "subnet-0123456789abcdef0"
    }
    override_during = plan
  }
}

override_resource {
  target = aws_subnet.this["endpoints-us-east-1b"]
  values = {
    id = "subnet-0bbbbbbbbbbbbbbbb"
  }
  override_during = plan
}

override_resource {
  target = aws_security_group.endpoint_access
  values = {
    id = "sg-0aaaaaaaaaaaaaaaa"
  }
  override_during = plan
}

override_resource {
  target = aws_security_group.endpoints
  values = {
    id = "sg-0bbbbbbbbbbbbbbbb"
  }
  override_during = plan
}

override_resource {
  target = aws_security_group.workflow_access
  values = {
    id = "sg-0cccccccccccccccc"
  }
  override_during = plan
}

override_resource {
  target = aws_route_table.projects
  values = {
    id = "rtb-0aaaaaaaaaaaaaaaa"
  }
  override_during = plan
}

override_resource {
  target = aws_route_table.infrastructure
  values = {
    id = "rtb-0bbbbbbbbbbbbbbbb"
  }
  override_during = plan
}

override_resource {
  target = aws_vpc_endpoint.gateway
  values = {
    prefix_list_id = "pl-0123456789abcdef0"
  }
  override_during = plan
}

variables {
  name  = "provisioner"
  zones = ["us-east-1a", "us-east-1b"]
}

run "private_vpc" {
  command = plan

  assert {
    condition     = aws_vpc.this.cidr_block == "10.42.0.0/16" && aws_vpc.this.enable_dns_support && aws_vpc.this.enable_dns_hostnames
    error_message = "The VPC must have its block, DNS resolution and DNS hostnames."
  }

  assert {
    condition = alltrue([
      for subnet in aws_subnet.this :
      !subnet.map_public_ip_on_launch && !subnet.assign_ipv6_address_on_creation && subnet.vpc_id == "vpc-0123456789abcdef0"
    ])
    error_message = "No subnet may hand out public addresses."
  }

  assert {
    condition = { for key, subnet in aws_subnet.this : key => "${subnet.cidr_block} ${subnet.availability_zone}" } == {
      endpoints-us-east-1a = "10.42.0.0/24 us-east-1a"
      endpoints-us-east-1b = "10.42.1.0/24 us-east-1b"
      database-us-east-1a  = "10.42.16.0/24 us-east-1a"
      database-us-east-1b  = "10.42.17.0/24 us-east-1b"
      functions-us-east-1a = "10.42.32.0/24 us-east-1a"
      functions-us-east-1b = "10.42.33.0/24 us-east-1b"
    }
    error_message = "One subnet of each kind in each zone, each kind in its own quarter of the infrastructure range."
  }

  assert {
    condition     = length(aws_default_route_table.this.route) == 0
    error_message = "The default route table must lead nowhere."
  }

  assert {
    condition     = alltrue([for one in aws_route_table_association.this : one.route_table_id == "rtb-0bbbbbbbbbbbbbbbb"]) && length(aws_route_table_association.this) == 6
    error_message = "Every subnet of the module must use the infrastructure route table."
  }
}

run "a_third_zone_moves_nothing" {
  command = plan

  variables {
    zones = ["us-east-1a", "us-east-1b", "us-east-1c"]
  }

  assert {
    condition     = aws_subnet.this["endpoints-us-east-1b"].cidr_block == "10.42.1.0/24" && aws_subnet.this["endpoints-us-east-1c"].cidr_block == "10.42.2.0/24"
    error_message = "A zone added at the end must leave the others' addresses alone."
  }
}

run "projects_are_kept_apart" {
  command = plan

  variables {
    peer_cidr_blocks = ["10.0.16.0/20"]
  }

  # In the order of their numbers, as AWS goes through them.
  assert {
    condition = [
      for line in sort([
        for rule in aws_default_network_acl.projects.ingress :
        format("%03d %s %s %d-%d %s", rule.rule_no, rule.action, rule.protocol, rule.from_port, rule.to_port, rule.cidr_block)
      ]) : line
      ] == [
      "100 deny -1 0-0 10.42.64.0/18",
      "101 deny -1 0-0 10.42.128.0/17",
      "200 allow tcp 1024-65535 10.42.0.0/20",
      "210 allow tcp 1024-65535 10.42.16.0/20",
      "220 deny -1 0-0 10.42.0.0/16",
      "300 allow tcp 22-22 10.0.16.0/20",
      "310 allow tcp 8082-8082 10.0.16.0/20",
      "320 deny -1 0-0 10.0.16.0/20",
      "400 allow tcp 1024-65535 0.0.0.0/0",
    ]
    error_message = "A project must hear nothing from other projects, and from the main VPC only SSH and Slurm REST."
  }

  assert {
    condition = [
      for line in sort([
        for rule in aws_default_network_acl.projects.egress :
        format("%03d %s %s %d-%d %s", rule.rule_no, rule.action, rule.protocol, rule.from_port, rule.to_port, rule.cidr_block)
      ]) : line
      ] == [
      "100 deny -1 0-0 10.42.64.0/18",
      "101 deny -1 0-0 10.42.128.0/17",
      "200 allow tcp 443-443 10.42.0.0/20",
      "210 allow tcp 3306-3306 10.42.16.0/20",
      "220 deny -1 0-0 10.42.0.0/16",
      "300 allow tcp 1024-65535 10.0.16.0/20",
      "320 deny -1 0-0 10.0.16.0/20",
      "400 allow tcp 443-443 0.0.0.0/0",
    ]
    error_message = "A project must reach endpoints, databases, S3 and DynamoDB, answer the main VPC, and reach nothing else."
  }
}

run "infrastructure_is_kept_apart" {
  command = plan

  assert {
    condition = jsonencode({
      for kind, acl in aws_network_acl.this : kind => sort([
        for rule in acl.ingress : "${rule.rule_no} ${rule.action} ${rule.from_port}-${rule.to_port} ${rule.cidr_block}"
      ])
      }) == jsonencode({
      endpoints = ["100 allow 443-443 10.42.64.0/18", "101 allow 443-443 10.42.128.0/17", "200 allow 443-443 10.42.32.0/20"]
      database  = ["100 allow 3306-3306 10.42.64.0/18", "101 allow 3306-3306 10.42.128.0/17", "200 allow 3306-3306 10.42.32.0/20"]
      functions = ["200 allow 1024-65535 10.42.0.0/20", "210 allow 1024-65535 10.42.16.0/20", "220 deny 0-0 10.42.0.0/16", "400 allow 1024-65535 0.0.0.0/0"]
    })
    error_message = "Endpoints must be asked by projects and functions only, databases too, and functions by nobody."
  }

  assert {
    condition = jsonencode({
      for kind, acl in aws_network_acl.this : kind => sort([
        for rule in acl.egress : "${rule.rule_no} ${rule.action} ${rule.from_port}-${rule.to_port} ${rule.cidr_block}"
      ])
      }) == jsonencode({
      endpoints = ["100 allow 1024-65535 10.42.64.0/18", "101 allow 1024-65535 10.42.128.0/17", "200 allow 1024-65535 10.42.32.0/20"]
      database  = ["100 allow 1024-65535 10.42.64.0/18", "101 allow 1024-65535 10.42.128.0/17", "200 allow 1024-65535 10.42.32.0/20"]
      functions = ["200 allow 443-443 10.42.0.0/20", "210 allow 3306-3306 10.42.16.0/20", "220 deny 0-0 10.42.0.0/16", "400 allow 443-443 0.0.0.0/0"]
    })
    error_message = "Endpoints and databases must only answer; functions must reach both, S3 and DynamoDB."
  }
}

run "as_many_acl_rules_as_aws_allows" {
  command = plan

  variables {
    peer_cidr_blocks = ["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24"]
  }

  assert {
    condition     = length(aws_default_network_acl.projects.ingress) == 18 && length(aws_default_network_acl.projects.egress) == 14
    error_message = "Two project ranges and four peers must fit into the 19 rules that AWS leaves."
  }
}

run "security_groups" {
  command = plan

  variables {
    peer_cidr_blocks      = ["10.0.16.0/20"]
    peering_connection_id = "pcx-0123456789abcdef0"
    workflow_clients = {
      service     = "10.0.16.0/24"
      provisioner = "210987654321/sg-0123456789abcdef0"
      runner      = "123456789012/sg-0fedcba9876543210"
    }
  }

  assert {
    condition     = length(aws_default_security_group.this.ingress) == 0 && length(aws_default_security_group.this.egress) == 0
    error_message = "The default group must let nothing in and nothing out."
  }

  assert {
    condition = (
      aws_vpc_security_group_ingress_rule.endpoints.security_group_id == "sg-0bbbbbbbbbbbbbbbb" &&
      aws_vpc_security_group_ingress_rule.endpoints.referenced_security_group_id == "sg-0aaaaaaaaaaaaaaaa" &&
      aws_vpc_security_group_ingress_rule.endpoints.from_port == 443 && aws_vpc_security_group_ingress_rule.endpoints.to_port == 443 &&
      aws_vpc_security_group_egress_rule.endpoint_access.security_group_id == "sg-0aaaaaaaaaaaaaaaa" &&
      aws_vpc_security_group_egress_rule.endpoint_access.referenced_security_group_id == "sg-0bbbbbbbbbbbbbbbb" &&
      aws_vpc_security_group_egress_rule.endpoint_access.from_port == 443 && aws_vpc_security_group_egress_rule.endpoint_access.to_port == 443
    )
    error_message = "What carries endpoint-access must reach the endpoints by HTTPS, and nothing else may."
  }

  assert {
    condition = alltrue([
      for service, rule in aws_vpc_security_group_egress_rule.gateways :
      rule.security_group_id == "sg-0aaaaaaaaaaaaaaaa" && rule.prefix_list_id == "pl-0123456789abcdef0" && rule.from_port == 443 && rule.to_port == 443
    ]) && toset(keys(aws_vpc_security_group_egress_rule.gateways)) == toset(["s3", "dynamodb"])
    error_message = "What carries endpoint-access must reach S3 and DynamoDB by HTTPS."
  }

  assert {
    condition = {
      for key, rule in aws_vpc_security_group_ingress_rule.workflow_access :
      key => "${rule.from_port}-${rule.to_port} ${coalesce(rule.cidr_ipv4, rule.referenced_security_group_id)}"
      if rule.security_group_id == "sg-0cccccccccccccccc" && rule.ip_protocol == "tcp"
      } == {
      ssh-service            = "22-22 10.0.16.0/24"
      ssh-provisioner        = "22-22 210987654321/sg-0123456789abcdef0"
      ssh-runner             = "22-22 sg-0fedcba9876543210"
      slurm-rest-service     = "8082-8082 10.0.16.0/24"
      slurm-rest-provisioner = "8082-8082 210987654321/sg-0123456789abcdef0"
      slurm-rest-runner      = "8082-8082 sg-0fedcba9876543210"
    }
    error_message = "Each client must be let in on SSH and on the Slurm REST port, and on nothing else."
  }
}

run "nobody_is_let_in_by_default" {
  command = plan

  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.workflow_access) == 0
    error_message = "Without clients, head nodes must let nobody in."
  }
}

run "endpoints" {
  command = plan

  assert {
    condition = toset(keys(aws_vpc_endpoint.interface)) == toset([
      "cloudformation", "ec2", "elasticfilesystem", "fsx", "logs", "monitoring", "secretsmanager", "ssm", "ssmmessages", "sts",
    ])
    error_message = "Every service that nodes call must have an endpoint."
  }

  assert {
    condition = alltrue([
      for service, endpoint in aws_vpc_endpoint.interface :
      endpoint.private_dns_enabled &&
      endpoint.vpc_endpoint_type == "Interface" &&
      endpoint.service_name == "com.amazonaws.us-east-1.${service}" &&
      endpoint.security_group_ids == toset(["sg-0bbbbbbbbbbbbbbbb"])
    ])
    error_message = "Interface endpoints must answer to the services' own names and carry the endpoints' group."
  }

  assert {
    condition = alltrue([
      for service, endpoint in aws_vpc_endpoint.gateway :
      endpoint.vpc_endpoint_type == "Gateway" &&
      endpoint.service_name == "com.amazonaws.us-east-1.${service}" &&
      endpoint.route_table_ids == toset(["rtb-0aaaaaaaaaaaaaaaa", "rtb-0bbbbbbbbbbbbbbbb"])
    ]) && toset(keys(aws_vpc_endpoint.gateway)) == toset(["s3", "dynamodb"])
    error_message = "S3 and DynamoDB must be reached from projects and from infrastructure."
  }
}

run "endpoints_for_login_nodes_and_jobs" {
  command = plan

  variables {
    login_nodes     = true
    extra_endpoints = ["ecr.api"]
  }

  assert {
    condition     = length(setintersection(keys(aws_vpc_endpoint.interface), ["autoscaling", "elasticloadbalancing", "ecr.api"])) == 3
    error_message = "Login nodes need Auto Scaling and Elastic Load Balancing, jobs what was asked for."
  }
}

run "interface_policies" {
  command = plan

  assert {
    condition = alltrue([
      for service, endpoint in aws_vpc_endpoint.interface :
      alltrue([
        for statement in jsondecode(endpoint.policy).Statement :
        statement.Effect == "Deny" ||
        try(statement.Condition.StringEquals, null) == { "aws:PrincipalAccount" = "123456789012" } ||
        (service == "cloudformation" && statement.Resource == "arn:aws:cloudformation:us-east-1:123456789012:stack/*" && statement.Action == "cloudformation:*")
      ])
    ])
    error_message = "Only principals of this account may pass; at CloudFormation nodes without a principal too, to stacks of this account."
  }

  assert {
    condition     = length(jsondecode(aws_vpc_endpoint.interface["cloudformation"].policy).Statement) == 2
    error_message = "cfn-init signs without a principal and must pass to CloudFormation."
  }
}

run "a_cluster_reaches_its_own_alone" {
  command = plan

  assert {
    condition = {
      for statement in jsondecode(aws_vpc_endpoint.interface["logs"].policy).Statement :
      statement.Sid => [statement.Action, statement.Resource, lookup(statement.Condition, "Null", {})]
      } == {
      OwnLogs = [
        ["logs:CreateLogStream", "logs:PutLogEvents"],
        [
          "arn:aws:logs:us-east-1:123456789012:log-group:/aws/parallelcluster/$${aws:PrincipalTag/parallelcluster:cluster-name}-*:*",
          "arn:aws:logs:us-east-1:123456789012:log-group:/provisioner/$${aws:PrincipalTag/parallelcluster:cluster-name}/*:*",
        ],
        {},
      ]
      UntaggedRoles = [
        ["logs:CreateLogStream", "logs:PutLogEvents"],
        [
          "arn:aws:logs:us-east-1:123456789012:log-group:/aws/parallelcluster/*:*",
          "arn:aws:logs:us-east-1:123456789012:log-group:/provisioner/*:*",
        ],
        { "aws:PrincipalTag/parallelcluster:cluster-name" = "true" },
      ]
    }
    error_message = "Nodes must write logs and do nothing else with them, and a role of a cluster only into that cluster's."
  }

  assert {
    condition = {
      for statement in jsondecode(aws_vpc_endpoint.interface["ec2"].policy).Statement :
      statement.Sid => [statement.Action, statement.Condition] if statement.Effect == "Deny"
      } == {
      OtherClusters = [
        "ec2:*",
        {
          StringNotEquals = { "aws:ResourceTag/parallelcluster:cluster-name" = "$${aws:PrincipalTag/parallelcluster:cluster-name}" }
          Null = {
            "aws:PrincipalTag/parallelcluster:cluster-name" = "false"
            "aws:ResourceTag/parallelcluster:cluster-name"  = "false"
          }
        },
      ]
      NoClusters = [
        ["ec2:AttachVolume", "ec2:CreateTags", "ec2:DetachVolume"],
        {
          Null = {
            "aws:PrincipalTag/parallelcluster:cluster-name" = "false"
            "aws:ResourceTag/parallelcluster:cluster-name"  = "true"
            "ec2:CreateAction"                              = "true"
          }
        },
      ]
    }
    error_message = "A cluster's role must change no instance or volume of another cluster, take none that is no cluster's, and nothing else may be barred."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_vpc_endpoint.interface["ec2"].policy).Statement :
      statement.Principal == "*" && statement.Resource == ["arn:aws:ec2:us-east-1:123456789012:instance/*", "arn:aws:ec2:us-east-1:123456789012:volume/*"]
      if statement.Effect == "Deny"
    ])
    error_message = "Only instances and volumes may be barred, from whoever asks."
  }
}

run "gateway_policies" {
  command = plan

  variables {
    readable_buckets = ["open-data", "cell-models"]
  }

  assert {
    condition = {
      for statement in jsondecode(aws_vpc_endpoint.gateway["s3"].policy).Statement :
      statement.Sid => join(" ", concat(flatten([statement.Action]), flatten([statement.Resource])))
      if statement.Effect == "Allow" && !can(statement.Condition)
      } == {
      AmazonLinuxMirror = "s3:GetObject arn:aws:s3:::al2023-repos-us-east-1-de612dc2 arn:aws:s3:::al2023-repos-us-east-1-de612dc2/*"
      CustomResources   = "s3:PutObject arn:aws:s3:::cloudformation-custom-resource-response-us-east-1 arn:aws:s3:::cloudformation-custom-resource-response-us-east-1/*"
      DcvLicence        = "s3:GetObject arn:aws:s3:::dcv-license.us-east-1 arn:aws:s3:::dcv-license.us-east-1/*"
      ParallelCluster   = "s3:GetObject s3:GetObjectVersion s3:ListBucket s3:GetBucketLocation arn:aws:s3:::us-east-1-aws-parallelcluster arn:aws:s3:::us-east-1-aws-parallelcluster/*"
      ReadableBuckets   = "s3:GetObject s3:GetObjectVersion s3:ListBucket s3:GetBucketLocation arn:aws:s3:::cell-models arn:aws:s3:::cell-models/* arn:aws:s3:::open-data arn:aws:s3:::open-data/*"
      WaitConditions    = "s3:PutObject arn:aws:s3:::cloudformation-waitcondition-us-east-1 arn:aws:s3:::cloudformation-waitcondition-us-east-1/*"
    }
    error_message = "Beside this account's buckets, exactly these may be read or written."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_vpc_endpoint.gateway["s3"].policy).Statement : "${statement.Sid} ${statement.Action}"
      if try(statement.Condition, null) == { StringEquals = { "aws:ResourceAccount" = "123456789012" } }
    ] == ["OwnBuckets s3:*"]
    error_message = "Buckets of this account must be open, and no other bucket may be as open."
  }

  assert {
    condition = jsondecode(aws_vpc_endpoint.gateway["dynamodb"].policy).Statement[*].Resource == [
      "arn:aws:dynamodb:us-east-1:123456789012:table/*"
    ]
    error_message = "Only tables of this account may be reached."
  }
}

run "no_readable_buckets_no_statement" {
  command = plan

  assert {
    condition     = !contains(jsondecode(aws_vpc_endpoint.gateway["s3"].policy).Statement[*].Sid, "ReadableBuckets")
    error_message = "A statement without resources is refused by AWS."
  }
}

run "images_are_pulled_with_their_layers" {
  command = plan

  variables {
    extra_endpoints = ["ecr.api", "ecr.dkr"]
  }

  assert {
    condition = [
      for statement in jsondecode(aws_vpc_endpoint.gateway["s3"].policy).Statement : [statement.Action, statement.Resource]
      if statement.Sid == "ImageLayers"
    ] == [["s3:GetObject", "arn:aws:s3:::prod-us-east-1-starport-layer-bucket/*"]]
    error_message = "ECR answers with the place of a layer in a bucket of AWS, which must be readable."
  }
}

run "china" {
  command = plan

  variables {
    zones = ["cn-north-1a", "cn-north-1b"]
  }

  override_data {
    target = data.aws_partition.this
    values = {
      partition = "aws-cn"
    }
  }

  override_data {
    target = data.aws_region.this
    values = {
      name = "cn-north-1"
    }
  }

  override_data {
    target = data.aws_vpc_endpoint_service.this
    values = {
      availability_zones            = ["cn-north-1a", "cn-north-1b"]
      vpc_endpoint_policy_supported = true
    }
  }

  assert {
    condition = (
      aws_vpc_endpoint.interface["cloudformation"].service_name == "cn.com.amazonaws.cn-north-1.cloudformation" &&
      aws_vpc_endpoint.interface["ec2"].service_name == "cn.com.amazonaws.cn-north-1.ec2" &&
      aws_vpc_endpoint.interface["logs"].service_name == "com.amazonaws.cn-north-1.logs"
    )
    error_message = "Some services have other names in China."
  }

  assert {
    condition     = strcontains(aws_vpc_endpoint.gateway["s3"].policy, "arn:aws-cn:s3:::cn-north-1-aws-parallelcluster/*") && !strcontains(aws_vpc_endpoint.gateway["s3"].policy, "arn:aws:")
    error_message = "ARNs must be those of the partition."
  }
}

run "a_service_that_takes_no_policy" {
  command = plan

  override_data {
    target = data.aws_vpc_endpoint_service.this["ssmmessages"]
    values = {
      availability_zones            = ["us-east-1b"]
      vpc_endpoint_policy_supported = false
    }
  }

  assert {
    condition     = aws_vpc_endpoint.interface["ssmmessages"].subnet_ids == toset(["subnet-0bbbbbbbbbbbbbbbb"]) && length(aws_vpc_endpoint.interface["ssm"].subnet_ids) == 2 && strcontains(aws_vpc_endpoint.interface["ssm"].policy, "PrincipalAccount")
    error_message = "An endpoint must stand only where AWS offers it."
  }
}

run "a_service_that_no_zone_offers" {
  command = plan

  override_data {
    target = data.aws_vpc_endpoint_service.this["fsx"]
    values = {
      availability_zones            = ["us-east-1f"]
      vpc_endpoint_policy_supported = true
    }
  }

  expect_failures = [aws_vpc_endpoint.interface["fsx"]]
}

run "flow_logs" {
  command = plan

  variables {
    kms_key_arn             = "arn:aws:kms:us-east-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef"
    flow_log_retention_days = 90
  }

  assert {
    condition     = aws_flow_log.this.vpc_id == "vpc-0123456789abcdef0" && aws_flow_log.this.traffic_type == "ALL"
    error_message = "All traffic of the VPC must be written down."
  }

  assert {
    condition = (
      aws_cloudwatch_log_group.flow_logs.name == "/provisioner/flow-logs" &&
      aws_cloudwatch_log_group.flow_logs.retention_in_days == 90 &&
      aws_cloudwatch_log_group.flow_logs.kms_key_id == var.kms_key_arn
    )
    error_message = "The flow logs must be kept as long, and encrypted, as asked for."
  }

  assert {
    condition     = aws_iam_role.flow_logs.name == "provisioner-flow-logs-us-east-1"
    error_message = "Roles are the account's: one in each region must have a name of its own."
  }

  assert {
    condition = one(jsondecode(aws_iam_role.flow_logs.assume_role_policy).Statement).Condition == {
      StringEquals = { "aws:SourceAccount" = "123456789012" }
      ArnLike      = { "aws:SourceArn" = "arn:aws:ec2:us-east-1:123456789012:vpc-flow-log/*" }
    }
    error_message = "The role must be for flow logs of this account and region only."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.flow_logs.policy).Statement : statement.Resource
      if statement.Action != "logs:DescribeLogGroups"
      ] == [[
        "arn:aws:logs:us-east-1:123456789012:log-group:/provisioner/flow-logs",
        "arn:aws:logs:us-east-1:123456789012:log-group:/provisioner/flow-logs:*",
    ]]
    error_message = "The role must write to its own log group only."
  }
}

run "tags_and_outputs_of_a_module_call" {
  command = plan

  variables {
    address = "module.network"
    tags    = { CostCentre = "42" }
  }

  assert {
    condition = aws_vpc.this.tags == tomap({
      CostCentre            = "42"
      Name                  = "provisioner"
      "provisioner:shared"  = "vpc"
      "provisioner:address" = "module.network.aws_vpc.this"
    })
    error_message = "The VPC must carry its name, its address, the tag by which it is found and the caller's tags."
  }

  assert {
    condition = [
      aws_route_table.projects.tags["provisioner:shared"],
      aws_security_group.endpoint_access.tags["provisioner:shared"],
      aws_security_group.workflow_access.tags["provisioner:shared"],
    ] == ["project-route-table", "endpoint-access", "workflow-access"]
    error_message = "What workspaces look up must carry the tag by which they do."
  }

  assert {
    condition = length([
      for tags in [
        aws_route_table.infrastructure.tags, aws_default_route_table.this.tags, aws_security_group.endpoints.tags,
        aws_default_security_group.this.tags, aws_default_network_acl.projects.tags, aws_subnet.this["database-us-east-1a"].tags,
      ] : tags if contains(keys(tags), "provisioner:shared")
    ]) == 0
    error_message = "Nothing else may be found by that tag."
  }

  assert {
    condition = [
      aws_subnet.this["endpoints-us-east-1a"].tags["provisioner:address"],
      aws_network_acl.this["database"].tags["provisioner:address"],
      aws_vpc_endpoint.interface["ec2"].tags["provisioner:address"],
      aws_vpc_security_group_egress_rule.gateways["s3"].tags["provisioner:address"],
      ] == [
      "module.network.aws_subnet.this.endpoints-us-east-1a",
      "module.network.aws_network_acl.this.database",
      "module.network.aws_vpc_endpoint.interface.ec2",
      "module.network.aws_vpc_security_group_egress_rule.gateways.s3",
    ]
    error_message = "Each resource must carry its own Terraform address."
  }

  assert {
    condition = jsonencode(output.project_subnets) == jsonencode({
      20 = 12, 21 = 24, 22 = 48, 23 = 96, 24 = 192, 25 = 384, 26 = 768, 27 = 1536
    })
    error_message = "The ranges must hold as many subnets as the address plan says."
  }

  assert {
    condition     = output.project_ranges == tolist(["10.42.64.0/18", "10.42.128.0/17"]) && output.vpc_id == "vpc-0123456789abcdef0"
    error_message = "The outputs must be what was made."
  }
}

run "a_range_smaller_than_a_subnet_holds_none" {
  command = plan

  variables {
    project_ranges = ["10.42.64.0/24", "10.42.128.0/25"]
  }

  assert {
    condition     = output.project_subnets["23"] == 0 && output.project_subnets["24"] == 1 && output.project_subnets["25"] == 3
    error_message = "Only whole subnets count."
  }
}
