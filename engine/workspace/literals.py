"""Text that Terraform must take as it is, not as a template."""

from __future__ import annotations


def terraform_literal(text: str) -> str:
    """Escape Terraform's string templates: `${` and `%{` become `$${` and `%%{`.

    Source   Terraform language, "Strings and Templates": escape sequences.
    """
    return text.replace("${", "$${").replace("%{", "%%{")
