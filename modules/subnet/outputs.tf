output "id" {
  description = "Id of the subnet, given once its route table is in place."
  value       = aws_subnet.this.id

  # Without its route table a subnet falls back to the VPC's main one, where a starting node
  # would not find the S3 and DynamoDB endpoints.
  depends_on = [aws_route_table_association.this]
}

output "arn" {
  description = "ARN of the subnet."
  value       = aws_subnet.this.arn
}

output "cidr_block" {
  description = "IPv4 block of the subnet."
  value       = aws_subnet.this.cidr_block
}

output "availability_zone" {
  description = "Availability zone of the subnet."
  value       = aws_subnet.this.availability_zone
}
