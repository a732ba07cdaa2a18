"""Listings of object stores page by page: fsspec's ``ls`` gives a folder at once, and holds 1.5 KiB for each object in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fsspec.asyn import sync

from pipeline.uri import version_of
from transforms.types import Source

PAGE = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """Some of what is directly below a prefix.

    Attributes:
        objects: their URIs are names as the file system has them, without a scheme. One that is named like the prefix is a mark for a
            folder unless it holds something: no file system reads that one, but it must have its row.
        folders: names that end in '/'.
        following: what to ask for the next page with; None at the end.
    """

    objects: tuple[Source, ...]
    folders: tuple[str, ...]
    following: str | None = None


def page(filesystem: Any, scheme: str, prefix: str, token: str | None = None) -> Page:
    """One page of what is directly below a prefix, which ends in '/'; nothing when there is no such prefix.

    Args:
        filesystem: of fsspec.
        scheme: its canonical name.
        prefix: as the file system names it.
        token: of the page before.
    """
    call = _PAGES.get(scheme)
    return call(filesystem, prefix, token) if call is not None else _whole(filesystem, prefix)


def _whole(filesystem: Any, prefix: str) -> Page:
    """A folder at once, for stores of which the pages are not known here."""
    entries = filesystem.ls(prefix.rstrip("/"), detail=True)
    named = [(entry["name"].rstrip("/"), entry) for entry in entries]
    below = [(name, entry) for name, entry in named if name.startswith(prefix) and name != prefix]
    objects = tuple(Source(name, entry.get("size"), version_of(entry)) for name, entry in below if entry["type"] != "directory")
    return Page(objects, tuple(name + "/" for name, entry in below if entry["type"] == "directory"))


def _s3(filesystem: Any, prefix: str, token: str | None) -> Page:
    bucket, key, _ = filesystem.split_path(prefix)
    more = filesystem.req_kw | ({"ContinuationToken": token} if token else {})
    what = {"Bucket": bucket, "Prefix": key, "Delimiter": "/", "MaxKeys": PAGE}
    answer = sync(filesystem.loop, filesystem._call_s3, "list_objects_v2", **what, **more)
    found = (each for each in answer.get("Contents", ()) if each["Key"] != key or each["Size"])
    return Page(
        tuple(Source(f"{bucket}/{each['Key']}", each["Size"], version_of(each)) for each in found),
        tuple(f"{bucket}/{each['Prefix']}" for each in answer.get("CommonPrefixes", ())),
        answer["NextContinuationToken"] if answer.get("IsTruncated") else None,
    )


def _gs(filesystem: Any, prefix: str, token: str | None) -> Page:
    bucket, _, key = prefix.partition("/")
    call = filesystem._call_list_objects
    answer = sync(filesystem.loop, call, bucket, delimiter="/", prefix=key or None, maxResults=PAGE, pageToken=token)
    found = (each for each in answer.get("items", ()) if each["name"] != key or int(each.get("size", 0)))
    return Page(
        tuple(Source(f"{bucket}/{each['name']}", int(each.get("size", 0)), version_of(each)) for each in found),
        tuple(f"{bucket}/{each}" for each in answer.get("prefixes", ())),
        answer.get("nextPageToken"),
    )


def _abfs(filesystem: Any, prefix: str, token: str | None) -> Page:
    container, _, key = prefix.partition("/")

    async def get() -> tuple[list[str], list[dict[str, Any]], str | None]:
        async with filesystem.service_client.get_container_client(container=container) as client:
            found = client.walk_blobs(include=["metadata"], name_starts_with=key or None, delimiter="/", results_per_page=PAGE)
            pages = found.by_page(token)
            async for each in pages:
                blobs = [blob async for blob in each]
                prefixes = [f"{container}/{blob.name}" for blob in blobs if not blob.has_key("size")]
                return prefixes, await filesystem._details([blob for blob in blobs if blob.has_key("size")]), pages.continuation_token
        return [], [], None

    prefixes, entries, following = sync(filesystem.loop, get)
    # With a hierarchical namespace a folder comes twice: as a prefix, and as an object that says that it is one.
    folders = dict.fromkeys([*prefixes, *(entry["name"] + "/" for entry in entries if entry["type"] == "directory")])
    objects = (entry for entry in entries if entry["type"] != "directory" and entry["name"] + "/" != prefix)
    return Page(tuple(Source(entry["name"], entry["size"], version_of(entry)) for entry in objects), tuple(folders), following or None)


_PAGES: dict[str, Callable[[Any, str, str | None], Page]] = {"s3": _s3, "gs": _gs, "abfs": _abfs}
