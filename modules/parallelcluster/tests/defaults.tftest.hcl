# The template of the stack, the group of the nodes, and what counts as a finished cluster.

mock_provider "aws" {
  mock_resource "aws_security_group" {
    defaults = {
      id = "sg-0123456789abcdef0"
    }
    override_during = plan
  }
  mock_resource "aws_cloudformation_stack" {
    defaults = {
      id = "arn:aws:cloudformation:us-east-1:123456789012:stack/pc-lab-1-proj-1-abcdefghij-stack/0a1b"
      outputs = {
        ClusterStatus          = "CREATE_COMPLETE"
        ClusterStackArn        = "arn:aws:cloudformation:us-east-1:123456789012:stack/pc-lab-1-proj-1-abcdefghij/2c3d"
        HeadNodeInstanceId     = "i-0123456789abcdef0"
        HeadNodePrivateIp      = "10.42.64.10"
        ParallelClusterVersion = "3.16.1"
      }
    }
    override_during = plan
  }
}

variables {
  name          = "pc-lab-1-proj-1-abcdefghij"
  cluster_name  = "pc-lab-1-proj-1-abcdefghij"
  stack_name    = "pc-lab-1-proj-1-abcdefghij-stack"
  service_token = "arn:aws:lambda:us-east-1:123456789012:function:pcluster-cfn-0a1b2c3d"
  vpc_id        = "vpc-0123456789abcdef0"
  cluster_configuration = {
    Image    = { Os = "alinux2023" }
    HeadNode = { InstanceType = "t3.medium" }
    Scheduling = {
      Scheduler   = "slurm"
      SlurmQueues = [{ Name = "first", Max = 10 }, { Name = "second", Efa = { Enabled = true } }]
    }
  }
}

run "template" {
  command = plan

  assert {
    condition = jsondecode(aws_cloudformation_stack.this.template_body).Resources == {
      Cluster = {
        Type = "Custom::PclusterCluster"
        Properties = {
          ServiceToken         = var.service_token
          ClusterName          = var.cluster_name
          ClusterConfiguration = var.cluster_configuration
          DeletionPolicy       = "Delete"
        }
      }
    }
    error_message = "The stack must hold the cluster, with its configuration as given and no property that create or update refuses."
  }

  assert {
    condition = {
      for name, output in jsondecode(aws_cloudformation_stack.this.template_body).Outputs : name => join(".", output.Value["Fn::GetAtt"])
      } == {
      ClusterStackArn        = "Cluster.cloudformationStackArn"
      ClusterStatus          = "Cluster.clusterStatus"
      HeadNodeInstanceId     = "Cluster.headNode.instanceId"
      HeadNodePrivateIp      = "Cluster.headNode.privateIpAddress"
      ParallelClusterVersion = "Cluster.version"
    }
    error_message = "The outputs must be those that exist in a private subnet and stay the same between updates."
  }

  assert {
    condition     = aws_cloudformation_stack.this.name == "pc-lab-1-proj-1-abcdefghij-stack" && aws_cloudformation_stack.this.on_failure == null
    error_message = "on_failure must be left out: written down it replaces an imported stack."
  }

  assert {
    condition = (
      aws_cloudformation_stack.this.timeouts.create == "75m" &&
      aws_cloudformation_stack.this.timeouts.update == "75m" &&
      aws_cloudformation_stack.this.timeouts.delete == "75m"
    )
    error_message = "Terraform must wait longer than CloudFormation's hour."
  }

  assert {
    condition     = aws_cloudformation_stack.this.tags == tomap({ "provisioner:address" = "aws_cloudformation_stack.this" })
    error_message = "The stack must not carry a Name tag: ParallelCluster would put it on the nodes a second time."
  }
}

run "closed_group" {
  command = plan

  variables {
    address = "module.parallelcluster.0"
    tags    = { CostCentre = "42" }
  }

  assert {
    condition     = aws_security_group.this.name == "pc-lab-1-proj-1-abcdefghij-nodes"
    error_message = "The nodes' group must be named after the cluster."
  }

  assert {
    condition = aws_security_group.this.tags == tomap({
      CostCentre            = "42"
      Name                  = "pc-lab-1-proj-1-abcdefghij-nodes"
      "provisioner:address" = "module.parallelcluster.0.aws_security_group.this"
    })
    error_message = "The group must carry its name, its address and the caller's tags."
  }

  assert {
    condition     = aws_cloudformation_stack.this.tags["provisioner:address"] == "module.parallelcluster.0.aws_cloudformation_stack.this" && aws_cloudformation_stack.this.tags["CostCentre"] == "42"
    error_message = "The stack must carry its address and the caller's tags."
  }
}

run "outputs" {
  command = plan

  assert {
    condition = [
      output.security_group_id, output.stack_name, output.cluster_name, output.cluster_status,
      output.cluster_version, output.head_node_private_ip, output.head_node_instance_id,
      ] == [
      "sg-0123456789abcdef0", "pc-lab-1-proj-1-abcdefghij-stack", "pc-lab-1-proj-1-abcdefghij", "CREATE_COMPLETE",
      "3.16.1", "10.42.64.10", "i-0123456789abcdef0",
    ]
    error_message = "The outputs must be what the stack says."
  }

  assert {
    condition     = endswith(output.stack_id, "-stack/0a1b") && endswith(output.cluster_stack_arn, "/2c3d")
    error_message = "Parent stack and cluster stack must not be mixed up."
  }
}

# 25,600 letters of two bytes each: counted in characters, it would pass.
run "refuses_template_above_the_limit_in_bytes" {
  command = plan

  variables {
    cluster_configuration = {
      Image      = { Os = "alinux2023" }
      HeadNode   = { InstanceType = "t3.medium" }
      Scheduling = { Scheduler = "slurm", Comment = join("", [for i in range(1024) : join("", [for j in range(25) : "é"])]) }
    }
  }

  expect_failures = [aws_cloudformation_stack.this]
}

run "takes_template_of_the_limit" {
  command = plan

  variables {
    cluster_configuration = {
      Image      = { Os = "alinux2023" }
      HeadNode   = { InstanceType = "t3.medium" }
      Scheduling = { Scheduler = "slurm", Comment = join("", [for i in range(500) : format("%0100d", i)]) }
    }
  }

  assert {
    condition     = length(aws_cloudformation_stack.this.template_body) > 50000 && length(aws_cloudformation_stack.this.template_body) <= 51200
    error_message = "The test must be close to the limit to say anything."
  }
}

run "stack_without_head_node_is_not_done" {
  command = plan

  override_resource {
    target          = aws_cloudformation_stack.this
    override_during = plan
    values = {
      outputs = { ClusterStatus = "CREATE_COMPLETE" }
    }
  }

  expect_failures = [aws_cloudformation_stack.this]
}

run "stack_in_progress_is_not_done" {
  command = plan

  override_resource {
    target          = aws_cloudformation_stack.this
    override_during = plan
    values = {
      outputs = {}
    }
  }

  expect_failures = [aws_cloudformation_stack.this]
}

run "failed_cluster_is_not_done" {
  command = plan

  override_resource {
    target          = aws_cloudformation_stack.this
    override_during = plan
    values = {
      outputs = { ClusterStatus = "UPDATE_FAILED", HeadNodePrivateIp = "10.42.64.10" }
    }
  }

  expect_failures = [aws_cloudformation_stack.this]
}

run "updated_cluster_is_done" {
  command = plan

  override_resource {
    target          = aws_cloudformation_stack.this
    override_during = plan
    values = {
      outputs = { ClusterStatus = "UPDATE_COMPLETE", HeadNodePrivateIp = "10.42.64.10" }
    }
  }

  assert {
    condition     = output.cluster_status == "UPDATE_COMPLETE"
    error_message = "A cluster after an update is as complete as one after its create."
  }
}
