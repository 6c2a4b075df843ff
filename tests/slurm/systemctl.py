#!/usr/bin/env python3
"""As much of systemctl as the node scripts and the tests need, where no systemd runs.

It reads the real unit files of /etc/systemd/system and starts what they say, as the user they say; a unit's
output goes to /var/log/units/UNIT.log. Timers do not run: tests start their services. Lies in the test
cluster's root as /usr/local/bin/systemctl.
"""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

UNITS = Path("/etc/systemd/system")
PIDS = Path("/run/units")
LOGS = Path("/var/log/units")
# slurmctld tells slurmdbd all that it has first: a thousand jobs on a busy machine take their time.
STOPS_WITHIN_S = 110.0


class Unit:
    def __init__(self, name: str) -> None:
        self.name = name if "." in name else f"{name}.service"
        self.pid_file = PIDS / self.name
        file = UNITS / self.name
        if not file.is_file():
            sys.exit(f"Unit {self.name} not found.")
        self.lines: list[tuple[str, str]] = []
        for line in file.read_text("utf-8").replace("\\\n", " ").splitlines():
            key, sign, value = line.partition("=")
            if sign and not key.startswith("#"):
                self.lines.append((key.strip(), value.strip()))

    def all(self, key: str) -> list[str]:
        return [value for name, value in self.lines if name == key]

    def last(self, key: str, default: str = "") -> str:
        return [default, *self.all(key)][-1]

    @property
    def pid(self) -> int | None:
        try:
            pid = int(self.pid_file.read_text())
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (OSError, ValueError):
            return None
        return None if state == "Z" else pid

    def start(self) -> int:
        if self.name.endswith(".timer"):
            self.pid_file.write_text("1")
            return 0
        if self.pid is not None:
            return 0
        self._make_directories()
        for command in self.all("ExecStartPre"):
            if self._command(command).wait():
                return 1
        if self.last("Type") == "oneshot":
            return max((self._command(command).wait() for command in self.all("ExecStart")), default=0)
        process = self._command(self.last("ExecStart"))
        self.pid_file.write_text(str(process.pid))
        time.sleep(0.1)
        return 1 if process.poll() else 0

    def stop(self) -> int:
        if self.pid is None or self.name.endswith(".timer"):
            self.pid_file.unlink(missing_ok=True)
            return 0
        deadline = time.monotonic() + STOPS_WITHIN_S
        self.kill(signal.SIGTERM)
        while self.pid is not None:
            if time.monotonic() > deadline:
                self.kill(signal.SIGKILL)
            time.sleep(0.02)
        self.pid_file.unlink(missing_ok=True)
        return 0

    def reload(self) -> int:
        if self.pid is None:
            return 1
        command = self.last("ExecReload")
        if not command:
            return self.stop() or self.start()
        return self._command(command.replace("$MAINPID", str(self.pid))).wait()

    def kill(self, number: int) -> None:
        if self.pid is not None:
            os.kill(self.pid, number)

    def _make_directories(self) -> None:
        for key, base in (("RuntimeDirectory", "/run"), ("StateDirectory", "/var/lib")):
            for name in self.last(key).split():
                folder = Path(base, name)
                folder.mkdir(parents=True, exist_ok=True)
                folder.chmod(int(self.last(f"{key}Mode", "0755"), 8))
                shutil.chown(folder, self.last("User", "root"), self.last("Group") or None)

    def _command(self, command: str) -> subprocess.Popen[bytes]:
        words = shlex.split(command)
        # "+" runs as root, "-" forgives a failure; "!" and "@" are not used by us.
        prefix = words[0][: len(words[0]) - len(words[0].lstrip("+-"))]
        words[0] = words[0].lstrip("+-")
        user = None if "+" in prefix else self.last("User") or None
        environment = {"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8"}
        for value in self.all("Environment"):
            environment |= dict(item.split("=", 1) for item in shlex.split(value))
        for file in self.all("EnvironmentFile"):
            if Path(file.lstrip("-")).is_file():
                text = Path(file.lstrip("-")).read_text("utf-8")
                environment |= dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        groups = None
        if user:
            account = pwd.getpwnam(user)
            environment |= {"HOME": account.pw_dir, "USER": user}
            groups = os.getgrouplist(user, account.pw_gid)
        with (LOGS / f"{self.name}.log").open("ab") as log:
            return subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=environment,
                user=user,
                group=(self.last("Group") or account.pw_gid) if user else None,
                extra_groups=groups,
                start_new_session=True,
            )


def main(arguments: list[str]) -> int:
    PIDS.mkdir(parents=True, exist_ok=True)
    LOGS.mkdir(parents=True, exist_ok=True)
    signal_name = "TERM"
    now = False
    words: list[str] = []
    rest = iter(arguments)
    for word in rest:
        if word in ("-s", "--signal"):
            signal_name = next(rest)
        elif word.startswith("--signal="):
            signal_name = word.partition("=")[2]
        elif word == "--now":
            now = True
        elif not word.startswith("-"):
            words.append(word)
    verb, names = words[0], words[1:]
    if verb in ("daemon-reload", "reset-failed"):
        return 0
    units = [Unit(name) for name in names]
    answers = [_carry_out(verb, unit, now, signal_name.removeprefix("SIG")) for unit in units]
    return max(answers, default=0)


def _carry_out(verb: str, unit: Unit, now: bool, signal_name: str) -> int:
    if verb == "start" or (verb == "enable" and now):
        return unit.start()
    if verb == "stop" or (verb == "disable" and now):
        return unit.stop()
    if verb in ("enable", "disable"):
        return 0
    if verb == "restart" or (verb == "try-restart" and unit.pid is not None):
        return unit.stop() or unit.start()
    if verb == "try-restart":
        return 0
    if verb in ("reload", "reload-or-restart", "try-reload-or-restart"):
        if unit.pid is None and verb == "reload-or-restart":
            return unit.start()
        return unit.reload()
    if verb == "is-active":
        print("active" if unit.pid else "inactive")
        return 0 if unit.pid else 3
    if verb in ("is-enabled", "cat"):
        return 0
    if verb == "kill":
        unit.kill(getattr(signal, f"SIG{signal_name}"))
        return 0
    sys.exit(f"systemctl {verb} is not played")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
