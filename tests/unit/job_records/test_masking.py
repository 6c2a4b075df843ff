"""What is secret, and what is left readable."""

from __future__ import annotations

import time

import pytest
from job_records.masking import MASK, Masking

# Put together here, so that no search for keys takes this file for one.
KEY = "PRIVATE " + "KEY"


@pytest.mark.parametrize(
    "name",
    [
        "GITLAB_TOKEN", "MY_SECRET", "DB_PASSWORD", "db_passwd", "MYSQL_PWD", "SSH_KEY",
        "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "API_KEY", "APIKEY", "SMTP_PASS", "GPG_PASSPHRASE",
        "SLURM_JWT", "HTTP_COOKIE",
        "GOOGLE_APPLICATION_CREDENTIALS", "AZURE_STORAGE_CONNECTION_STRING", "AUTHORIZATION", "SENTRY_DSN",
    ],
)  # fmt: skip
def test_a_variable_with_a_secret_name_keeps_only_its_name(name: str) -> None:
    assert Masking({name: "value"}).environment() == {name: MASK}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PATH", "/usr/bin:/bin"), ("PWD", "/home/sim"), ("OLDPWD", "/"), ("HOME", "/home/sim"),
        ("GIT_AUTHOR_NAME", "Sim"), ("SSH_AUTH_SOCK", "/tmp/ssh"), ("LOADEDMODULES", "gcc/13:openmpi/5"),
        ("COMPASS", "north"), ("API_KEY", ""),
    ],
)  # fmt: skip
def test_other_variables_are_shown(name: str, value: str) -> None:
    assert Masking({name: value}).environment() == {name: value}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("git clone https://sim:hunter22@git.example.org/a.git", "git clone https://sim:***@git.example.org/a.git"),
        ("postgres://u:p%40ss@db:5432/x?a=b", "postgres://u:***@db:5432/x?a=b"),
        ("using AKIAIOSFODNN7EXAMPLE now", "using *** now"),
        ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "aws_secret_access_key = ***"),
        ('{"password": "a b c", "user": "sim"}', '{"password": ***, "user": "sim"}'),
        ("run --token abc123 --steps 4", "run --token *** --steps 4"),
        ("run --db-password='a b' x", "run --db-password=*** x"),
        ("Authorization: Bearer abcdefgh.ijkl", "Authorization: Bearer ***"),
        ("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzaW0ifQ.c2lnbmF0dXJl end", "*** end"),
        ("glpat-abcdefghijklmnopqrst", MASK),
        ("get https://b.s3.amazonaws.com/k?X-Amz-Signature=0a1b2c&x=1", "get https://b.s3.amazonaws.com/k?X-Amz-Signature=***&x=1"),
        (f"-----BEGIN RSA {KEY}-----\nMIIE\nabc\n-----END RSA {KEY}-----\ndone", "***\ndone"),
        (f"-----BEGIN OPENSSH {KEY}-----\nb3Blbn", MASK),
        (f"b3Blbn\nAAAA=\n-----END OPENSSH {KEY}-----\ndone", "***\ndone"),
    ],
)  # fmt: skip
def test_what_looks_like_a_secret_is_hidden_in_any_text(text: str, shown: str) -> None:
    assert Masking({}).text(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "step 1 of 10: residual 1e-9",
        "see https://docs.example.org:8080/a@b",
        "tokens per second: many",
        "secretary wrote",
        "http://host:80/path user@example.org",
        "Keyboard interrupt",
    ],
)
def test_plain_output_stays_as_it_is(text: str) -> None:
    assert Masking({}).text(text) == text


def test_a_secret_variables_value_is_hidden_wherever_it_is_printed() -> None:
    masking = Masking({"API_KEY": "s3cr3t-value", "CERT_KEY": "line-one-x\nline-two-y", "MODE": "fast"})
    assert masking.text("key=s3cr3t-value; then line-two-y") == f"key={MASK}; then {MASK}"


@pytest.mark.parametrize("left", [4, 4096, 4097, 5000, 5999, 6000])
def test_what_a_cut_left_of_a_secret_is_hidden(left: int) -> None:
    secret = "".join(chr(ord("a") + at * at % 23) for at in range(5990)) + "the-end-XY"
    assert Masking({"TOKEN": secret}).end(secret[-left:] + " 4 steps") == f"{MASK} 4 steps"
    # BUT three characters may be there by chance
    assert Masking({"TOKEN": secret}).end("-XY 4 steps") == "-XY 4 steps"


def test_the_secret_that_left_most_decides_what_is_hidden() -> None:
    longer, other = "x" * 40 + "abcd", "12345678-abcdefgh"
    assert Masking({"A_KEY": longer, "B_KEY": other}).end("abcdefgh done") == f"{MASK} done"


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        ("aaaaaaab", "aaaaabx"), ("abababab", "abababx"), ("abcabcabd", "abcabdx"), ("aaaaaaaa", "aaaaax"),
        ("1234567x", "67x"), ("1234567x", ""),
    ],
)  # fmt: skip
def test_a_rest_is_the_longest_end_that_a_text_begins_with(secret: str, text: str) -> None:
    ends = [length for length in range(4, len(secret)) if text.startswith(secret[-length:])]
    shown = MASK + text[max(ends) :] if ends else text
    assert Masking({"TOKEN": secret + "/" + secret}).end(text) == shown


def test_a_short_or_numeric_value_hides_nothing_else() -> None:
    masking = Masking({"KEY_ID": "1", "PIN": "12345678", "TOKEN": "on"})
    assert masking.text("1 node, 12345678 cells, on time") == "1 node, 12345678 cells, on time"


def test_an_address_with_a_password_is_masked_in_any_variable() -> None:
    assert Masking({"http_proxy": "http://u:pass1234@proxy:3128"}).environment() == {
        "http_proxy": "http://u:***@proxy:3128"
    }


@pytest.mark.parametrize(
    "unit",
    ["a", "a.", "-a", "token ", "x://", "eyJaaaaaaaa.", '"', "password=", " ", "AAAA\n", "Bearer ", "'token"],
)
def test_no_output_takes_time_by_the_square_of_its_length(unit: str) -> None:
    # A ratio, not seconds: eight times the text may take eight times as long, with room for a busy machine.
    def seconds(length: int) -> float:
        text = (unit * length)[:length]
        masking = Masking({})
        begun = time.process_time()
        for _ in range(3):
            masking.text(text)
        return time.process_time() - begun

    assert seconds(65536) < 24 * max(seconds(8192), 0.002)


@pytest.mark.parametrize("end", ["a", "b"])
@pytest.mark.parametrize("unit", ["a", "ab", "aaaaaaab"])
def test_no_secret_takes_time_by_the_square_of_its_length(unit: str, end: str) -> None:
    """One variable may have 128 KiB, and a tail 64."""

    def seconds(length: int) -> float:
        secret, text = ((unit * size)[:size] + end for size in (2 * length, length))
        masking = Masking({"TOKEN": secret})
        begun = time.process_time()
        masking.end(text + "c")
        return time.process_time() - begun

    assert seconds(65536) < 24 * max(seconds(8192), 0.002)
