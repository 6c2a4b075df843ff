"""Security group rules that name another group or a prefix list keep their description, as on EC2.

moto reads descriptions from address blocks only, so Terraform would want to set the description of
every such rule again and again.
"""

from __future__ import annotations

import inspect
from typing import Any

from engine.local.patches import Patches


def install(patches: Patches) -> None:
    from moto.ec2.models import EC2Backend
    from moto.ec2.models.security_groups import SecurityGroupRule

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        original_init(self, *args, **kwargs)
        given = inspect.signature(original_init).bind(self, *args, **kwargs).arguments
        peer = self.source_group or given.get("prefix_list_id") or {}
        # A copy without the description: moto compares the whole map when it looks for a rule.
        self.peer_description = peer.get("Description")
        self.source_group = {key: value for key, value in self.source_group.items() if key != "Description"}

    def description(self: Any) -> str | None:
        text: str | None = self.peer_description if names_a_peer(self) else self.ip_range.get("Description")
        return text

    def modify_security_group_rules(self: Any, group_id: str, rules: dict[str, dict[str, Any]]) -> None:
        original_modify(self, group_id, rules)
        group = self.get_security_group_by_name_or_id(group_id)
        for rule_id, wanted in rules.items():
            rule = group.get_rule(rule_id)
            if names_a_peer(rule):
                rule.ip_range.pop("Description", None)
                rule.peer_description = wanted.get("Description")
            if rule.source_group:
                peer = wanted.get("ReferencedGroupId", rule.source_group.get("GroupId"))
                rule.source_group["GroupId"] = peer

    original_init = patches.set(SecurityGroupRule, "__init__", init)
    patches.set(SecurityGroupRule, "description", property(description))
    original_modify = patches.set(EC2Backend, "modify_security_group_rules", modify_security_group_rules)


def names_a_peer(rule: Any) -> bool:
    """The rule is for a security group or a prefix list, not for addresses."""
    return bool(rule.source_group or rule.prefix_list_id)
