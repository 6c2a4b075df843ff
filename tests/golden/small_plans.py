"""Small Terraform roots, each for one thing that a plan can hold and a project's workspace seldom does."""

from __future__ import annotations

from dataclasses import dataclass

_TAGS = """
  default_tags {
    tags = { "provisioner:vlab" = "lab-1", "provisioner:project" = "proj-1" }
  }
"""
_AWS = f"""
terraform {{
  required_providers {{
    aws = {{ source = "hashicorp/aws", version = "~> 5.100" }}
  }}
}}
provider "aws" {{
  s3_use_path_style           = true
  skip_requesting_account_id  = true
  {_TAGS}
}}
"""


@dataclass(frozen=True)
class Root:
    """One root: `before` is applied, text by text; `last` is planned.

    apply_fails   an apply of `before` is meant to fail
    plan_fails    Terraform stops part way through the plan, and saves what it has
    """

    last: str
    before: tuple[str, ...] = ()
    apply_fails: bool = False
    plan_fails: bool = False
    destroy: bool = False


def _data(name: str, text: str = "", more: str = "") -> str:
    return f'resource "terraform_data" "{name}" {{\n  input = "{text}"\n  {more}\n}}\n'


_CHAIN = """
resource "terraform_data" "first" {{
  triggers_replace = "{0}"
}}
resource "terraform_data" "second" {{
  triggers_replace = terraform_data.first.id
}}
resource "terraform_data" "third" {{
  input = terraform_data.second.id
  lifecycle {{
    replace_triggered_by = [terraform_data.second]
  }}
}}
resource "terraform_data" "fourth" {{
  depends_on = [terraform_data.third]
  input      = "stays"
}}
"""

_SENSITIVE = """
variable "password" {{
  default   = "{0}"
  sensitive = true
}}
variable "plain" {{
  default = "plain-{0}"
}}
resource "terraform_data" "secret" {{
  input = {{ user = "slurm", password = var.password, copy = "x ${{var.password}} y" }}
}}
resource "terraform_data" "digest" {{
  input = nonsensitive(sha256(var.password))
}}
output "password" {{
  value     = var.password
  sensitive = true
}}
output "leak" {{
  value = nonsensitive("begin ${{var.password}} end")
}}
"""

_HOSTILE = "<script>alert(1)</script>"
_HOSTILE_ROOT = f"""
resource "terraform_data" "tags" {{
  for_each = toset(["<img src=x onerror=alert(1)>", "a'b", "</style><svg onload=alert(2)>", "`x` | **b** @all"])
  input    = {{ "{_HOSTILE}" = "&lt;{_HOSTILE}", "javascript:alert(1)" = each.key }}
}}
output "html" {{
  value = "{_HOSTILE}"
}}
"""

_PUBLIC = (
    _AWS
    + """
resource "aws_s3_bucket" "open" {
  bucket = "open-to-the-world"
}
resource "aws_s3_bucket_public_access_block" "open" {
  bucket                  = aws_s3_bucket.open.id
  block_public_acls       = false
  block_public_policy     = false
  ignore_public_acls      = false
  restrict_public_buckets = false
}
resource "aws_s3_bucket_policy" "open" {
  bucket = "open-to-the-world"
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = "*", Action = "s3:GetObject", Resource = "arn:aws:s3:::open/*" }]
  })
}
resource "aws_vpc_security_group_ingress_rule" "world" {
  security_group_id = "sg-0123456789abcdef0"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
}
resource "aws_security_group" "world" {
  name   = "world"
  vpc_id = "vpc-0123456789abcdef0"
  ingress {
    protocol         = "tcp"
    from_port        = 443
    to_port          = 443
    ipv6_cidr_blocks = ["::/0"]
  }
}
resource "aws_db_instance" "open" {
  identifier          = "open"
  engine              = "mariadb"
  instance_class      = "db.t4g.small"
  allocated_storage   = 20
  username            = "admin"
  password            = "canary-7f3b9a41e2"
  publicly_accessible = true
  skip_final_snapshot = true
}
resource "aws_subnet" "open" {
  vpc_id                  = "vpc-0123456789abcdef0"
  cidr_block              = "10.42.64.0/24"
  map_public_ip_on_launch = true
}
"""
)

_STORAGE = (
    _AWS
    + """
resource "aws_fsx_lustre_file_system" "scratch" {
  storage_capacity = 1200
  deployment_type  = "SCRATCH_2"
  subnet_ids       = ["subnet-0123456789abcdef0"]
}
resource "aws_fsx_lustre_file_system" "first" {
  storage_capacity            = 2400
  deployment_type             = "PERSISTENT_1"
  per_unit_storage_throughput = 100
  subnet_ids                  = ["subnet-0123456789abcdef0"]
}
resource "aws_efs_file_system" "zone" {
  availability_zone_name = "us-east-1a"
}
resource "aws_efs_file_system" "provisioned" {
  throughput_mode                 = "provisioned"
  provisioned_throughput_in_mibps = 20
}
resource "aws_ebs_volume" "fast" {
  availability_zone = "us-east-1a"
  size              = 500
  type              = "gp3"
  iops              = 6000
  throughput        = 250
}
resource "aws_ebs_volume" "strange" {
  availability_zone = "us-east-1a"
  size              = 100
  type              = "io2"
  iops              = 5000
}
resource "aws_secretsmanager_secret" "this" {
  name = "one"
}
resource "aws_nat_gateway" "this" {
  subnet_id     = "subnet-0123456789abcdef0"
  allocation_id = "eipalloc-0123456789abcdef0"
}
resource "aws_vpc_endpoint" "this" {
  vpc_id            = "vpc-0123456789abcdef0"
  service_name      = "com.amazonaws.us-east-1.logs"
  vpc_endpoint_type = "Interface"
  subnet_ids        = ["subnet-0123456789abcdef0"]
}
resource "aws_instance" "extra" {
  ami           = "ami-0123456789abcdef0"
  instance_type = "c7i.48xlarge"
}
"""
)

_BUCKET = """
import {{
  to = aws_s3_bucket.adopted
  id = "made-by-hand"
}}
resource "aws_s3_bucket" "adopted" {{
  bucket = "made-by-hand"
  {0}
}}
"""


_FIVE_HUNDRED = "".join(
    f"""
resource "aws_{kind}" "{name}" {{
  count = {count}
  {body}
}}
"""
    for kind, name, count, body in (
        ("s3_object", "scripts", 180, 'bucket = "b"\n  key = "k-${count.index}"\n  content = "x"'),
        ("ssm_parameter", "settings", 120, 'name = "p-${count.index}"\n  type = "String"\n  value = "v"'),
        ("sqs_queue", "jobs", 100, 'name = "q-${count.index}"'),
        ("cloudwatch_log_group", "logs", 60, 'name = "l-${count.index}"'),
        (
            "security_group",
            "groups",
            40,
            'name = "g-${count.index}"\n  description = aws_cloudwatch_log_group.logs[count.index].name',
        ),
    )
)

ROOTS: dict[str, Root] = {
    "empty": Root(""),
    "outputs-only": Root(
        'output "a" {\n  value = "new"\n}\n', before=('output "b" {\n  value = "old"\n}\n',)
    ),
    "moved": Root(
        _data("there", "x") + "moved {\n  from = terraform_data.here\n  to   = terraform_data.there\n}\n",
        before=(_data("here", "x"),),
    ),
    "moved-and-changed": Root(
        _data("there", "y") + "moved {\n  from = terraform_data.here\n  to   = terraform_data.there\n}\n",
        before=(_data("here", "x"),),
    ),
    "forgotten": Root(
        "removed {\n  from = terraform_data.here\n  lifecycle {\n    destroy = false\n  }\n}\n",
        before=(_data("here", "x"),),
    ),
    "replace-chain": Root(_CHAIN.format("2"), before=(_CHAIN.format("1"),)),
    "create-before-destroy": Root(
        _data("this", "", 'triggers_replace = "2"\n  lifecycle {\n    create_before_destroy = true\n  }'),
        before=(_data("this", "", 'triggers_replace = "1"'),),
    ),
    "count-shrinks": Root(
        _data("this", "${count.index}", "count = 1"), before=(_data("this", "${count.index}", "count = 3"),)
    ),
    "keys-change": Root(
        _data("this", "x", 'for_each = toset(["a", "c"])'),
        before=(_data("this", "x", 'for_each = toset(["a", "b"])'),),
    ),
    "tainted-by-failure": Root(
        _data("this", "x", 'provisioner "local-exec" {\n    command = "false"\n  }'),
        before=(_data("this", "x", 'provisioner "local-exec" {\n    command = "false"\n  }'),),
        apply_fails=True,
    ),
    "sensitive": Root(
        _SENSITIVE.format("canary-7f3b9a41e2-new"), before=(_SENSITIVE.format("canary-7f3b9a41e2-old"),)
    ),
    "unknown": Root(
        _data("a", "${timestamp()}") + _data("b", "${terraform_data.a.id}") + 'output "id" {\n'
        "  value = [terraform_data.b.id, terraform_data.b.output]\n}\n"
    ),
    "stopped-part-way": Root(
        _data("good", "x")
        + _data(
            "bad",
            "y",
            'lifecycle {\n    precondition {\n      condition     = terraform_data.good.input == "z"\n'
            '      error_message = "This can never be."\n    }\n  }',
        ),
        plan_fails=True,
    ),
    "check-fails": Root(
        _data("this", "x")
        + 'check "sound" {\n  assert {\n    condition     = terraform_data.this.input == "z"\n    error_message = "It is not."\n  }\n}\n'
    ),
    "taken-apart": Root(_CHAIN.format("1"), before=(_CHAIN.format("1"),), destroy=True),
    "hostile": Root(_HOSTILE_ROOT),
    "read-later": Root(
        _AWS
        + _data("name", "x")
        + 'data "aws_s3_bucket" "later" {\n  bucket = terraform_data.name.output\n}\n'
        'resource "aws_s3_object" "this" {\n  bucket  = data.aws_s3_bucket.later.id\n  key     = "k"\n'
        '  content = "x"\n}\n'
    ),
    "import": Root(_AWS + _BUCKET.format("")),
    "import-and-change": Root(_AWS + _BUCKET.format('tags = { colour = "<b>green</b>" }')),
    "public": Root(_PUBLIC),
    "storage-and-others": Root(_STORAGE),
    "five-hundred": Root(_AWS + _FIVE_HUNDRED),
}
