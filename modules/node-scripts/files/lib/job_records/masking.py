"""Secrets out of a record: environment variables by their names, everything by the look of a value.

Too much masked is a nuisance, too little is a leak: a name that merely sounds secret is masked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

MASK = "***"

_SECRET_NAME = re.compile(
    r"TOKEN|SECRET|PASSW|PASSPHRASE|PASSCODE|CREDENTIAL|KEY|COOKIE|JWT|AUTH(?!OR(?:_|$))|SIGNATURE|CONNECTION_STRING"
    r"|(?:^|_)(?:PASS|PWD|PIN|SAS|DSN)$",
    re.IGNORECASE,
)
# The shell's own directories end like a password's variable does; a socket's path is no secret.
_HARMLESS_NAMES = frozenset({"PWD", "OLDPWD", "SSH_AUTH_SOCK", "XAUTHORITY"})

# A value this short occurs by chance in any text: masking "1" everywhere would ruin the output.
_MIN_SECRET_LENGTH = 8
# Each is looked for in every text of the record.
_MAX_SECRETS = 1000
# How much of a secret's end a text must begin with to be taken for the rest of it.
_MIN_REST = 4

# Every repetition in front of a fixed text has a limit: without one, a long run of letters would take time
# by the square of its length, and any user could hold up the records.
_SECRET_WORD = (
    r"(?:token|secret|passw(?:or)?d|passphrase|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|account[_-]?key|credentials?)"
)
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # A private key, whole or with its beginning cut off by the limit of the tail.
    (
        re.compile(
            r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.DOTALL
        ),
        MASK,
    ),
    (re.compile(r"\A(?:[A-Za-z0-9+/=]+\n)+-----END [A-Z0-9 ]*PRIVATE KEY-----"), MASK),
    # user:password@ in an address; the user's name stays.
    (re.compile(r"(\b[A-Za-z][A-Za-z0-9+.-]{0,20}://[^\s:/@\"']{0,80}:)[^\s@/\"']+(?=@)"), rf"\g<1>{MASK}"),
    # AWS: an access key's id, and a secret access key beside its name in any spelling (next pattern).
    (re.compile(r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b"), MASK),
    # A JSON Web Token; tokens of GitLab, GitHub, Slack and OpenAI-like services by their prefixes.
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"), MASK),
    (re.compile(r"\b(?:glpat-|gh[pousr]_|github_pat_|xox[abprs]-|sk-)[A-Za-z0-9_-]{16,}"), MASK),
    # Authorization: Bearer ...
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE), rf"\g<1> {MASK}"),
    # X-Amz-Signature and X-Amz-Security-Token of a presigned address.
    (
        re.compile(r"(X-Amz-(?:Signature|Security-Token|Credential)=)[^\s&\"']+", re.IGNORECASE),
        rf"\g<1>{MASK}",
    ),
    # name=value, name: value, "name": "value", --name value; what the name begins with does not matter.
    (
        re.compile(
            rf"({_SECRET_WORD}[\"']?\s{{0,8}}[=:]\s{{0,8}}|(?<!\S)--?[A-Za-z0-9_.-]{{0,40}}{_SECRET_WORD}\s{{1,8}})"
            r"(\"[^\"\n]*\"|'[^'\n]*'|[^\s\"',;&]+)",
            re.IGNORECASE,
        ),
        rf"\g<1>{MASK}",
    ),
)


class Masking:
    """What to hide in the texts of one record.

    environment   None when it is not known: then secrets are found by their looks alone
    """

    def __init__(self, environment: Mapping[str, str] | None):
        self._environment = environment
        self._secrets = sorted(_long_enough(_secret_values(environment or {})), key=len, reverse=True)

    @property
    def complete(self) -> bool:
        """Whether the values of secret variables are known; else no text that may hold one is to be shown."""
        return self._environment is not None

    def environment(self) -> dict[str, str] | None:
        """The variables, each as it may be shown; a secret one keeps its name."""
        if self._environment is None:
            return None
        return {
            name: MASK if _is_secret(name, value) else self.text(value)
            for name, value in self._environment.items()
        }

    def end(self, text: str) -> str:
        """The same of a text whose beginning was cut off, perhaps within a secret."""
        rest = _longest_rest(text, self._secrets)
        return MASK * bool(rest) + self.text(text[rest:])

    def text(self, text: str) -> str:
        """A command line, an output: without the values of secret variables, nor what looks like a secret."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text


def _longest_rest(text: str, secrets: Iterable[str]) -> int:
    """How many characters at a text's beginning are the end of a secret: the most that are, 0 if none.

    Takes time by the length of text and secrets, whatever they hold: a user chooses both.
    Source   Knuth, Morris, Pratt, "Fast Pattern Matching in Strings" (1977)
    """
    longest, borders = 0, None
    for secret in secrets:
        # No more of it fits into the text; and a rest begins where the text's first characters are.
        start = secret.find(text[:_MIN_REST], max(0, len(secret) - len(text)))
        if start < 0:
            continue
        if borders is None:
            borders = _borders(text)
        matched = 0
        for sign in secret[start:]:
            while matched and sign != text[matched]:
                matched = borders[matched - 1]
            matched += sign == text[matched]
        longest = max(longest, matched)
    return longest if longest >= _MIN_REST else 0


def _borders(text: str) -> Sequence[int]:
    """For each beginning of a text: how much of its own beginning it ends with, short of all of it."""
    borders = [0] * len(text)
    matched = 0
    for at in range(1, len(text)):
        while matched and text[at] != text[matched]:
            matched = borders[matched - 1]
        matched += text[at] == text[matched]
        borders[at] = matched
    return borders


def bearable(environment: Mapping[str, str]) -> bool:
    """Whether it holds no more secrets than can be looked for."""
    return len(_long_enough(_secret_values(environment))) <= _MAX_SECRETS


def _is_secret(name: str, value: str) -> bool:
    return bool(value) and name not in _HARMLESS_NAMES and bool(_SECRET_NAME.search(name))


def _secret_values(environment: Mapping[str, str]) -> Iterable[str]:
    for name, value in environment.items():
        if _is_secret(name, value):
            yield value
            # What a program prints of a value with line breaks is often one of its lines.
            yield from value.splitlines()


def _long_enough(values: Iterable[str]) -> set[str]:
    return {value for value in values if len(value) >= _MIN_SECRET_LENGTH and not value.isdigit()}
