"""The last bytes of a job's output, read with the rights of the job's user and with no others.

No link, no pipe and no race between looking and opening can bring a file into the record that the user could
not have printed: it is not the shipper, which is root, that opens it.
"""

from __future__ import annotations

import errno
import json
import os
import pwd
import select
import signal
import stat
import time
from typing import Any, Callable

# For all files of one user in a batch. One that does not answer must not stop the records of others.
TIMEOUT_S = 60.0

_REFUSALS = {
    errno.ENOENT: "no such file on the head node",
    errno.ENOTDIR: "no such file on the head node",
    errno.EACCES: "the user may not read it",
    errno.EPERM: "the user may not read it",
    errno.ELOOP: "a symbolic link",
    errno.ENXIO: "not a regular file",
}


class Unavailable(Exception):
    """Why there is no tail, in words for the record."""


def read_tail(path: str, limit: int) -> tuple[bytes, int]:
    """The last bytes of a file, and its size.

    limit    bytes, at most
    Raises   Unavailable
    """
    try:
        # NONBLOCK: opening a pipe must not wait for its writer. NOFOLLOW: a link is not the job's output.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except ValueError:
        raise Unavailable("not a path") from None
    except OSError as error:
        raise Unavailable(_reason(error)) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Unavailable("not a regular file")
        if status.st_uid != os.geteuid():
            # Readable to the user, but not what the job wrote: a hard link, or a path to a colleague's file.
            raise Unavailable("it belongs to another user")
        # By size, not to the end: a file that grows while it is read gives no more than the limit, and
        # the files of /proc, whose size is 0, give nothing.
        wanted = min(limit, status.st_size)
        return os.pread(descriptor, wanted, status.st_size - wanted), status.st_size
    except OSError as error:
        raise Unavailable(_reason(error)) from None
    finally:
        os.close(descriptor)


class ReaderFailed(Exception):
    """The process that reads for a user gave no answer."""


def as_user(account: pwd.struct_passwd, work: Callable[[], Any], *, timeout_s: float = TIMEOUT_S) -> Any:
    """What `work` gives, done in a process of its own that has become this user; as JSON can carry it.

    The process has given up root for good before `work` begins. The user can't look into it: Linux lets
    nobody trace a process that has changed its user without starting another program.
    Raises   ReaderFailed
    """
    outgoing, incoming = os.pipe()
    child = os.fork()
    if child == 0:
        _become_and_answer(account, work, incoming)
    os.close(incoming)
    try:
        answer = _read_all(outgoing, time.monotonic() + timeout_s)
    finally:
        os.close(outgoing)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    try:
        return json.loads(answer)
    except ValueError:
        raise ReaderFailed("the reader failed") from None


def _become_and_answer(account: pwd.struct_passwd, work: Callable[[], Any], incoming: int) -> None:
    try:
        if os.geteuid() == 0:
            os.setgroups(os.getgrouplist(account.pw_name, account.pw_gid))
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
        with os.fdopen(incoming, "w") as file:
            json.dump(work(), file)
    finally:
        # Nothing of the shipper's own ending may run here.
        os._exit(0)


def _read_all(outgoing: int, deadline: float) -> bytes:
    parts: list[bytes] = []
    while select.select([outgoing], [], [], max(0.0, deadline - time.monotonic()))[0]:
        part = os.read(outgoing, 1 << 16)
        if not part:
            return b"".join(parts)
        parts.append(part)
    raise ReaderFailed("its file system did not answer")


def _reason(error: OSError) -> str:
    return _REFUSALS.get(error.errno or 0, f"not readable: {error.strerror}")
