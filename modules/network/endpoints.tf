locals {
  interface_services = setunion(
    var.interface_endpoints,
    var.extra_endpoints,
    var.login_nodes ? ["autoscaling", "elasticloadbalancing"] : [],
  )

  # Services whose names start otherwise in China (CDK, aws-ec2/lib/vpc-endpoint.ts, which has them from
  # describe-vpc-endpoint-services).
  chinese_names = [
    "autoscaling", "cloudformation", "ec2", "ecr.api", "ecr.dkr", "elasticfilesystem", "fsx", "lambda", "monitoring", "sts",
  ]
  service_names = {
    for service in setunion(local.interface_services, keys(local.gateway_policies)) :
    service => join(".", [
      startswith(local.region, "cn-") && contains(local.chinese_names, service) ? "cn.com.amazonaws" : "com.amazonaws",
      local.region,
      service,
    ])
  }

  own_principals = {
    Sid       = "OwnPrincipals"
    Effect    = "Allow"
    Principal = "*"
    Action    = "*"
    Resource  = "*"
    Condition = { StringEquals = { "aws:PrincipalAccount" = local.account_id } }
  }
  # cfn-init and cfn-signal without a role sign with the instance's identity, which is no principal of
  # IAM: there the stack must be ours instead.
  own_stacks = {
    Sid       = "OwnStacks"
    Effect    = "Allow"
    Principal = "*"
    Action    = "cloudformation:*"
    Resource  = "arn:${local.partition}:cloudformation:${local.region}:${local.account_id}:stack/*"
  }

  # The cluster whose node calls, by a tag of its role: ParallelCluster gives it to the stack, and CloudFormation to
  # all of the stack that takes tags (pcluster/models/cluster.py, _add_tags; CloudFormation user guide, "Resource
  # tags"). Policies of endpoints may name it as a variable (IAM user guide, "Variables and tags").
  cluster_tag    = "parallelcluster:cluster-name"
  caller_cluster = "$${aws:PrincipalTag/${local.cluster_tag}}"

  # Nodes carry CloudWatchAgentServerPolicy: each may write into every log group, and shorten what it keeps. Their
  # agent only writes, into groups that others make: its cluster's, and that of its project's job records. Whether
  # roles have their tag is not in our hands; from one without it, logs must not be lost. Functions do not come here:
  # Lambda itself takes what they print.
  log_writers = {
    OwnLogs = {
      groups    = ["/aws/parallelcluster/${local.caller_cluster}-*", "/provisioner/${local.caller_cluster}/*"]
      condition = {}
    }
    UntaggedRoles = {
      groups    = ["/aws/parallelcluster/*", "/provisioner/*"]
      condition = { Null = { "aws:PrincipalTag/${local.cluster_tag}" = "true" } }
    }
  }
  log_statements = [
    for sid, writer in local.log_writers : {
      Sid       = sid
      Effect    = "Allow"
      Principal = "*"
      Action    = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource  = [for group in writer.groups : "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:${group}:*"]
      Condition = merge(local.own_principals.Condition, writer.condition)
    }
  ]

  # A head node may tag, attach and detach what is in the account, and terminate what carries the name of its cluster
  # (pcluster/templates/cdk_builder_utils.py, Ec2TagsAndVolumes and EC2Terminate).
  barred_from_clusters = {
    OtherClusters = {
      actions = "ec2:*"
      condition = {
        StringNotEquals = { "aws:ResourceTag/${local.cluster_tag}" = local.caller_cluster }
        # An instance that is just being made has no tag yet.
        Null = { for owner in ["Principal", "Resource"] : "aws:${owner}Tag/${local.cluster_tag}" => "false" }
      }
    }
    # What is no cluster's could be made the caller's own with a tag. No node changes such a thing: the tags of new nodes
    # and of their volumes are in the launch template, and then EC2 names the call that makes them (EC2 user guide,
    # "Grant permission to tag Amazon EC2 resources during creation"); only shared EBS storage is attached
    # (aws-parallelcluster-cookbook, manageVolume.py), which no project has.
    NoClusters = {
      actions = ["ec2:AttachVolume", "ec2:CreateTags", "ec2:DetachVolume"]
      condition = {
        Null = {
          "aws:PrincipalTag/${local.cluster_tag}" = "false"
          "aws:ResourceTag/${local.cluster_tag}"  = "true"
          "ec2:CreateAction"                      = "true"
        }
      }
    }
  }
  ec2_denials = [
    for sid, bar in local.barred_from_clusters : {
      Sid       = sid
      Effect    = "Deny"
      Principal = "*"
      Action    = bar.actions
      Resource  = [for kind in ["instance", "volume"] : "arn:${local.partition}:ec2:${local.region}:${local.account_id}:${kind}/*"]
      Condition = bar.condition
    }
  ]

  interface_policies = merge(
    {
      for service in local.interface_services :
      service => jsonencode({ Version = "2012-10-17", Statement = [local.own_principals] })
    },
    { for service, statements in {
      cloudformation = [local.own_principals, local.own_stacks]
      ec2            = concat([local.own_principals], local.ec2_denials)
      logs           = local.log_statements
    } : service => jsonencode({ Version = "2012-10-17", Statement = statements }) },
  )

  # Buckets of AWS that a cluster cannot do without, and what it does with them.
  aws_buckets = {
    WaitConditions    = { bucket = "cloudformation-waitcondition-${local.region}", actions = ["s3:PutObject"] }
    CustomResources   = { bucket = "cloudformation-custom-resource-response-${local.region}", actions = ["s3:PutObject"] }
    ParallelCluster   = { bucket = "${local.region}-aws-parallelcluster", actions = local.read_bucket }
    DcvLicence        = { bucket = "dcv-license.${local.region}", actions = ["s3:GetObject"] }
    AmazonLinuxMirror = { bucket = "al2023-repos-${local.region}-de612dc2", actions = ["s3:GetObject"] }
  }
  read_bucket = ["s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket", "s3:GetBucketLocation"]

  gateway_policies = {
    s3 = jsonencode({
      Version = "2012-10-17"
      Statement = concat(
        [{
          Sid       = "OwnBuckets"
          Effect    = "Allow"
          Principal = "*"
          Action    = "s3:*"
          Resource  = "*"
          Condition = { StringEquals = { "aws:ResourceAccount" = local.account_id } }
        }],
        [for name, grant in local.aws_buckets : {
          Sid       = name
          Effect    = "Allow"
          Principal = "*"
          Action    = grant.actions
          Resource  = [for path in ["", "/*"] : "arn:${local.partition}:s3:::${grant.bucket}${path}"]
        }],
        [for statement in [{
          Sid       = "ReadableBuckets"
          Effect    = "Allow"
          Principal = "*"
          Action    = local.read_bucket
          Resource = flatten([
            for bucket in sort(var.readable_buckets) :
            [for path in ["", "/*"] : "arn:${local.partition}:s3:::${bucket}${path}"]
          ])
        }] : statement if length(var.readable_buckets) > 0],
        # ECR user guide, "Amazon ECR interface VPC endpoints": layers of images come from a bucket of AWS.
        [for statement in [{
          Sid       = "ImageLayers"
          Effect    = "Allow"
          Principal = "*"
          Action    = "s3:GetObject"
          Resource  = "arn:${local.partition}:s3:::prod-${local.region}-starport-layer-bucket/*"
        }] : statement if contains(local.interface_services, "ecr.dkr")],
      )
    })
    dynamodb = jsonencode({
      Version = "2012-10-17"
      Statement = [{
        Sid       = "OwnTables"
        Effect    = "Allow"
        Principal = "*"
        Action    = "dynamodb:*"
        Resource  = "arn:${local.partition}:dynamodb:${local.region}:${local.account_id}:table/*"
        Condition = { StringEquals = { "aws:PrincipalAccount" = local.account_id } }
      }]
    })
  }
}

resource "aws_vpc_endpoint" "gateway" {
  for_each = local.gateway_policies

  vpc_id            = aws_vpc.this.id
  vpc_endpoint_type = "Gateway"
  service_name      = local.service_names[each.key]
  route_table_ids   = [aws_route_table.infrastructure.id, aws_route_table.projects.id]
  policy            = each.value

  tags = merge(local.tags, {
    Name                  = "${var.name}-${each.key}"
    "provisioner:address" = "${local.address}aws_vpc_endpoint.gateway.${each.key}"
  })
}

# Not every service is offered in every zone, and not every one takes a policy.
data "aws_vpc_endpoint_service" "this" {
  for_each = local.interface_services

  service_name = local.service_names[each.key]
  service_type = "Interface"
}

resource "aws_vpc_endpoint" "interface" {
  for_each = local.interface_services

  vpc_id              = aws_vpc.this.id
  vpc_endpoint_type   = "Interface"
  service_name        = local.service_names[each.key]
  security_group_ids  = [aws_security_group.endpoints.id]
  private_dns_enabled = true
  policy              = data.aws_vpc_endpoint_service.this[each.key].vpc_endpoint_policy_supported ? local.interface_policies[each.key] : null

  # A zone without the endpoint uses that of another zone.
  subnet_ids = [
    for zone in var.zones : aws_subnet.this["endpoints-${zone}"].id
    if contains(data.aws_vpc_endpoint_service.this[each.key].availability_zones, zone)
  ]

  tags = merge(local.tags, {
    Name                  = "${var.name}-${each.key}"
    "provisioner:address" = "${local.address}aws_vpc_endpoint.interface.${each.key}"
  })

  lifecycle {
    precondition {
      condition     = length(setintersection(data.aws_vpc_endpoint_service.this[each.key].availability_zones, var.zones)) > 0
      error_message = "AWS offers no endpoint for ${each.key} in any of the zones ${join(", ", var.zones)}. Take other zones, or leave the endpoint out."
    }
  }
}
