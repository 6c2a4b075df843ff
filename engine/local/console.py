"""The local cloud's own HTTP routes, under /_local/: what no AWS API offers.

GET  /_local/status                    instance, version, start, durations
GET  /_local/inventory                 everything that exists
GET  /_local/calls                     counts of successful changing calls; DELETE resets them
POST /_local/durations                 {"cluster_create_s": 1.5, ...}
GET|POST|DELETE /_local/failures       failures on demand
GET|POST /_local/weather               {"share": 0.2, "seed": 7}: of all AWS calls, so many meet trouble
POST /_local/quotas                    {"ec2/L-1216C47A": 512}: what Service Quotas answers
GET  /_local/lustre/<fs-id>            list of files (?prefix=/project)
GET|PUT|DELETE /_local/lustre/<fs-id>/<path>
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from engine.local.api_error import ApiError
from engine.local.faults import Fault
from engine.local.fsx_api import FsxApi
from engine.local.inventory import Inventory
from engine.local.world import World

if TYPE_CHECKING:
    from engine.local.weather import Weather

Answer = tuple[str, list[tuple[str, str]], bytes]
FAILURE_KEYS = {"cluster", "operation", "failure_code", "times"}


class Console:
    def __init__(self, world: World, fsx: FsxApi, inventory: Inventory, identity: dict[str, Any]):
        self._world = world
        self._fsx = fsx
        self._inventory = inventory
        self._identity = identity
        self.weather: Weather | None = None

    def answer(self, method: str, path: str, query: str, body: bytes) -> Answer:
        topic, _, rest = path.removeprefix("/_local/").partition("/")
        routes: dict[tuple[str, str], Callable[[], Any]] = {
            ("GET", "status"): self._status,
            ("GET", "inventory"): self._inventory.items,
            ("GET", "calls"): self._world.calls.to_dict,
            ("DELETE", "calls"): self._world.calls.clear,
            ("POST", "durations"): lambda: self._set_durations(_json(body)),
            ("GET", "failures"): self._world.faults.to_list,
            ("POST", "failures"): lambda: self._order(_json(body)),
            ("DELETE", "failures"): self._world.faults.clear,
            ("GET", "weather"): self._weather_counts,
            ("POST", "weather"): lambda: self._set_weather(_json(body)),
            ("POST", "quotas"): lambda: self._set_quotas(_json(body)),
        }
        try:
            if topic == "lustre":
                return self._lustre(method, rest, query, body)
            if (method, topic) not in routes or rest:
                return _answer("404 Not Found", {"error": f"no route {method} {path}"})
            content = routes[method, topic]()
            return _answer("200 OK", {} if content is None else content)
        except ApiError as error:
            return _answer("404 Not Found", {"error": error.message})
        except ValueError as error:
            return _answer("400 Bad Request", {"error": str(error)})

    def _status(self) -> dict[str, Any]:
        return self._identity | {"durations": self._world.durations.to_dict(), "region": self._world.region}

    def _set_durations(self, values: dict[str, Any]) -> dict[str, float]:
        self._world.durations = self._world.durations.changed(values)
        return self._world.durations.to_dict()

    def _set_quotas(self, values: dict[str, Any]) -> dict[str, float]:
        self._world.quotas |= {name: float(value) for name, value in values.items()}
        return self._world.quotas

    def _weather_counts(self) -> dict[str, int]:
        return self.weather.counts() if self.weather else {}

    def _set_weather(self, values: dict[str, Any]) -> dict[str, int]:
        if self.weather is None or not {"share"} <= set(values) <= {"share", "seed"}:
            raise ValueError("the weather has share, and may have seed")
        self.weather.become(**values)
        return self.weather.counts()

    def _order(self, values: dict[str, Any]) -> list[dict[str, Any]]:
        if not {"cluster", "operation"} <= set(values) <= FAILURE_KEYS:
            raise ValueError(
                f"a failure has cluster, operation, and may have {', '.join(sorted(FAILURE_KEYS))}"
            )
        self._world.faults.order(Fault(**values))
        return self._world.faults.to_list()

    def _lustre(self, method: str, rest: str, query: str, body: bytes) -> Answer:
        fs_id, _, path = rest.partition("/")
        region = self._world.region
        file_system = self._fsx.store(region).file_system(fs_id)
        movement = self._fsx.movement(region)
        if not path:
            movement.auto_import(file_system)
            prefix = parse_qs(query).get("prefix", ["/"])[0]
            return _answer("200 OK", file_system.tree.to_list(prefix))
        if method == "PUT":
            file_system.tree.write(path, body, self._world.now())
            return _answer("200 OK", {"path": "/" + path.strip("/"), "size": len(body)})
        if method == "DELETE":
            found = file_system.tree.remove(path, self._world.now())
            return _answer("200 OK" if found else "404 Not Found", {})
        content = movement.read(file_system, path)
        if content is None:
            return _answer("404 Not Found", {"error": f"no file /{path} in {fs_id}"})
        return (
            "200 OK",
            [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(content)))],
            content,
        )


def _json(body: bytes) -> dict[str, Any]:
    values = json.loads(body or b"{}")
    if not isinstance(values, dict):
        raise ValueError("a JSON object is expected")
    return values


def _answer(status: str, content: Any) -> Answer:
    text = json.dumps(content).encode()
    return status, [("Content-Type", "application/json"), ("Content-Length", str(len(text)))], text
