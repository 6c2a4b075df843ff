module "discovery" {
  source = "../../modules/discovery"
}

# What must exist once per account and region before anything else: the bucket of Terraform's states, the tables
# of locks and projects, a key and an image repository.
module "state_backend" {
  source = "../../modules/state-backend"

  name                = "provisioner"
  state_bucket        = coalesce(var.state_bucket, "provisioner-state-${var.account_id}-${var.region}")
  lock_table          = var.lock_table
  registry_table      = var.registry_table
  plan_days           = var.plan_days
  deletion_protection = var.deletion_protection

  tags    = merge(var.tags, module.discovery.managed_by)
  address = "module.state_backend"
}
