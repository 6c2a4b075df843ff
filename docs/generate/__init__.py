"""Pages of the documentation that are written from the Terraform code: `make docs`."""
