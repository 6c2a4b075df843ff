output "id" {
  description = "Id of the peering connection, given once it is active."
  value       = local.active_id
}
