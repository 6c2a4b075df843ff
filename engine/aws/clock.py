"""What time it is by AWS: the one clock that all who work on a project share.

A machine's own may be minutes off (a laptop that has slept), and a lease that one writes and another reads
would then be over too early, or far too late. Every answer of AWS says when it was made.
Source   RFC 9110, 6.6.1: `Date` is when the answer was made, in whole seconds
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

# Seconds are cut off in `Date`, and AWS's own servers differ a little.
_INEXACT = timedelta(seconds=2)
_ASKED_AT = "provisioner_asked_at"


def own_clock() -> datetime:
    return datetime.now(UTC)


class AwsClock:
    """The machine's own clock, set right by AWS's answers; safe to share by threads.

    own   UTC, aware
    """

    def __init__(self, own: Callable[[], datetime] = own_clock) -> None:
        self._own = own
        self._ahead = timedelta(0)  # how much AWS is ahead of the machine
        self._changing = threading.Lock()

    def now(self) -> datetime:
        """Until the first answer, the machine's own time."""
        return self._own() + self._ahead

    def listen_to(self, client: Any) -> None:
        """Learn from every answer that a boto3 client gets, refusals too."""
        events = client.meta.events
        events.register("request-created", self._asked, unique_id="provisioner-asked")
        events.register("response-received", self._answered, unique_id="provisioner-answered")

    def _asked(self, request: Any, **_: Any) -> None:
        request.context[_ASKED_AT] = self._own()

    def _answered(
        self, parsed_response: Mapping[str, Any] | None, context: Mapping[str, Any], **_: Any
    ) -> None:  # the names are botocore's
        answered_at, asked_at = self._own(), context.get(_ASKED_AT)
        made_at = _date(parsed_response or {})
        if made_at is None or asked_at is None:
            return
        # The answer was made in between, and may have waited long: in a slow network, or in a process that
        # stood still. What is known already stands unless it is outside of that.
        least, most = made_at - _INEXACT - answered_at, made_at + _INEXACT - asked_at
        with self._changing:
            self._ahead = min(max(self._ahead, least), most)


def _date(response: Mapping[str, Any]) -> datetime | None:
    text = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None
