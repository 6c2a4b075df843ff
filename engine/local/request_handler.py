"""The HTTP side of the local cloud's server: moto's, but it writes to our log instead of to stderr."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler

logger = logging.getLogger(__name__)
LINGER_S = 2.0


class RequestHandler(MotoRequestHandler):
    def finish(self) -> None:
        """Leave closing the connection to the client, which was told to by `Connection: close`.

        A server that closes first now and then makes Go's HTTP client drop an answer it already has; the
        AWS SDK then sends the call again. A state lock that was just taken is refused to its own owner so.
        Source: golang/go issue 59310
        """
        super().finish()
        with suppress(OSError):
            self.connection.settimeout(LINGER_S)
            self.connection.recv(1)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:  # noqa: ARG002
        logger.info("%s %s", self.requestline, code)

    def log(self, type: str, message: str, *args: Any) -> None:
        logger.log(logging.ERROR if type == "error" else logging.INFO, message, *args)
