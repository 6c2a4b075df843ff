"""Network ACLs beyond moto: 20 rules in each direction at most, and no ties to subnets that are gone.

Source: Amazon VPC quotas, "Rules per network ACL": 20 by default, with the rule that denies the rest.
"""

from __future__ import annotations

from typing import Any

from engine.local.patches import Patches

RULES_MAX = 20
LAST_RULE = 32767


def install(patches: Patches) -> None:
    from moto.ec2.exceptions import EC2ClientError
    from moto.ec2.models import EC2Backend

    def create_network_acl_entry(self: Any, network_acl_id: str, *args: Any, **kwargs: Any) -> Any:
        entry = original_create(self, network_acl_id, *args, **kwargs)
        entries = self.network_acls[network_acl_id].network_acl_entries
        own = [one for one in entries if one.egress == entry.egress and int(one.rule_number) != LAST_RULE]
        if len(own) + 1 > RULES_MAX:
            entries.remove(entry)
            raise EC2ClientError(
                "NetworkAclEntryLimitExceeded",
                f"The maximum number of network ACL entries has been reached for {network_acl_id}.",
            )
        return entry

    def delete_subnet(self: Any, subnet_id: str) -> Any:
        subnet = original_delete(self, subnet_id)
        for acl in self.network_acls.values():
            for association in acl.associations:
                if association.subnet_id == subnet_id:
                    del acl._associations[association.id]
        return subnet

    original_create = patches.set(EC2Backend, "create_network_acl_entry", create_network_acl_entry)
    original_delete = patches.set(EC2Backend, "delete_subnet", delete_subnet)
