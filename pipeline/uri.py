"""Names of files: one spelling for each, and names that are made of parts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from transforms.errors import Code, DeidError

_ALIASES = {"gcs": "gs", "s3a": "s3", "s3n": "s3", "abfss": "abfs", "az": "abfs"}
_MAX_PART_BYTES = 255
_VERSION = ("generation", "ETag", "etag", "mtime", "last_modified", "LastModified", "created")


def canonical(uri: str) -> str:
    """One spelling per file: absolute plain path for local files, scheme aliases resolved.

    ``file:`` URIs are percent-decoded (RFC 8089). A local name that is not UTF-8 keeps that form, so that a URI is always valid text.
    """
    scheme, separator, rest = uri.partition("://")
    if not separator or not scheme.isalnum():
        return local_uri(os.path.abspath(uri))  # noqa: PTH100  # Path would keep '..'
    if scheme.lower() in ("file", "local"):
        return local_uri(os.path.abspath(os.fsdecode(unquote_to_bytes(rest))))  # noqa: PTH100
    return f"{_ALIASES.get(scheme.lower(), scheme.lower())}://{rest}"


def local_uri(path: str) -> str:
    """The URI of an absolute local path: the path itself, or its ``file:`` form when it is not UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return "file://" + quote(os.fsencode(path))
    return path


def local_path(uri: str) -> str | None:
    """The path of a local URI, or None when the URI is that of an object store."""
    scheme, separator, rest = canonical(uri).partition("://")
    if separator and scheme == "file":
        return os.fsdecode(unquote_to_bytes(rest))
    return None if separator and scheme.isalnum() else scheme + separator + rest


def version_of(entry: Mapping[str, Any]) -> str:
    """What an object store says of an object's version, in a listing or when asked for the object; '' when it says nothing."""
    return next((str(entry[name]).strip('"') for name in _VERSION if entry.get(name)), "")


def join(uri: str, *parts: str) -> str:
    """``uri`` with ``parts`` below it, each a single plain name.

    Raises:
        DeidError: WRITE_FAILED, a part is empty, too long, '.' or '..', or holds a separator or a control character.
    """
    for part in parts:
        plain = part.isprintable() and not set(part) & set("/\\") and part not in ("", ".", "..") and len(part.encode()) <= _MAX_PART_BYTES
        if not plain:
            raise DeidError(Code.WRITE_FAILED, "a part of an output name is not a plain name")
    return "/".join((uri.rstrip("/"), *parts))
