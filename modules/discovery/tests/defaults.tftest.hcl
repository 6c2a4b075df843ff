# The tags as Terraform sees them.

run "tags" {
  command = plan

  assert {
    condition     = output.shared.vpc == { "provisioner:shared" = "vpc" }
    error_message = "The shared VPC must be found by the tag that the engine looks for."
  }

  assert {
    condition = toset(keys(output.shared)) == toset([
      "vpc", "project_route_table", "endpoint_access", "accounting_access", "workflow_access",
    ])
    error_message = "Every shared thing that workspaces look up by tag must have one."
  }

  assert {
    condition     = length(distinct([for tag in values(output.shared) : one(values(tag))])) == length(output.shared)
    error_message = "Two shared things must not share a tag."
  }

  assert {
    condition     = output.managed_by == { "provisioner:managed-by" = "parallelcluster-provisioner" }
    error_message = "What this repository makes must say so."
  }

  assert {
    condition     = output.keys.address == "provisioner:address"
    error_message = "The address tag must be the one that recovery looks for."
  }
}
