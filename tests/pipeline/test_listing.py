"""Listing an object store: in order whatever the tree, in parallel, and with an error when a folder cannot be listed."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import pytest
from fsspec.asyn import get_loop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import listing
from pipeline.listing import LISTING_THREADS, ListPage, walk_objects
from pipeline.pages import Page, page
from transforms.types import Source

PAGE = 3
folders = st.lists(st.text("ab.-_1é", max_size=3), max_size=3)
names = st.builds(lambda above, name: "/".join([*above, name]), folders, st.text("ab.-_1é", min_size=1, max_size=3))


def bucket(keys: Iterable[str], *, shuffled: bool = False) -> ListPage:
    """A store that holds these keys below ``b/p`` and tells of them as object stores do, a few at a time."""
    stored = [f"b/p/{key}" for key in keys]

    def list_page(folder: str, token: str | None) -> Page:
        below = sorted({folder + rest.partition("/")[0] + "/" * ("/" in rest) for rest in rests(stored, folder)}, reverse=shuffled)
        start = int(token or 0)
        found = below[start : start + PAGE]
        return Page(
            tuple(Source(name, len(name)) for name in found if not name.endswith("/")),
            tuple(name for name in found if name.endswith("/")),
            str(start + PAGE) if start + PAGE < len(below) else None,
        )

    return list_page


def rests(stored: Iterable[str], folder: str) -> Iterable[str]:
    return (name.removeprefix(folder) for name in stored if name.startswith(folder))


@given(st.sets(names, max_size=30), st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_every_object_once_and_in_order(monkeypatch: pytest.MonkeyPatch, keys: set[str], shuffled: bool) -> None:
    monkeypatch.setattr(listing, "RUN", 2)
    found = list(walk_objects(bucket(keys, shuffled=shuffled), "gs://b/p", "b/p"))
    assert [source.uri for source in found] == sorted(f"gs://b/p/{key}" for key in keys)
    assert all(source.size == len(source.uri) - len("gs://") for source in found)


def test_folders_are_listed_ahead_of_their_turn() -> None:
    list_page = bucket(f"{number:02}/x" for number in range(LISTING_THREADS))
    together = threading.Barrier(LISTING_THREADS, timeout=10)

    def waiting(folder: str, token: str | None) -> Page:
        if folder != "b/p/":
            together.wait()
        return list_page(folder, token)

    assert len(list(walk_objects(waiting, "gs://b/p", "b/p"))) == LISTING_THREADS


def test_a_folder_that_cannot_be_listed_is_an_error() -> None:
    list_page = bucket(["a/1", "b/2", "b/3", "b/4", "b/5"])

    def failing(folder: str, token: str | None) -> Page:
        if folder == "b/p/b/" and token is not None:
            raise PermissionError
        return list_page(folder, token)

    with pytest.raises(PermissionError):
        list(walk_objects(failing, "gs://b/p", "b/p"))


def test_all_pages_of_google_are_asked_for() -> None:
    """The emulator gives everything at once, whatever is asked for."""
    answers = {
        None: {"items": [{"name": "p/", "size": "0"}, {"name": "p/1", "size": "7", "generation": "5"}], "nextPageToken": "more"},
        "more": {"prefixes": ["p/2/"]},
    }

    class Google:
        loop = get_loop()

        async def _call_list_objects(self, bucket: str, *, pageToken: str | None, prefix: str, **_: Any) -> dict[str, Any]:
            return answers[pageToken] if (bucket, prefix) == ("b", "p/") else {"items": [{"name": "p/2/x", "size": "1"}]}

    found = list(walk_objects(lambda folder, token: page(Google(), "gs", folder, token), "gs://b/p", "b/p"))
    assert found == [Source("gs://b/p/1", 7, "5"), Source("gs://b/p/2/x", 1)]
