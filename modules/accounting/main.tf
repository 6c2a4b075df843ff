locals {
  tags    = merge(var.tags, { Name = var.name })
  address = var.address == "" ? "" : "${var.address}."
}

# The function is called when this comes, changes and goes, and makes the database so, or drops it.
resource "aws_lambda_invocation" "database" {
  function_name   = var.function_name
  lifecycle_scope = "CRUD"

  input = jsonencode({
    resource = "database"
    database = var.database
  })

  lifecycle {
    # The job records outlive the cluster. To drop them on purpose, take the module call out of the
    # workspace.
    prevent_destroy = true
  }
}

# Left without a value: the function makes the password and writes it here, and nobody else sees it.
resource "aws_secretsmanager_secret" "this" {
  #checkov:skip=CKV_AWS_149:Encrypted with Secrets Manager's own key. One more key would have to be opened to head nodes whose roles ParallelCluster makes.
  #checkov:skip=CKV2_AWS_57:Rotation needs the node's slurmdbd to be told and its fleet stopped, so a person starts it: provisioner rotate-password.
  count = var.active ? 1 : 0

  name        = "provisioner/${var.name}/accounting"
  description = "Password of the accounting user ${var.user}, as plain text"

  # The next cluster gets a secret of the same name, and a password of its own.
  recovery_window_in_days = 0

  tags = merge(local.tags, {
    "provisioner:address" = "${local.address}aws_secretsmanager_secret.this.${count.index}"
  })
}

resource "aws_lambda_invocation" "user" {
  count = var.active ? 1 : 0

  function_name   = var.function_name
  lifecycle_scope = "CRUD"

  input = jsonencode({
    resource   = "user"
    database   = var.database
    user       = var.user
    secret_arn = aws_secretsmanager_secret.this[count.index].arn
  })

  depends_on = [aws_lambda_invocation.database]

  lifecycle {
    # The provider keeps the new input of an update that failed. A replacement that failed is repeated.
    replace_triggered_by = [aws_secretsmanager_secret.this[count.index].arn]
  }
}
