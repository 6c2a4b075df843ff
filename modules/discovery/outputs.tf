output "keys" {
  description = "Tag keys by role: vlab, project, owner, address, managed_by, shared."
  value       = local.definitions.keys
}

output "shared" {
  description = "By role of a shared thing, the tag by which workspaces find it, as a map to merge into its tags: vpc, project_route_table, endpoint_access, accounting_access, workflow_access."
  value       = { for role, value in local.definitions.shared : role => { (local.definitions.keys.shared) = value } }
}

output "managed_by" {
  description = "The tag that says this engine's repository made a thing."
  value       = { (local.definitions.keys.managed_by) = local.definitions.values.managed_by }
}
