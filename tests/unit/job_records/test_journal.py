"""Each record once, wherever the writing was cut off."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from job_records import cloudwatch, journal
from job_records.journal import Journal

FILES = Path(journal.__file__).parents[1]


def record(number: int, size: int = 0) -> tuple[str, bytes]:
    record_id = f"{number}.1764000000"
    return record_id, json.dumps({"id": record_id, "pad": "x" * size}, separators=(",", ":")).encode()


def sent_lines(directory: Path) -> list[str]:
    """What the CloudWatch agent would send: of every file, the lines that have their line break."""
    files = sorted((directory / "records").glob("*.jsonl"))
    return [line for path in files for line in path.read_text().split("\n")[:-1]]


def sent_ids(directory: Path) -> list[str]:
    return [json.loads(line)["id"] for line in sent_lines(directory)]


def test_a_record_is_written_once(tmp_path: Path) -> None:
    first = Journal(tmp_path)
    first.append(*record(1))
    first.append(*record(1))
    # GIVEN a restart
    second = Journal(tmp_path)
    second.append(*record(1))
    second.append(*record(2))
    assert sent_ids(tmp_path) == ["1.1764000000", "2.1764000000"]


@pytest.mark.parametrize("cut", range(1, 38))
def test_a_record_torn_anywhere_comes_once(tmp_path: Path, cut: int) -> None:
    # GIVEN a file whose last record was cut off after so many bytes
    Journal(tmp_path).append(*record(1))
    record_id, line = record(2)
    path = tmp_path / "records" / "000001.jsonl"
    before = path.read_bytes()
    path.write_bytes(before + line[:cut])
    # WHEN the shipper comes back and writes it
    again = Journal(tmp_path)
    again.append(record_id, line)
    # THEN it is there once, and nothing that the agent may have read was taken back
    assert sent_ids(tmp_path) == ["1.1764000000", "2.1764000000"]
    assert path.read_bytes().startswith(before + line[:cut])


def test_a_new_file_begins_where_the_last_is_full_and_no_name_comes_twice(tmp_path: Path) -> None:
    book = Journal(tmp_path, file_bytes=100)
    for number in range(1, 10):
        book.append(*record(number, 60))
    names = [path.name for path in sorted((tmp_path / "records").iterdir())]
    assert names == [f"{number:06}.jsonl" for number in range(1, len(names) + 1)] and len(names) == 5
    # WHEN all that was sent is deleted
    book.tidy(lambda path: path.stat().st_size, forget_before=0)
    assert [path.name for path in (tmp_path / "records").iterdir()] == [names[-1]]
    # THEN neither this shipper nor the next writes a record of a deleted file again
    for one in (book, Journal(tmp_path, file_bytes=100)):
        one.append(*record(1, 60))
    assert "1.1764000000" not in sent_ids(tmp_path)
    # AND the number goes on
    book.append(*record(20, 60))
    book.append(*record(21, 60))
    assert (tmp_path / "records" / "000006.jsonl").exists()


def test_what_the_agent_has_not_sent_stays(tmp_path: Path) -> None:
    book = Journal(tmp_path, file_bytes=50)
    for number in range(1, 4):
        book.append(*record(number, 60))
    assert book.tidy(lambda path: path.stat().st_size - 1, forget_before=0) == []
    assert len(sent_ids(tmp_path)) == 3 and not book.all_sent(lambda _: 0)


def test_beyond_the_limit_the_oldest_goes_and_is_named(tmp_path: Path) -> None:
    book = Journal(tmp_path, file_bytes=50)
    for number in range(1, 5):
        book.append(*record(number, 60))
    given_up = book.tidy(lambda _: 0, forget_before=0, keep_bytes=150)
    assert [path.name for path in given_up] == ["000001.jsonl", "000002.jsonl"]
    assert "1.1764000000" in book


def test_a_torn_line_does_not_hold_a_file_back(tmp_path: Path) -> None:
    Journal(tmp_path).append(*record(1))
    path = tmp_path / "records" / "000001.jsonl"
    complete = path.stat().st_size
    path.write_bytes(path.read_bytes() + b'{"id":"2.17')
    Journal(tmp_path).tidy(lambda _: complete, forget_before=0)
    assert not path.exists()


def test_old_ids_are_forgotten(tmp_path: Path) -> None:
    book = Journal(tmp_path, file_bytes=1)
    book.append(*record(1))
    book.append(*record(2))
    book.tidy(lambda path: path.stat().st_size, forget_before=0)
    book.tidy(lambda path: path.stat().st_size, forget_before=time.time() + 1)
    assert "1.1764000000" not in book and "2.1764000000" in book


WRITER = """
import sys
from pathlib import Path
from job_records.journal import Journal
book = Journal(Path(sys.argv[1]), file_bytes=20000)
print("up", flush=True)
for number in range(1, 201):
    name = f"{number}.1764000000"
    book.append(name, ('{"id":"%s","pad":"%s"}' % (name, "x" * 3000)).encode())
print("done", flush=True)
"""


def test_killed_at_random_each_record_comes_once(tmp_path: Path) -> None:
    dice = random.Random(4)
    environment = {**os.environ, "PYTHONPATH": str(FILES)}
    for _ in range(100):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment
        ) as writer:
            assert writer.stdout and writer.stdout.readline() == "up\n"
            time.sleep(dice.uniform(0, 0.05))
            writer.send_signal(signal.SIGKILL)
            if "done" in writer.stdout.read():
                break
    else:  # on a slow disk: the rest by one that is let alone
        subprocess.run([sys.executable, "-c", WRITER, str(tmp_path)], env=environment, check=True)
    assert sorted(sent_ids(tmp_path)) == sorted(f"{number}.1764000000" for number in range(1, 201))


@pytest.mark.parametrize(
    ("state", "sent"),
    [
        ("120\n/var/spool/a b:c.jsonl", 120),
        ("120\n/var/spool/a b:c.jsonl\n0-120", 120),
        # Two ranges: bytes 50 to 80 have not arrived.
        ("120\n/var/spool/a b:c.jsonl\n0-50,80-120", 50),
        ("120\n/var/spool/a b:c.jsonl\n20-120", 0),
        ("", 0),
        ("rubbish", 0),
    ],
)
def test_the_agents_word_on_what_it_has_sent(tmp_path: Path, state: str, sent: int) -> None:
    (tmp_path / "_var_spool_a_b_c.jsonl").write_text(state)
    assert cloudwatch.sent_bytes(Path("/var/spool/a b:c.jsonl"), state_directory=tmp_path) == sent
    assert cloudwatch.sent_bytes(Path("/var/spool/other"), state_directory=tmp_path) == 0


def test_what_is_committed_is_read_from_the_end_of_a_file(tmp_path: Path) -> None:
    # GIVEN a file whose last line break lies before several torn chunks, or nowhere
    chunk = journal._CHUNK
    for whole, torn in (
        (b"a\n" * chunk, b"b" * (3 * chunk + 5)),
        (b"a\n", b""),
        (b"", b"b" * 10),
        (b"", b""),
    ):
        path = tmp_path / "records.jsonl"
        path.write_bytes(whole + torn)
        assert journal._committed_bytes(path) == len(whole)
