"""Security group rules that name another group keep their description, as on EC2.

moto reads descriptions from address blocks only, so Terraform would want to set the description of
every such rule again and again.
"""

from __future__ import annotations

from typing import Any

from engine.local.patches import Patches


def install(patches: Patches) -> None:
    from moto.ec2.models import EC2Backend
    from moto.ec2.models.security_groups import SecurityGroupRule

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        original_init(self, *args, **kwargs)
        # A copy without the description: moto compares the whole map when it looks for a rule.
        self.group_description = self.source_group.get("Description")
        self.source_group = {key: value for key, value in self.source_group.items() if key != "Description"}

    def description(self: Any) -> str | None:
        text: str | None = self.group_description if self.source_group else self.ip_range.get("Description")
        return text

    def modify_security_group_rules(self: Any, group_id: str, rules: dict[str, dict[str, Any]]) -> None:
        original_modify(self, group_id, rules)
        group = self.get_security_group_by_name_or_id(group_id)
        for rule_id, wanted in rules.items():
            rule = group.get_rule(rule_id)
            if rule.source_group:
                rule.ip_range.pop("Description", None)
                rule.group_description = wanted.get("Description")
                peer = wanted.get("ReferencedGroupId", rule.source_group.get("GroupId"))
                rule.source_group["GroupId"] = peer

    original_init = patches.set(SecurityGroupRule, "__init__", init)
    patches.set(SecurityGroupRule, "description", property(description))
    original_modify = patches.set(EC2Backend, "modify_security_group_rules", modify_security_group_rules)
