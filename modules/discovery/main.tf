locals {
  # Written by `make schemas` from engine/model/tags.py, the one place where tags are defined.
  definitions = jsondecode(file("${path.module}/tags.json"))
}
