variable "account_id" {
  description = "AWS account, 12 digits in quotes; Terraform refuses to work in any other."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits, in quotes."
  }
}

variable "region" {
  description = "AWS region of everything."
  type        = string
  nullable    = false
}

variable "state_bucket" {
  description = "Bucket of Terraform's states; provisioner-state-<account>-<region> where left out."
  type        = string
  default     = null
}

variable "lock_table" {
  description = "DynamoDB table of Terraform's state locks."
  type        = string
  default     = "provisioner-terraform-locks"
  nullable    = false
}

variable "registry_table" {
  description = "DynamoDB table of projects and of the address blocks they hold."
  type        = string
  default     = "provisioner-registry"
  nullable    = false
}

variable "plan_days" {
  description = "After how many days the state bucket deletes a saved plan."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.plan_days >= 1 && var.plan_days <= 90 && floor(var.plan_days) == var.plan_days
    error_message = "plan_days must be a whole number from 1 to 90."
  }
}

variable "deletion_protection" {
  description = "Whether DynamoDB refuses to delete the tables. false is one step of taking the backend down on purpose."
  type        = bool
  default     = true
  nullable    = false
}

variable "tags" {
  description = "Tags for everything, on top of the one that says who made it."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "s3_use_path_style" {
  description = "Bucket in the path of S3's address instead of its host name: for the local cloud."
  type        = bool
  default     = false
  nullable    = false
}
