"""An AWS API refusal raised by our own handlers, turned into the service's wire format at the edge."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """code     the service's error code, e.g. FileSystemNotFound
    message  the text for people
    members  further members of the error shape, e.g. {"Parameter": "Tags"}
    """

    def __init__(self, code: str, message: str, **members: Any):
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.members = members
