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
  interface_policies = merge(
    {
      for service in local.interface_services :
      service => jsonencode({ Version = "2012-10-17", Statement = [local.own_principals] })
    },
    { cloudformation = jsonencode({ Version = "2012-10-17", Statement = [local.own_principals, local.own_stacks] }) },
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
