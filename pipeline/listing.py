"""Listing of object stores: folder by folder, in order, the next ones ahead of their turn."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from pipeline.sorting import by_uri, in_order
from transforms.types import Source

if TYPE_CHECKING:
    from pipeline.pages import Page

LISTING_THREADS = 16
RUN = 20_000
"""Objects of a folder that are held in memory: 5 MB; others wait on the disk."""
ListPage = Callable[[str, str | None], "Page"]


def walk_objects(list_page: ListPage, root: str, stripped: str) -> Iterator[Source]:
    """Objects below a prefix, sorted by URI.

    A store tells of a prefix in pages, one after the other; an archive of a million objects takes minutes so. Its folders are
    listed in parallel instead, those that come next first. Memory holds names of folders, and `RUN` objects of each folder ahead.

    Args:
        list_page: a page of a folder, which ends in '/', by the token of the page before.
        root: URI of the prefix; its authority (an Azure account) is kept as it was given.
        stripped: the prefix as the file system names it.
    """

    def listing(folder: str) -> tuple[Iterator[Source], list[str]]:
        """Objects and folders directly below a folder in order, and the folders alone; a folder is a source whose URI ends in '/'."""
        folders: list[str] = []
        objects = in_order(_objects(list_page, folder, folders), RUN)
        first = next(objects, None)  # all pages are asked for now, by whoever is asked to list
        folders.sort()
        return heapq.merge([first] if first else [], objects, map(Source, folders), key=by_uri), folders

    start = stripped + "/"
    stack: list[Iterator[Source]] = [iter([Source(start)])]
    waiting: deque[str] = deque()  # folders that nobody lists yet, in order
    ahead: dict[str, Future[tuple[Iterator[Source], list[str]]]] = {}
    with ThreadPoolExecutor(LISTING_THREADS) as pool:
        while stack:
            node = next(stack[-1], None)
            if node is None:
                stack.pop()
            elif node.uri.endswith("/") and node.size is None:
                if waiting and waiting[0] == node.uri:
                    waiting.popleft()
                below, folders = ahead.pop(node.uri).result() if node.uri in ahead else listing(node.uri)
                stack.append(below)
                waiting.extendleft(reversed(folders))
                while waiting and len(ahead) < LISTING_THREADS:
                    folder = waiting.popleft()
                    ahead[folder] = pool.submit(listing, folder)
            else:
                yield Source(root + node.uri[len(stripped) :], node.size, node.version)


def _objects(list_page: ListPage, folder: str, folders: list[str]) -> Iterator[Source]:
    """The objects of all pages of a folder; names of folders are added to ``folders``, each once."""
    token: str | None = None
    seen: set[str] = set()
    while True:
        page = list_page(folder, token)
        yield from page.objects
        folders.extend(name for name in page.folders if name not in seen)
        seen.update(page.folders)
        token = page.following
        if token is None:
            return
