"""API Gateway's REST APIs beyond moto: a resource policy is answered as escaped text.

Source: API Gateway API reference, RestApi (`policy`: "a stringified JSON policy document"), whose quotes come
back with a backslash each.
"""

from __future__ import annotations

import json
from typing import Any

from engine.local.patches import Patches


def install(patches: Patches) -> None:
    from moto.apigateway.models import RestAPI

    def to_dict(self: Any) -> dict[str, Any]:
        answer: dict[str, Any] = original(self)
        if answer[self.PROP_POLICY]:
            answer[self.PROP_POLICY] = json.dumps(answer[self.PROP_POLICY])[1:-1]
        return answer

    original = patches.set(RestAPI, "to_dict", to_dict)
