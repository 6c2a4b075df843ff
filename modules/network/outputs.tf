output "vpc_id" {
  description = "Id of the VPC."
  value       = aws_vpc.this.id
}

output "vpc_cidr_block" {
  description = "IPv4 block of the VPC."
  value       = aws_vpc.this.cidr_block
}

output "project_ranges" {
  description = "Parts of the VPC's block from which projects get their subnets."
  value       = var.project_ranges
}

output "project_subnets" {
  description = "How many project subnets the ranges hold, by prefix length. AWS's default quota is 200 subnets in a VPC, with those of this module."
  value = {
    for prefix_length in range(20, 28) : prefix_length => sum([
      for block in var.project_ranges : floor(pow(2, prefix_length - tonumber(split("/", block)[1])))
    ])
  }
}

output "endpoint_subnet_ids" {
  description = "Subnets of the interface endpoints, in the order of zones."
  value       = local.subnet_ids.endpoints
}

output "database_subnet_ids" {
  description = "Subnets for databases, in the order of zones."
  value       = local.subnet_ids.database
}

output "function_subnet_ids" {
  description = "Subnets for Lambda functions, in the order of zones. They reach the endpoints and the databases, nothing else."
  value       = local.subnet_ids.functions

  # A function that starts before its subnets are routed and open fails on its first call.
  depends_on = [
    aws_network_acl.this,
    aws_route_table_association.this,
  ]
}

output "project_route_table_id" {
  description = "Route table of the projects' subnets."
  value       = aws_route_table.projects.id
}

output "infrastructure_route_table_id" {
  description = "Route table of the subnets of this module."
  value       = aws_route_table.infrastructure.id
}

output "project_network_acl_id" {
  description = "Network ACL of the projects' subnets: the VPC's default one."
  value       = aws_default_network_acl.projects.id
}

output "endpoint_access_security_group_id" {
  description = "Security group to carry for calling AWS through the endpoints."
  value       = aws_security_group.endpoint_access.id

  # Who carries it can use it.
  depends_on = [
    aws_vpc_endpoint.gateway,
    aws_vpc_endpoint.interface,
    aws_vpc_security_group_egress_rule.endpoint_access,
    aws_vpc_security_group_egress_rule.gateways,
    aws_vpc_security_group_ingress_rule.endpoints,
  ]
}

output "workflow_access_security_group_id" {
  description = "Security group that head nodes carry to be reached by the Workflow Service and the provisioner."
  value       = aws_security_group.workflow_access.id
}

output "endpoint_ids" {
  description = "VPC endpoints, by service."
  value       = { for service, endpoint in merge(aws_vpc_endpoint.gateway, aws_vpc_endpoint.interface) : service => endpoint.id }
}

output "flow_log_group_name" {
  description = "CloudWatch log group of the flow logs."
  value       = aws_cloudwatch_log_group.flow_logs.name
}
