# The stack, and what its role may and may not do.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = {
      partition  = "aws"
      dns_suffix = "amazonaws.com"
    }
  }
  mock_data "aws_region" {
    defaults = {
      name = "us-east-1"
    }
  }
  mock_data "aws_caller_identity" {
    defaults = {
      account_id = "123456789012"
    }
  }
  mock_resource "aws_iam_role" {
    defaults = {
      arn = "arn:aws:iam::123456789012:role/parallelcluster-provider-3-16-1-us-east-1"
    }
    override_during = plan
  }
  mock_resource "aws_cloudformation_stack" {
    defaults = {
      outputs = {
        ServiceToken   = "arn:aws:lambda:us-east-1:123456789012:function:pcluster-cfn-0a1b"
        LogGroupArn    = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/pcluster-cfn-0a1b:*"
        LambdaLayerArn = "arn:aws:lambda:us-east-1:123456789012:layer:PCLayer-0a1b:1"
      }
    }
    override_during = plan
  }
}

variables {
  pcluster_version = "3.16.1"
}

run "aws_own_template_with_our_role" {
  command = plan

  assert {
    condition     = aws_cloudformation_stack.this.name == "parallelcluster-provider-3-16-1"
    error_message = "The stack must have the name under which the engine looks for it."
  }

  assert {
    condition     = aws_cloudformation_stack.this.template_url == "https://us-east-1-aws-parallelcluster.s3.us-east-1.amazonaws.com/parallelcluster/3.16.1/templates/custom_resource/cluster.yaml"
    error_message = "The template must be AWS's own of that release, from the region's bucket."
  }

  assert {
    condition = (
      toset(aws_cloudformation_stack.this.capabilities) == toset(["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]) &&
      aws_cloudformation_stack.this.parameters == tomap({ CustomLambdaRole = aws_iam_role.this.arn }) &&
      aws_cloudformation_stack.this.on_failure == "DELETE"
    )
    error_message = "The stack must take the module's role and the two capabilities, and go again when it fails."
  }

  assert {
    condition = (
      jsondecode(aws_iam_role.this.assume_role_policy).Statement[0].Principal == { Service = "lambda.amazonaws.com" } &&
      length(jsondecode(aws_iam_role.this.assume_role_policy).Statement) == 1
    )
    error_message = "Lambda alone may take the role."
  }

  assert {
    condition = (
      output.service_token == "arn:aws:lambda:us-east-1:123456789012:function:pcluster-cfn-0a1b" &&
      output.stack_name == "parallelcluster-provider-3-16-1" &&
      output.version == "3.16.1" &&
      output.role_arn == aws_iam_role.this.arn
    )
    error_message = "The outputs must be those of the stack and the role."
  }
}

run "no_name_is_shared_with_another_release_or_region" {
  command = plan

  assert {
    condition = alltrue([
      for name in concat([aws_iam_role.this.name], [for policy in aws_iam_policy.this : policy.name]) :
      startswith(name, "parallelcluster-provider-3-16-1-us-east-1")
    ])
    error_message = "Names in IAM must carry release and region."
  }
}

run "narrow" {
  command = plan

  assert {
    condition = alltrue(flatten([
      for policy in aws_iam_policy.this : [
        for statement in jsondecode(policy.policy).Statement : [
          for action in flatten([statement.Action]) : !strcontains(action, "*")
        ]
      ]
    ]))
    error_message = "Every action must be written out."
  }

  assert {
    condition = toset(flatten([
      for policy in aws_iam_policy.this : [
        for statement in jsondecode(policy.policy).Statement : statement.Sid if contains(flatten([statement.Resource]), "*")
      ]
    ])) == toset(["FindLogs", "Look", "LustreFileSystems", "Trace", "WatchTogether"])
    error_message = "A resource * may stand only where IAM knows no narrower one."
  }

  assert {
    condition = alltrue([
      for policy in aws_iam_policy.this : length(policy.policy) <= 6144
    ])
    error_message = "IAM takes 6144 characters in a policy."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_policy.this["roles"].policy).Statement :
      alltrue([
        for resource in flatten([statement.Resource]) :
        startswith(resource, "arn:aws:iam::123456789012:role/parallelcluster/pc-") ||
        startswith(resource, "arn:aws:iam::123456789012:instance-profile/parallelcluster/pc-")
      ]) if statement.Sid != "ReadPolicies"
    ])
    error_message = "Roles are made for clusters of ours only, under /parallelcluster/."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_policy.this["roles"].policy).Statement :
      toset(statement.Condition.StringEquals["iam:PassedToService"]) == toset(["ec2.amazonaws.com", "lambda.amazonaws.com"])
      if contains(statement.Action, "iam:PassRole")
    ])
    error_message = "Roles may be handed to EC2 and Lambda only."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_policy.this["roles"].policy).Statement :
      statement.Condition.ArnEquals["iam:PolicyARN"] == ["arn:aws:iam::aws:policy/CloudWatchAgentServerPolicy"]
      if contains(statement.Action, "iam:AttachRolePolicy")
    ])
    error_message = "No other managed policy may be attached than the one that nodes need."
  }
}

run "boundary_on_every_role" {
  command = plan

  variables {
    permissions_boundary = "arn:aws:iam::123456789012:policy/boundary"
    node_policy_arns     = ["arn:aws:iam::123456789012:policy/parallelcluster-more"]
  }

  assert {
    condition     = aws_iam_role.this.permissions_boundary == var.permissions_boundary
    error_message = "The provider's own role must carry the boundary."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_policy.this["roles"].policy).Statement :
      statement.Condition.StringEquals["iam:PermissionsBoundary"] == var.permissions_boundary
      if length(setintersection(statement.Action, ["iam:CreateRole", "iam:PutRolePolicy", "iam:DeleteRolePolicy", "iam:AttachRolePolicy", "iam:DetachRolePolicy"])) > 0
    ])
    error_message = "No role without the boundary may be made or changed."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_policy.this["roles"].policy).Statement :
      contains(statement.Condition.ArnEquals["iam:PolicyARN"], "arn:aws:iam::123456789012:policy/parallelcluster-more")
      if contains(statement.Action, "iam:AttachRolePolicy")
    ])
    error_message = "The caller's policies may be attached too."
  }
}

run "without_token_is_not_done" {
  command = plan

  override_resource {
    target          = aws_cloudformation_stack.this
    override_during = plan
    values = {
      outputs = { LogGroupArn = "arn:aws:logs:us-east-1:123456789012:log-group:x" }
    }
  }

  expect_failures = [aws_cloudformation_stack.this]
}

run "tags_of_a_module_call" {
  command = plan

  variables {
    address = "module.pcluster_provider.3.16.1"
    tags    = { CostCentre = "42" }
  }

  assert {
    condition = aws_cloudformation_stack.this.tags == tomap({
      CostCentre            = "42"
      Name                  = "parallelcluster-provider-3-16-1"
      "provisioner:address" = "module.pcluster_provider.3.16.1.aws_cloudformation_stack.this"
    })
    error_message = "The stack must carry its name, its address and the caller's tags."
  }

  assert {
    condition     = aws_iam_policy.this["roles"].tags["provisioner:address"] == "module.pcluster_provider.3.16.1.aws_iam_policy.this.roles"
    error_message = "Each policy must carry its address."
  }
}
