"""What a project takes over instead of making it: a bucket or a home that stood there before."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from engine.model.fields import Allowed, Strict, refused
from engine.model.wording import shown

# As modules/bucket wants it: with dots, TLS to the bucket's own host name would not work.
_BUCKET = r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]"
_RESERVED = r"(xn--|sthree-|amzn-s3-demo-).*|.*(-s3alias|--ol-s3|--x-s3|--table-s3)"
# EFS API reference, FileSystemId.
_FILE_SYSTEM = r"fs-([0-9a-f]{8}|[0-9a-f]{17})"


def _bucket(name: str) -> str:
    if not re.fullmatch(_BUCKET, name, re.ASCII) or re.fullmatch(_RESERVED, name):
        raise refused(f"{shown(name)} is no name of a bucket that can be taken over")
    return name


def _file_system(text: str) -> str:
    if not re.fullmatch(_FILE_SYSTEM, text, re.ASCII):
        raise refused(f"{shown(text)} is no id of a file system")
    return text


def _left_out(value: Any) -> bool:
    return value is None


class Existing(Strict):
    """Both keep their names; from then on they are the project's own, with its tags and its protection."""

    bucket: Annotated[
        Annotated[str, AfterValidator(_bucket)] | None,
        Allowed("3 to 63 lower-case letters, digits and '-', none of S3's reserved beginnings and endings"),
    ] = Field(
        default=None,
        title="Bucket",
        description="Bucket of the region that becomes the project's.",
        examples=["genomics-2019"],
        json_schema_extra={"pattern": f"^{_BUCKET}$"},
        exclude_if=_left_out,
    )
    home: Annotated[
        Annotated[str, AfterValidator(_file_system)] | None,
        Allowed("fs- and 8 or 17 hexadecimal digits"),
    ] = Field(
        default=None,
        title="Home",
        description="EFS file system that becomes the project's home.",
        examples=["fs-0123456789abcdef0"],
        json_schema_extra={"pattern": f"^{_FILE_SYSTEM}$"},
        exclude_if=_left_out,
    )
