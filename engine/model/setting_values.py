"""What the settings may hold: one validator for each kind of value, with the rule's source."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StrictStr

from engine.model import tags
from engine.model.fields import Allowed, refused
from engine.model.names import MAX_ID_LENGTH
from engine.model.wording import shown

# ParallelCluster 3.16.1, Image/Os; there are no public images of the rocky ones.
OPERATING_SYSTEMS = ("alinux2023", "ubuntu2204", "ubuntu2404", "rhel8", "rocky8", "rhel9", "rocky9")
WITHOUT_PUBLIC_IMAGE = ("rocky8", "rocky9")

# ParallelCluster 3.16.1, Monitoring/Logs/CloudWatch/RetentionInDays; 0 keeps them for ever.
RETENTION_DAYS = (0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1827, 3653)

# Users and groups with privileges, or with another purpose, on the images of ParallelCluster.
SYSTEM_USERS = frozenset(
    {
        *("root", "bin", "daemon", "adm", "wheel", "sudo", "admin", "nobody", "nogroup", "users", "sshd"),
        *("munge", "slurm", "slurmrestd", "dcv", "dcvsmagent", "pcluster-admin", "docker"),
        *("ec2-user", "ubuntu", "rocky", "centos", "cloud-user"),
    }
)

_PRIVATE = tuple(ipaddress.IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


@dataclass(frozen=True)
class Derived:
    """Annotation of a setting whose default hangs on other settings: that default, in words."""

    text: str


def _matching(pattern: str, noun: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise refused(f"{shown(text)} is not {noun}")
        return text

    return check


def network(text: str) -> ipaddress.IPv4Network:
    """An IPv4 block; refused with the right one when bits stand behind the prefix."""
    try:
        if "/" not in text:
            raise ValueError
        block = ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        raise refused(f"{shown(text)} is not an IPv4 block") from None
    if text != str(block):
        raise refused(f"{shown(text)} is not written as a block; did you mean {block}?")
    return block


def _range(text: str) -> str:
    block = network(text)
    if not any(block.subnet_of(private) for private in _PRIVATE):
        raise refused(f"{text} is not private", allowed="blocks in 10/8, 172.16/12 or 192.168/16")
    return text


def _ranges(texts: tuple[str, ...]) -> tuple[str, ...]:
    if not texts:
        raise refused("is empty")
    blocks = [network(text) for text in texts]
    for index, block in enumerate(blocks):
        for earlier in blocks[:index]:
            if block.overlaps(earlier):
                raise refused(
                    f"{earlier} and {block} overlap", allowed="blocks that have no address in common"
                )
    return texts


def _endpoint(url: str) -> str:
    # The text is not repeated: it may hold a password.
    if "@" in url:
        raise refused("holds credentials", allowed="an address without user and password")
    if not re.fullmatch(r"https?://([A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(:[0-9]{1,5})?/?", url):
        raise refused(f"{shown(url)} is not the address of an endpoint")
    return url.rstrip("/")


def _jwks_url(url: str) -> str:
    # The text is not repeated: it may hold a password.
    if "@" in url:
        raise refused("holds credentials", allowed="an address without user and password")
    if not re.fullmatch(
        r"https?://[A-Za-z0-9.\-\[\]:]+(/[A-Za-z0-9._~/%+:-]*)?(\?[A-Za-z0-9._~%+&=-]*)?", url
    ):
        raise refused(f"{shown(url)} is not an https:// address")
    # Whoever can change the keys on their way signs any token. Only this machine needs no TLS.
    if url.startswith("http://") and not re.match(
        r"http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?(/|$)", url
    ):
        raise refused("is fetched without TLS", allowed="an https:// address")
    return url


def _bucket(name: str) -> str:
    """Source: S3 user guide, "General purpose bucket naming rules"."""
    reserved = name.startswith(("xn--", "sthree-", "amzn-s3-demo-")) or name.endswith(
        ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
    )
    number = re.fullmatch(r"[0-9]+(\.[0-9]+){3}", name)
    labels = r"(?=.{3,63}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"
    if reserved or number or not re.fullmatch(labels, name):
        raise refused(f"{shown(name)} is not a bucket's name")
    return name


def _user(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,30}", name):
        raise refused(f"{shown(name)} is not a user's name")
    if name in SYSTEM_USERS:
        raise refused(f"{shown(name)} is a user of the system's images")
    return name


def _folder(path: str) -> str:
    if not path.strip() or not path.isprintable():
        raise refused(f"{shown(path)} is not a path")
    return path


def _word(text: str) -> str:
    if not text or text != text.strip() or not text.isprintable():
        raise refused(f"{shown(text)} is empty, or has white space at an end")
    return text


def _tag_key(key: str) -> str:
    tags.check_key(key)
    if "=" in key:
        # The environment, by which a service's functions get their settings, has KEY=VALUE.
        raise refused(f"{shown(key)} contains '='", allowed="keys without '='")
    return key


def _tag_value(value: str) -> str:
    """A value that makes a tag for whatever project."""
    if not value:
        raise refused("is empty: CloudFormation, which makes the clusters, takes no tag without a value")
    if value != value.strip():
        raise refused(f"{shown(value)} has white space at its beginning or end")
    plain = tags.filled(value, vlab_id="", project_id="")
    tags.check_characters(plain, of=value)
    longest = len(tags.filled(value, vlab_id="v" * MAX_ID_LENGTH, project_id="p" * MAX_ID_LENGTH))
    if longest > tags.VALUE_LENGTH:
        raise refused(
            f"has {longest} characters where the ids are as long as they may be",
            allowed=f"at most {tags.VALUE_LENGTH} characters",
        )
    return value


def _apart_in_any_case(given: dict[str, str]) -> dict[str, str]:
    known: dict[str, str] = {}
    for key in given:
        first = known.setdefault(key.lower(), key)
        if first != key:
            raise refused(
                f"{shown(key)} differs from {shown(first)} in upper and lower case alone: to IAM they are "
                "one key",
                allowed="one of the two",
            )
    return given


def _one_image_each(pairs: tuple[str, ...]) -> tuple[str, ...]:
    releases = [pair.partition("=")[0] for pair in pairs]
    twice = next((one for one in releases if releases.count(one) > 1), None)
    if twice:
        raise refused(f"names {twice} more than once")
    return pairs


def _auto_or_number(value: object) -> object:
    """A number as text, as it comes from the environment; YAML has it without quotes."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _one_of_days(days: int) -> int:
    if days not in RETENTION_DAYS:
        raise refused(f"{shown(days)} is not a period that CloudWatch offers")
    return days


Region = Annotated[
    str,
    AfterValidator(_matching(r"[a-z]{2,4}(-[a-z]+){1,2}-[0-9]{1,2}", "a region")),
    Allowed("the name of an AWS region"),
]
AccountId = Annotated[
    str, AfterValidator(_matching(r"[0-9]{12}", "an account")), Allowed("12 digits, in quotes")
]
EndpointUrl = Annotated[str, AfterValidator(_endpoint), Allowed("http(s)://host or http(s)://host:port")]
BucketName = Annotated[
    str,
    AfterValidator(_bucket),
    Allowed("3 to 63 lower-case letters, digits, '-' and '.', none of S3's reserved beginnings and endings"),
]
TableName = Annotated[
    str,
    AfterValidator(_matching(r"[A-Za-z0-9_.-]{3,255}", "a table's name")),
    Allowed("3 to 255 letters, digits and _ . -"),
]
# SQS developer guide, "Quotas related to messages and queues"; FIFO queues end in .fifo, which counts.
QueueName = Annotated[
    str,
    AfterValidator(_matching(r"[A-Za-z0-9_-]{1,75}\.fifo", "a FIFO queue's name")),
    Allowed("1 to 75 letters, digits, '-' and '_', then .fifo"),
]
# EventBridge API reference, PutEventsRequestEntry: a name or an ARN.
EventBus = Annotated[
    str,
    AfterValidator(_matching(r"[A-Za-z0-9/._:-]{1,1600}", "an event bus")),
    Allowed("the name or the ARN of an event bus"),
]
# RDS user guide, "DB instance identifier".
DatabaseInstance = Annotated[
    str,
    AfterValidator(_matching(r"(?=.{1,63}$)[a-z](-?[a-z0-9])*", "an RDS instance identifier")),
    Allowed("1 to 63 lower-case letters, digits and single '-', a letter first"),
]
# Lambda API reference, CreateFunction: a name, no ARN.
FunctionName = Annotated[
    str,
    AfterValidator(_matching(r"[A-Za-z0-9_-]{1,64}", "a Lambda function's name")),
    Allowed("1 to 64 letters, digits, '-' and '_'"),
]
PclusterVersion = Annotated[
    str,
    AfterValidator(_matching(r"3\.[0-9]{1,2}\.[0-9]{1,2}", "a ParallelCluster 3 release")),
    Allowed("3.MINOR.PATCH, in quotes"),
]
StackName = Annotated[
    str,
    AfterValidator(_matching(r"[A-Za-z][A-Za-z0-9-]{0,127}", "a stack's name")),
    Allowed("1 to 128 letters, digits and '-', a letter first"),
]
PolicyArn = Annotated[
    str,
    AfterValidator(
        _matching(r"arn:aws[a-z-]*:iam::[0-9]{12}:policy/[A-Za-z0-9+=,.@_/-]{1,512}", "a policy's ARN")
    ),
    Allowed("the ARN of a managed policy of the account"),
]
ImageId = Annotated[
    str, AfterValidator(_matching(r"ami-([0-9a-f]{8}|[0-9a-f]{17})", "an image")), Allowed("an AMI id")
]
ReleaseImages = Annotated[
    tuple[
        Annotated[
            StrictStr,
            AfterValidator(
                _matching(
                    r"3\.[0-9]{1,2}\.[0-9]{1,2}=(ami-([0-9a-f]{8}|[0-9a-f]{17})|none)",
                    "a release and its image",
                )
            ),
        ],
        ...,
    ],
    Field(strict=False),
    AfterValidator(_one_image_each),
    Allowed("a list of RELEASE=AMI or RELEASE=none, each release once"),
]
RetentionDays = Annotated[
    int, AfterValidator(_one_of_days), Allowed("one of " + ", ".join(map(str, RETENTION_DAYS)))
]
# useradd(8) with the usual rule of names; those of the system's own users are taken already.
UserName = Annotated[
    str,
    AfterValidator(_user),
    Allowed("1 to 31 lower-case letters, digits, '-' and '_', a letter first, no user of the system's"),
]
# Below 1001 are the system's users and the images' own; 65534 and above are nobody's.
PosixId = Annotated[int, Field(ge=1001, le=59999), Allowed("a whole number from 1001 to 59999")]
Folder = Annotated[str, AfterValidator(_folder), Allowed("a path")]
Limit = Annotated[int, Field(ge=0, le=10_000_000), Allowed("a whole number from 0 (no limit) to 10000000")]
Words = Annotated[
    tuple[Annotated[StrictStr, AfterValidator(_word)], ...],
    Field(strict=False),
    Allowed("a list of texts without white space at their ends"),
]
ProjectTags = Annotated[
    dict[
        Annotated[StrictStr, AfterValidator(_tag_key)],
        Annotated[StrictStr, AfterValidator(_tag_value)],
    ],
    Field(max_length=tags.MAX_PROJECT_TAGS),
    AfterValidator(_apart_in_any_case),
    Allowed(
        f"a mapping of at most {tags.MAX_PROJECT_TAGS} texts: {tags.CHARACTERS}; in values {{vlab_id}} and "
        "{project_id}, too"
    ),
]
Parallel = Annotated[
    str,
    BeforeValidator(_auto_or_number),
    AfterValidator(_matching(r"auto|[1-9]|[1-5][0-9]|6[0-4]", "a number of projects")),
    Allowed("auto, or a whole number from 1 to 64"),
]
# Lists come as lists from YAML, as tuples from the command line; text and numbers are not lists.
AddressRanges = Annotated[
    tuple[Annotated[StrictStr, AfterValidator(_range)], ...],
    Field(strict=False),
    AfterValidator(_ranges),
    Allowed("one or more private IPv4 blocks that don't overlap"),
]
JwksUrl = Annotated[str, AfterValidator(_jwks_url), Allowed("an https:// address, without credentials")]
# It stands in the configuration of the filter on the nodes: no sign that means something there.
Claim = Annotated[
    str,
    AfterValidator(
        _matching(r"[A-Za-z0-9._~:/@+-]{1,255}", "an issuer or audience that the filter can hold")
    ),
    Allowed("1 to 255 letters, digits and . _ ~ : / @ + -"),
]
