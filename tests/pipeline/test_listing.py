"""Listing an object store: in order whatever the tree, in parallel, and with an error when a folder cannot be listed."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.listing import LISTING_THREADS, walk_objects

names = st.lists(st.text("ab.-_1é", min_size=1, max_size=3), min_size=1, max_size=4).map("/".join)


def bucket(keys: Iterable[str]) -> dict[str, list[Mapping[str, Any]]]:
    """What ``ls`` says of each folder below ``b/p``."""
    folders: dict[str, dict[str, Mapping[str, Any]]] = {"b/p": {}}
    for key in keys:
        parts = f"b/p/{key}".split("/")
        for depth in range(2, len(parts)):
            parent, name = "/".join(parts[:depth]), "/".join(parts[: depth + 1])
            leaf = depth + 1 == len(parts)
            entry = {"name": name, "type": "file" if leaf else "directory", "size": len(key) if leaf else 0}
            folders.setdefault(parent, {})[name + "/" * (not leaf)] = entry
    return {folder: list(entries.values()) for folder, entries in folders.items()}


@given(st.sets(names, max_size=30))
def test_every_object_once_and_in_order(keys: set[str]) -> None:
    folders = bucket(keys)
    found = list(walk_objects(folders.__getitem__, "gs://b/p", "b/p"))
    assert [source.uri for source in found] == sorted(f"gs://b/p/{key}" for key in keys)
    assert all(source.size == len(source.uri) - len("gs://b/p/") for source in found)


def test_folders_are_listed_ahead_of_their_turn() -> None:
    folders = bucket(f"{number:02}/x" for number in range(LISTING_THREADS))
    together = threading.Barrier(LISTING_THREADS, timeout=10)

    def list_folder(folder: str) -> list[Mapping[str, Any]]:
        if folder != "b/p":
            together.wait()
        return folders[folder]

    assert len(list(walk_objects(list_folder, "gs://b/p", "b/p"))) == LISTING_THREADS


def test_a_folder_that_cannot_be_listed_is_an_error() -> None:
    folders = bucket(["a/1", "b/2"])
    del folders["b/p/b"]
    with pytest.raises(KeyError):
        list(walk_objects(folders.__getitem__, "gs://b/p", "b/p"))
