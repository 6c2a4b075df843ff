locals {
  tags    = merge(var.tags, { Name = var.name })
  address = var.address == "" ? "" : "${var.address}."

  template = jsonencode({
    AWSTemplateFormatVersion = "2010-09-09"
    Description              = "ParallelCluster ${var.cluster_name}, driven through the shared provider stack"
    Resources = {
      Cluster = {
        Type = "Custom::PclusterCluster"
        # RollbackOnFailure and ForceUpdate are refused by the library's update and create in turn,
        # and ServiceTimeout by both: none of them may stand here.
        Properties = {
          ServiceToken         = var.service_token
          ClusterName          = var.cluster_name
          ClusterConfiguration = var.cluster_configuration
          DeletionPolicy       = "Delete"
        }
      }
    }
    # Only what stays the same between two updates. headNode.publicIpAddress does not exist in a
    # private subnet, and asking for it fails the stack.
    Outputs = {
      for name, attribute in {
        ClusterStatus          = "clusterStatus"
        ClusterStackArn        = "cloudformationStackArn"
        HeadNodeInstanceId     = "headNode.instanceId"
        HeadNodePrivateIp      = "headNode.privateIpAddress"
        ParallelClusterVersion = "version"
      } : name => { Value = { "Fn::GetAtt" = ["Cluster", attribute] } }
    }
  })

  # CloudFormation counts bytes, length() counts characters: four base64 digits hold three bytes.
  template_bytes     = floor(length(replace(base64encode(local.template), "=", "")) * 3 / 4)
  template_bytes_max = 51200
}

resource "aws_security_group" "this" {
  #checkov:skip=CKV2_AWS_5: ParallelCluster attaches the group to every node it starts, as the cluster's configuration says; Terraform makes none of the nodes.

  name        = "${var.cluster_name}-nodes"
  description = "Nodes of the cluster ${var.cluster_name}"
  vpc_id      = var.vpc_id

  tags = merge(local.tags, {
    Name                  = "${var.cluster_name}-nodes"
    "provisioner:address" = "${local.address}aws_security_group.this"
  })
}

# No capabilities: a template with nothing but a custom resource needs none.
#
# No on_failure either, although ROLLBACK, CloudFormation's default, is what we want: it takes a
# half-made cluster away again (the provider deletes it by its name) and leaves the stack's events
# to read. Written out, it would force a new stack, and so a new cluster, after an import, because
# AWS does not report it back.
resource "aws_cloudformation_stack" "this" {
  #checkov:skip=CKV_AWS_124: The engine waits for every operation on this stack and tells its events itself; a topic for each cluster would have no reader.

  name          = var.stack_name
  template_body = local.template

  # No Name tag: ParallelCluster takes over the tags of this stack, and its launch templates would
  # then carry Name twice, which EC2 refuses.
  tags = merge(var.tags, { "provisioner:address" = "${local.address}aws_cloudformation_stack.this" })

  # CloudFormation gives the custom resource one hour, and the provider adds a few polls.
  timeouts {
    create = "75m"
    update = "75m"
    delete = "75m"
  }

  lifecycle {
    precondition {
      condition     = local.template_bytes <= local.template_bytes_max
      error_message = "The stack template of cluster ${var.cluster_name} has ${local.template_bytes} bytes and CloudFormation takes at most ${local.template_bytes_max}. Use fewer queues, compute resources or custom settings."
    }

    # The provider reads a stack without looking at its status: one that is still in progress, or
    # failed, would otherwise count as done.
    postcondition {
      condition = try(
        self.outputs["HeadNodePrivateIp"] != "" &&
        contains(["CREATE_COMPLETE", "UPDATE_COMPLETE"], self.outputs["ClusterStatus"]),
        false
      )
      error_message = "The cluster ${var.cluster_name} is not complete: the stack ${var.stack_name} gives no head node, or a status other than CREATE_COMPLETE and UPDATE_COMPLETE. Look at the stack's events; wait if it is still in progress, and replace it if it failed."
    }
  }
}
