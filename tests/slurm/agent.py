"""Stands for the CloudWatch agent, which can't run here: it follows files as the agent's source says it does.

What matters of it for a writer of logs: every file that a pattern matches is followed from its beginning;
only whole lines are sent; a file that shrinks is read again from its start; where it stands in a file is
remembered by the file's path, in a state file; a deleted file's state goes with it.

Source   aws/amazon-cloudwatch-agent: plugins/inputs/logfile/logfile.go, tail/tail.go, tail/watch/polling.go
"""

from __future__ import annotations

import json
import threading
from pathlib import Path

from tests.slurm.cluster import SlurmCluster

FOLDER = "/opt/aws/amazon-cloudwatch-agent"
STATE = f"{FOLDER}/logs/state"
LARGEST_EVENT = 262_144 - 200
# Takes the place of amazon-cloudwatch-agent-ctl: notes what it was told.
CTL = f'#!/bin/bash\nprintf "%s " "$@" >>{FOLDER}/calls\necho >>{FOLDER}/calls\n'


class FakeAgent:
    """`sent` holds every event in the order in which CloudWatch would have it."""

    def __init__(self, cluster: SlurmCluster) -> None:
        self._cluster = cluster
        self.sent: list[str] = []
        self._offsets: dict[str, int] = {}
        self._polling = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    @staticmethod
    def install(cluster: SlurmCluster) -> None:
        for folder in ("bin", "etc", "logs/state"):
            cluster.path(f"{FOLDER}/{folder}").mkdir(parents=True)
        ctl = cluster.path(f"{FOLDER}/bin/amazon-cloudwatch-agent-ctl")
        ctl.write_text(CTL)
        ctl.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        return self._cluster.path(f"{FOLDER}/calls").read_text().splitlines()

    @property
    def entry(self) -> dict[str, object]:
        """What the agent was told to collect, read from the file of the last append-config."""
        path = self.calls[-1].split()[-1].removeprefix("file:")
        config = json.loads(self._cluster.path(path).read_text())
        (entry,) = config["logs"]["logs_collected"]["files"]["collect_list"]
        return dict(entry)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def poll(self) -> None:
        with self._polling:
            self._poll()

    def _poll(self) -> None:
        pattern = Path(str(self.entry["file_path"]))
        names = {path.name for path in self._cluster.path(str(pattern.parent)).glob(pattern.name)}
        for gone in self._offsets.keys() - names:
            del self._offsets[gone]
            self._state_file(pattern.parent / gone).unlink(missing_ok=True)
        for name in sorted(names):
            self._read(pattern.parent / name)

    def _follow(self) -> None:
        while not self._stopped.wait(0.1):
            self.poll()

    def _read(self, path: Path) -> None:
        offset = self._offsets.setdefault(path.name, 0)
        try:
            with self._cluster.path(str(path)).open("rb") as file:
                size = file.seek(0, 2)
                offset = 0 if size < offset else offset
                file.seek(offset)
                text = file.read(size - offset)
        except FileNotFoundError:
            return
        whole = text[: text.rfind(b"\n") + 1]
        # What is no UTF-8, or longer than an event, the agent would spoil: here it is an error.
        lines = whole.decode("utf-8").split("\n")[:-1]
        assert all(len(line.encode()) <= LARGEST_EVENT for line in lines)
        self.sent += lines
        self._offsets[path.name] = offset + len(whole)
        if whole:
            end = self._offsets[path.name]
            self._state_file(path).write_text(f"{end}\n{path}\n0-{end}")

    def _state_file(self, path: Path) -> Path:
        return self._cluster.path(f"{STATE}/{str(path).replace('/', '_')}")
