"""The process that keeps one AWS provider alive for one run, and stands between it and Terraform.

    engine --starts--> provider host --starts--> AWS provider
       |                    ^  |                      ^
       +--starts--> Terraform -+--- each call --------+

Terraform by itself starts the provider three times for a plan and asks it for its whole schema each time. The
host hands every call on as it is, but answers the one for the schema itself: with the types that are used.

How long it lives: it reads from a pipe of which the engine and every Terraform hold the other end, and
ends when the last of them is gone. So a Terraform whose engine was killed still has its provider until it
has saved its state. Signals do not end it, and it has a session of its own. The provider dies with it
(PR_SET_PDEATHSIG).

It serves one run of one workspace. A provider process knows one configuration, the last one it was given:
two runs that share it make each other's tags (measured). Its sockets lie in a folder that only its user may
enter.

Started by programs.py, with its order as the first line of that pipe: `program` (the provider), `types` (of
resources, to describe) and `schema_file` (where their description is kept). It answers one line of JSON:
`attach` (what Terraform has to know) or `error`.
"""

# gRPC has no annotations.
# mypy: allow-untyped-calls

from __future__ import annotations

import ctypes
import json
import os
import re
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

from engine.terraform.packages import write_whole
from engine.terraform.provider_schema import trim_schema

_PROTOCOL = 5
_SERVICE = f"/tfplugin{_PROTOCOL}.Provider/"
_SCHEMA = f"{_SERVICE}GetSchema"
_ATTACH = re.compile(rb"TF_REATTACH_PROVIDERS='(.*)'")
_START_S = 30.0
_PR_SET_PDEATHSIG = 1
# Terraform makes 10 calls at once (-parallelism). A thread for each is made when there is need of it.
_CALLS = 200
_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_http_proxy", 0),
)


class _NotStarted(Exception):
    """Why there is no provider to hand calls to."""


def main() -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    order = json.loads(_first_line(0))
    folder = Path(tempfile.mkdtemp(prefix="provisioner-"))
    try:
        pid, output = _start_provider(order["program"], folder)
        try:
            _serve(order, folder, output)
        finally:
            os.kill(pid, signal.SIGKILL)  # it keeps nothing that could be lost
            os.waitpid(pid, 0)
    except (_NotStarted, OSError, ImportError, ValueError, RuntimeError) as error:
        _say({"error": str(error)})
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _start_provider(program: str, folder: Path) -> tuple[int, int]:
    """Start it; gives its process id and the pipe that it writes to."""
    read_end, write_end = os.pipe()
    parent = os.getpid()
    pid = os.fork()  # before gRPC, which has threads, is imported
    if pid:
        os.close(write_end)
        return pid, read_end
    try:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:
            nothing = os.open(os.devnull, os.O_RDWR)
            os.dup2(nothing, 0)
            os.dup2(write_end, 1)
            os.dup2(nothing, 2)
            os.execve(program, [program, "-debug"], os.environ | {"PLUGIN_UNIX_SOCKET_DIR": str(folder)})  # noqa: S606
    finally:
        os._exit(1)


def _serve(order: Mapping[str, Any], folder: Path, output: int) -> None:
    import grpc

    target = _provider_address(output, folder)
    channel = grpc.insecure_channel(target, options=_OPTIONS)
    schema = _Schema(channel.unary_unary(_SCHEMA), Path(order["schema_file"]), frozenset(order["types"]))
    server = grpc.server(ThreadPoolExecutor(_CALLS), handlers=[_relay(channel, schema)], options=_OPTIONS)
    socket = folder / "terraform.sock"
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    attach = {
        "Protocol": "grpc",
        "ProtocolVersion": _PROTOCOL,
        "Pid": os.getpid(),
        "Test": True,  # Terraform does not end it
        "Addr": {"Network": "unix", "String": str(socket)},
    }
    _say({"attach": attach})
    _wait_until_alone(output)
    server.stop(None)
    channel.close()


def _relay(channel: Any, schema: _Schema) -> Any:
    """Hands calls to the provider as the bytes they are."""
    import grpc

    def unary(method: str) -> Callable[[bytes, Any], Any]:
        call = channel.unary_unary(method)

        def hand_on(request: bytes, context: Any) -> Any:
            future = call.future(request)
            context.add_callback(future.cancel)
            try:
                return future.result()
            except grpc.RpcError:
                context.abort(future.code(), future.details())

        return hand_on

    class Relay(grpc.GenericRpcHandler):
        def service(self, details: Any) -> Any:
            if details.method == _SCHEMA:
                return grpc.unary_unary_rpc_method_handler(lambda request, _: schema.answer(request))
            if details.method.startswith(_SERVICE):
                return grpc.unary_unary_rpc_method_handler(unary(details.method))
            # go-plugin's own services (broker, output, shutdown) do without an answer. Their streams would
            # each keep a thread here awake for as long as Terraform runs.
            return None

    return Relay()


class _Schema:
    """The types that are used, of the provider's schema; asked for once and kept in a file."""

    def __init__(self, ask: Callable[[bytes], bytes], file: Path, types: frozenset[str]) -> None:
        self._ask = ask
        self._file = file
        self._types = types
        self._lock = Lock()
        self._known: bytes | None = None

    def answer(self, request: bytes) -> bytes:
        with self._lock:
            if self._known is None:
                self._known = self._read(request)
            return self._known

    def _read(self, request: bytes) -> bytes:
        try:
            return self._file.read_bytes()
        except OSError:
            schema = trim_schema(self._ask(request), self._types)
            write_whole(self._file, lambda path: path.write_bytes(schema))
            return schema


def _provider_address(output: int, folder: Path) -> str:
    """Where the provider listens, as gRPC writes it.

    Raises   _NotStarted when it does not say so, or listens where others could come in
    """
    said = b""
    deadline = time.monotonic() + _START_S
    while not (match := _ATTACH.search(said)):
        ready, _, _ = select.select([output], [], [], max(0.0, deadline - time.monotonic()))
        read = os.read(output, 1 << 16) if ready else b""
        if not read:
            raise _NotStarted("the provider did not say where it listens")
        said += read
    ((_, found),) = json.loads(match[1]).items()
    place = Path(found["Addr"]["String"])
    if (found["ProtocolVersion"], found["Addr"]["Network"], place.parent) != (_PROTOCOL, "unix", folder):
        raise _NotStarted("the provider speaks or listens in another way than is known here")
    return f"unix:{place}"


def _wait_until_alone(output: int) -> None:
    """Return when the engine and every Terraform are gone, or the provider is."""
    while True:
        ready, _, _ = select.select([0, output], [], [])
        if not all(os.read(one, 1 << 16) for one in ready):
            return


def _say(answer: Mapping[str, Any]) -> None:
    os.write(1, json.dumps(answer).encode() + b"\n")


def _first_line(descriptor: int) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        read = os.read(descriptor, 1 << 16)
        if not read:
            raise SystemExit(1)
        line += read
    return line


if __name__ == "__main__":
    sys.exit(main())
