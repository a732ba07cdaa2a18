"""Listing of object stores: folder by folder, in order, the next ones ahead of their turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from pipeline.uri import version_of
from transforms.types import Source

LISTING_THREADS = 16
ListFolder = Callable[[str], Iterable[Mapping[str, Any]]]


def walk_objects(list_folder: ListFolder, root: str, stripped: str) -> Iterator[Source]:
    """Objects below a prefix, sorted by URI.

    A store tells of a prefix in pages, one after the other; an archive of a million objects takes minutes so. Its folders are
    listed in parallel instead, those that come next first. Memory is bounded by the largest folder and those ahead.

    Args:
        list_folder: entries of a folder with ``name``, ``type`` and ``size``, as fsspec's ``ls`` gives them.
        root: URI of the prefix; its authority (an Azure account) is kept as it was given.
        stripped: the prefix as the file system names it.
    """
    plan: deque[Source | str] = deque([stripped])
    waiting: deque[str] = deque()  # folders of the plan that nobody lists yet, in its order
    ahead: dict[str, Future[list[Source | str]]] = {}

    def listing(folder: str) -> list[Source | str]:
        return _in_order(list_folder(folder), folder, lambda name: root + name[len(stripped) :])

    with ThreadPoolExecutor(LISTING_THREADS) as pool:
        while plan:
            node = plan.popleft()
            if isinstance(node, Source):
                yield node
                continue
            if waiting and waiting[0] == node:
                waiting.popleft()
            below = ahead.pop(node).result() if node in ahead else listing(node)
            plan.extendleft(reversed(below))
            waiting.extendleft(reversed([entry for entry in below if isinstance(entry, str)]))
            while waiting and len(ahead) < LISTING_THREADS:
                folder = waiting.popleft()
                ahead[folder] = pool.submit(listing, folder)


def _in_order(entries: Iterable[Mapping[str, Any]], folder: str, uri: Callable[[str], str]) -> list[Source | str]:
    """A listing as sources and names of folders, sorted as if names of folders ended in '/'; without the folder's own marker object."""
    below = folder + "/"
    named = [(entry["name"].rstrip("/") + "/" * (entry["type"] == "directory"), entry.get("size"), version_of(entry)) for entry in entries]
    inside = sorted((item for item in named if item[0].startswith(below) and item[0] != below), key=lambda item: str(item[0]))
    return [name[:-1] if name.endswith("/") else Source(uri(name), size, version) for name, size, version in inside]
