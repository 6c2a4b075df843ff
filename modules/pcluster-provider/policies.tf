# What the provider's function may do. From `policies` main.tf makes one managed policy each.

locals {
  here = {
    for service in ["cloudformation", "dynamodb", "ec2", "elasticfilesystem", "events", "lambda", "logs", "secretsmanager"] :
    service => "arn:${local.partition}:${service}:${local.region}:${local.account}"
  }
  iam        = "arn:${local.partition}:iam::${local.account}"
  cloudwatch = "arn:${local.partition}:cloudwatch:${local.region}:${local.account}"

  # Where ParallelCluster puts what it makes for a cluster, by the cluster's name. A role's path is
  # /parallelcluster/<cluster>/ for nodes and /parallelcluster/ for functions, whose role's name starts
  # with the cluster's: one pattern covers both, since * goes across slashes.
  stacks      = "${local.here.cloudformation}:stack/${var.cluster_prefix}*"
  roles       = "${local.iam}:role/parallelcluster/${var.cluster_prefix}*"
  profiles    = "${local.iam}:instance-profile/parallelcluster/${var.cluster_prefix}*"
  cleaners    = "${local.here.lambda}:function:pcluster-CleanupResources-*"
  cluster_log = "${local.here.logs}:log-group:/aws/parallelcluster/${var.cluster_prefix}*"
  cleaner_log = "${local.here.logs}:log-group:/aws/lambda/pcluster-CleanupResources-*"

  node_policies = concat(["arn:${local.partition}:iam::aws:policy/CloudWatchAgentServerPolicy"], var.node_policy_arns)

  # Whoever makes roles could make one that may do more than itself; the boundary is what stands against
  # that. IAM looks at the role that is changed, too.
  bounded = var.permissions_boundary == null ? {} : {
    StringEquals = { "iam:PermissionsBoundary" = var.permissions_boundary }
  }

  # What the provider's function does, from the calls of aws-parallelcluster 3.16.1 and of the resources
  # in its template, for clusters as this repository writes them: no managed DNS, no login nodes, no file
  # systems or volumes of ParallelCluster's own. AWS's policies, which the provider stack would make
  # otherwise, are for everything ParallelCluster can do, with any name.
  #
  # CloudFormation makes a cluster's stack with the same rights: no service role is passed.
  # A resource "*" stands only where IAM knows no narrower one: describing calls of EC2, FSx and CloudWatch,
  # composite alarms, and X-Ray (Service Authorization Reference; CloudWatch API, PutCompositeAlarm).
  policies = {
    compute = [
      {
        Sid    = "Look"
        Effect = "Allow"
        Action = [
          "ec2:DescribeAddresses",
          "ec2:DescribeAvailabilityZones",
          "ec2:DescribeCapacityReservations",
          "ec2:DescribeIamInstanceProfileAssociations",
          "ec2:DescribeImages",
          "ec2:DescribeInstanceCreditSpecifications",
          "ec2:DescribeInstanceStatus",
          "ec2:DescribeInstanceTypeOfferings",
          "ec2:DescribeInstanceTypes",
          "ec2:DescribeInstances",
          "ec2:DescribeKeyPairs",
          "ec2:DescribeLaunchTemplateVersions",
          "ec2:DescribeLaunchTemplates",
          "ec2:DescribeNetworkInterfaceAttribute",
          "ec2:DescribeNetworkInterfaces",
          "ec2:DescribePlacementGroups",
          "ec2:DescribeRouteTables",
          "ec2:DescribeSecurityGroupRules",
          "ec2:DescribeSecurityGroups",
          "ec2:DescribeSnapshots",
          "ec2:DescribeSubnets",
          "ec2:DescribeTags",
          "ec2:DescribeVolumes",
          "ec2:DescribeVpcs",
        ]
        Resource = "*"
      },
      {
        Sid    = "LookClosely"
        Effect = "Allow"
        Action = ["ec2:DescribeImageAttribute", "ec2:DescribeInstanceAttribute", "ec2:DescribeVpcAttribute"]
        Resource = [
          "arn:${local.partition}:ec2:${local.region}::image/*",
          "${local.here.ec2}:instance/*",
          "${local.here.ec2}:vpc/*",
        ]
      },
      {
        # The head node, and dry runs of every instance type before it.
        Sid    = "Launch"
        Effect = "Allow"
        Action = ["ec2:RunInstances"]
        Resource = concat(["arn:${local.partition}:ec2:${local.region}::image/*"], [
          for kind in ["instance", "key-pair", "launch-template", "network-interface", "placement-group", "security-group", "subnet", "volume"] :
          "${local.here.ec2}:${kind}/*"
        ])
      },
      {
        Sid    = "Build"
        Effect = "Allow"
        Action = [
          "ec2:AttachNetworkInterface",
          "ec2:AuthorizeSecurityGroupEgress",
          "ec2:AuthorizeSecurityGroupIngress",
          "ec2:CreateLaunchTemplate",
          "ec2:CreateLaunchTemplateVersion",
          "ec2:CreateNetworkInterface",
          "ec2:CreatePlacementGroup",
          "ec2:CreateSecurityGroup",
          "ec2:DeleteLaunchTemplate",
          "ec2:DeleteLaunchTemplateVersions",
          "ec2:DeleteNetworkInterface",
          "ec2:DeletePlacementGroup",
          "ec2:DeleteSecurityGroup",
          "ec2:ModifyLaunchTemplate",
          "ec2:ModifyNetworkInterfaceAttribute",
          "ec2:RevokeSecurityGroupEgress",
          "ec2:RevokeSecurityGroupIngress",
        ]
        Resource = [
          for kind in ["instance", "launch-template", "network-interface", "placement-group", "security-group", "security-group-rule", "subnet", "vpc"] :
          "${local.here.ec2}:${kind}/*"
        ]
      },
      {
        # Of what it makes; neither VPC nor subnets, which are found by their tags.
        Sid    = "Tag"
        Effect = "Allow"
        Action = ["ec2:CreateTags", "ec2:DeleteTags"]
        Resource = [
          for kind in ["instance", "launch-template", "network-interface", "placement-group", "security-group", "security-group-rule", "volume"] :
          "${local.here.ec2}:${kind}/*"
        ]
      },
      {
        # Head node and compute nodes carry the name of their cluster; other instances are left alone.
        Sid       = "Terminate"
        Effect    = "Allow"
        Action    = ["ec2:TerminateInstances"]
        Resource  = "${local.here.ec2}:instance/*"
        Condition = { StringLike = { "aws:ResourceTag/parallelcluster:cluster-name" = "${var.cluster_prefix}*" } }
      },
    ]

    stacks = [
      {
        Sid       = "Make"
        Effect    = "Allow"
        Action    = ["cloudformation:CreateStack", "cloudformation:UpdateStack"]
        Resource  = local.stacks
        Condition = { "ForAnyValue:StringEquals" = { "aws:TagKeys" = ["parallelcluster:cluster-name"] } }
      },
      {
        Sid    = "FollowAndDelete"
        Effect = "Allow"
        Action = [
          "cloudformation:DeleteStack",
          "cloudformation:DescribeStackEvents",
          "cloudformation:DescribeStackResource",
          "cloudformation:DescribeStackResources",
          "cloudformation:DescribeStacks",
          "cloudformation:GetTemplate",
        ]
        Resource = local.stacks
      },
      {
        # The fleet's status, and Slurm's view of its nodes.
        Sid    = "Tables"
        Effect = "Allow"
        Action = [
          "dynamodb:CreateTable",
          "dynamodb:DeleteTable",
          "dynamodb:DescribeTable",
          "dynamodb:GetItem",
          "dynamodb:ListTagsOfResource",
          "dynamodb:PutItem",
          "dynamodb:Query",
          "dynamodb:TagResource",
          "dynamodb:UntagResource",
          "dynamodb:UpdateItem",
        ]
        Resource = [
          "${local.here.dynamodb}:table/parallelcluster-${var.cluster_prefix}*",
          "${local.here.dynamodb}:table/parallelcluster-slurm-${var.cluster_prefix}*",
        ]
      },
      {
        # Each cluster's own function, which clears its files when it goes.
        Sid    = "Cleaner"
        Effect = "Allow"
        Action = [
          "lambda:CreateFunction",
          "lambda:DeleteFunction",
          "lambda:GetFunction",
          "lambda:GetFunctionConfiguration",
          "lambda:InvokeFunction",
          "lambda:ListTags",
          "lambda:TagResource",
          "lambda:UntagResource",
          "lambda:UpdateFunctionConfiguration",
        ]
        Resource = local.cleaners
      },
      {
        Sid    = "Logs"
        Effect = "Allow"
        Action = [
          "logs:CreateLogGroup",
          "logs:DeleteLogGroup",
          "logs:DeleteMetricFilter",
          "logs:DescribeMetricFilters",
          "logs:ListTagsForResource",
          "logs:PutMetricFilter",
          "logs:PutRetentionPolicy",
          "logs:TagResource",
          "logs:UntagResource",
        ]
        Resource = [local.cluster_log, local.cleaner_log]
      },
      {
        # A search by prefix, for which IAM knows no resource.
        Sid      = "FindLogs"
        Effect   = "Allow"
        Action   = ["logs:DescribeLogGroups"]
        Resource = "*"
      },
      {
        Sid    = "Watch"
        Effect = "Allow"
        Action = [
          "cloudwatch:DeleteAlarms",
          "cloudwatch:DeleteDashboards",
          "cloudwatch:GetDashboard",
          "cloudwatch:PutDashboard",
          "cloudwatch:PutMetricAlarm",
          "cloudwatch:TagResource",
          "cloudwatch:UntagResource",
        ]
        Resource = [
          "${local.cloudwatch}:alarm:${var.cluster_prefix}*",
          # A dashboard's ARN has no region.
          "arn:${local.partition}:cloudwatch::${local.account}:dashboard/${var.cluster_prefix}*",
        ]
      },
      {
        # CloudWatch takes composite alarms, and tells of them, with a right on "*" only.
        Sid      = "WatchTogether"
        Effect   = "Allow"
        Action   = ["cloudwatch:DescribeAlarms", "cloudwatch:PutCompositeAlarm"]
        Resource = "*"
      },
    ]

    roles = [
      {
        Sid    = "ReadRoles"
        Effect = "Allow"
        Action = [
          "iam:GetInstanceProfile",
          "iam:GetRole",
          "iam:GetRolePolicy",
          "iam:ListAttachedRolePolicies",
          "iam:ListRolePolicies",
        ]
        Resource = [local.roles, local.profiles]
      },
      {
        Sid      = "ReadPolicies"
        Effect   = "Allow"
        Action   = ["iam:GetPolicy"]
        Resource = local.node_policies
      },
      {
        Sid      = "TendRoles"
        Effect   = "Allow"
        Action   = ["iam:DeleteRole", "iam:TagRole", "iam:UntagRole"]
        Resource = local.roles
      },
      merge(
        {
          Sid      = "MakeRoles"
          Effect   = "Allow"
          Action   = ["iam:CreateRole", "iam:DeleteRolePolicy", "iam:PutRolePolicy"]
          Resource = local.roles
        },
        var.permissions_boundary == null ? {} : { Condition = local.bounded }
      ),
      {
        Sid       = "AttachPolicies"
        Effect    = "Allow"
        Action    = ["iam:AttachRolePolicy", "iam:DetachRolePolicy"]
        Resource  = local.roles
        Condition = merge({ ArnEquals = { "iam:PolicyARN" = local.node_policies } }, local.bounded)
      },
      {
        Sid    = "Profiles"
        Effect = "Allow"
        Action = [
          "iam:AddRoleToInstanceProfile",
          "iam:CreateInstanceProfile",
          "iam:DeleteInstanceProfile",
          "iam:RemoveRoleFromInstanceProfile",
        ]
        Resource = local.profiles
      },
      {
        Sid      = "HandRolesOn"
        Effect   = "Allow"
        Action   = ["iam:PassRole"]
        Resource = local.roles
        Condition = { StringEquals = {
          "iam:PassedToService" = ["ec2.${data.aws_partition.this.dns_suffix}", "ec2.amazonaws.com", "lambda.amazonaws.com"]
        } }
      },
    ]

    storage = [
      {
        # Apart from the rest: a bucket that does not exist yet is nobody's.
        Sid      = "MakeBucket"
        Effect   = "Allow"
        Action   = ["s3:CreateBucket"]
        Resource = "arn:${local.partition}:s3:::parallelcluster-*-do-not-delete"
      },
      {
        # ParallelCluster's own bucket of the account, and the one that the provider stack makes: both
        # names start with parallelcluster-. Nobody else's bucket of such a name.
        Sid    = "Buckets"
        Effect = "Allow"
        Action = [
          "s3:DeleteObject",
          "s3:DeleteObjectVersion",
          "s3:GetBucketLocation",
          "s3:GetObject",
          "s3:GetObjectVersion",
          "s3:ListBucket",
          "s3:ListBucketVersions",
          "s3:PutBucketPolicy",
          "s3:PutBucketVersioning",
          "s3:PutEncryptionConfiguration",
          "s3:PutObject",
        ]
        Resource = [
          "arn:${local.partition}:s3:::parallelcluster-*",
          "arn:${local.partition}:s3:::parallelcluster-*/*",
        ]
        Condition = { StringEquals = { "aws:ResourceAccount" = local.account } }
      },
      {
        Sid    = "ReleaseFiles"
        Effect = "Allow"
        Action = ["s3:GetObject", "s3:ListBucket"]
        Resource = [
          "arn:${local.partition}:s3:::${local.region}-aws-parallelcluster",
          "arn:${local.partition}:s3:::${local.region}-aws-parallelcluster/*",
        ]
      },
      {
        # A project's bucket is named by the account; of its content only the scripts are looked at.
        Sid      = "NodeScripts"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = "arn:${local.partition}:s3:::${var.cluster_prefix}${local.account}-*/${var.scripts_prefix}/*"
      },
      {
        # ParallelCluster asks whether the secret of the accounting database is there, not what it is.
        Sid      = "AccountingSecret"
        Effect   = "Allow"
        Action   = ["secretsmanager:DescribeSecret"]
        Resource = "${local.here.secretsmanager}:secret:provisioner/${var.cluster_prefix}*"
      },
      {
        Sid    = "FileSystems"
        Effect = "Allow"
        Action = [
          "elasticfilesystem:DescribeAccessPoints",
          "elasticfilesystem:DescribeFileSystems",
          "elasticfilesystem:DescribeMountTargetSecurityGroups",
          "elasticfilesystem:DescribeMountTargets",
        ]
        Resource = ["${local.here.elasticfilesystem}:access-point/*", "${local.here.elasticfilesystem}:file-system/*"]
      },
      {
        # FSx knows no resource of its describing calls.
        Sid      = "LustreFileSystems"
        Effect   = "Allow"
        Action   = ["fsx:DescribeDataRepositoryAssociations", "fsx:DescribeFileSystems"]
        Resource = "*"
      },
    ]

    function = [
      {
        # Its own log group, which the stack makes. The function's name ends in the id of a stack that
        # does not exist yet when this is written.
        Sid      = "OwnLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${local.here.logs}:log-group:/aws/lambda/pcluster-cfn-*"
      },
      {
        # The poller of an operation: a rule named by the resource's logical id, which is Cluster in
        # modules/parallelcluster, and 8 random letters.
        Sid      = "Poller"
        Effect   = "Allow"
        Action   = ["events:DeleteRule", "events:PutRule", "events:PutTargets", "events:RemoveTargets"]
        Resource = "${local.here.events}:rule/Cluster*"
      },
      {
        Sid       = "LetPollerCall"
        Effect    = "Allow"
        Action    = ["lambda:AddPermission"]
        Resource  = "${local.here.lambda}:function:pcluster-cfn-*"
        Condition = { StringEquals = { "lambda:Principal" = "events.amazonaws.com" } }
      },
      {
        Sid      = "EndPoller"
        Effect   = "Allow"
        Action   = ["lambda:RemovePermission"]
        Resource = "${local.here.lambda}:function:pcluster-cfn-*"
      },
      {
        # The function traces itself; X-Ray knows no resource to write traces to.
        Sid      = "Trace"
        Effect   = "Allow"
        Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
        Resource = "*"
      },
    ]
  }
  documents = {
    for name, statements in local.policies : name => jsonencode({ Version = "2012-10-17", Statement = statements })
  }
}
