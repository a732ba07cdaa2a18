"""Storage on the local disk and in memory: atomic, exact, and silent about paths when it fails."""

from __future__ import annotations

import errno
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from uuid import uuid4

import pytest

from pipeline import local_disk
from pipeline.storage import Store, canonical, join, local_path
from transforms.errors import Code, ConfigError, DeidError

STORE = Store(sleep=lambda _: None)


@pytest.fixture(params=["local", "memory"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path) if request.param == "local" else f"memory://{uuid4().hex}"


def test_writes_and_reads(root: str) -> None:
    uri = join(root, "a", "b.dcm")
    STORE.write_atomic(uri, b"0123456789")
    assert STORE.exists(uri)
    assert not STORE.exists(join(root, "a", "c.dcm"))
    assert STORE.size(uri) == 10
    assert STORE.read_range(uri, 2, 5) == b"234"
    assert STORE.read_range(uri, 8, 50) == b"89"
    assert STORE.read_range(uri, 5, 5) == b""
    assert STORE.read_all(uri, 10) == b"0123456789"
    STORE.write_atomic(uri, b"new")
    assert STORE.read_all(uri) == b"new"
    STORE.delete(uri)
    STORE.delete(uri)
    assert not STORE.exists(uri)


def test_an_empty_file_is_a_file(root: str) -> None:
    uri = join(root, "empty")
    STORE.write_atomic(uri, b"")
    assert STORE.size(uri) == 0
    assert STORE.read_all(uri, 10) == b""


def test_only_the_first_write_counts(root: str) -> None:
    uri = join(root, "x", "one")
    assert STORE.write_if_absent(uri, b"first")
    assert not STORE.write_if_absent(uri, b"second")
    assert STORE.read_all(uri, 100) == b"first"


def test_bounds_and_changes_are_errors(root: str) -> None:
    uri = join(root, "f")
    STORE.write_atomic(uri, b"0123456789")
    for size, code in ((None, Code.TOO_LARGE), (9, Code.CHANGED_DURING_RUN), (11, Code.CHANGED_DURING_RUN)):
        with pytest.raises(DeidError) as raised:
            STORE.read_all(uri, 9 if size is None else 100, size)
        assert raised.value.code == code


def test_lists_sorted_and_recursively(root: str) -> None:
    for name in ("b/2", "b.x", "a", "b/1", "b-c", "c/d/e/f"):
        STORE.write_atomic(join(root, *name.split("/")), b"x" * len(name))
    found = list(STORE.list_files(root))
    names = [source.uri.removeprefix(canonical(root) + "/") for source in found]
    assert names == ["a", "b-c", "b.x", "b/1", "b/2", "c/d/e/f"] == sorted(names)
    assert [source.size for source in found] == [len(name) for name in names]


@pytest.mark.parametrize("call", ["size", "read_all", "read_range"])
def test_a_missing_file_is_an_error_without_its_name(root: str, call: str) -> None:
    arguments = (0, 5) if call == "read_range" else ()
    with pytest.raises(DeidError) as raised:
        getattr(STORE, call)(join(root, "DOE^JANE"), *arguments)
    assert raised.value.code == Code.READ_FAILED
    assert "DOE" not in str(raised.value) + repr(raised.value.__cause__)
    assert raised.value.__suppress_context__


@pytest.mark.parametrize("part", ["", ".", "..", "a/b", "a\\b", "a\nb", "a\0b", "x" * 256])
def test_parts_of_names_are_checked(part: str) -> None:
    with pytest.raises(DeidError) as raised:
        join("/tmp/out", "ok", part)
    assert raised.value.code == Code.WRITE_FAILED


def test_a_store_travels_without_showing_credentials() -> None:
    store = Store({"s3": {"key": "AKIA", "secret": "hush"}})
    assert pickle.loads(pickle.dumps(store)) == store
    assert "hush" not in repr(store)
    assert hash(store) == hash(Store())


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("/a/../b", "/b"),
        ("file:///a%20b/c", "/a b/c"),
        ("file:///a/M%FCller", "file:///a/M%FCller"),
        ("gcs://b/k", "gs://b/k"),
        ("s3a://b/k", "s3://b/k"),
        ("abfss://c@a.dfs.core.windows.net/k", "abfs://c@a.dfs.core.windows.net/k"),
        ("/50%25/x", "/50%25/x"),
    ],
)
def test_one_spelling_per_file(uri: str, expected: str) -> None:
    assert canonical(uri) == expected
    assert canonical(expected) == expected


def test_names_that_are_not_utf8_are_listed_and_read(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/M\xfcller.dcm"
    Path(os.fsdecode(raw)).write_bytes(b"x")
    (tmp_path / "z").write_bytes(b"")
    uris = [source.uri for source in STORE.list_files(str(tmp_path))]
    assert uris == sorted(uris)
    uris[-1].encode()
    assert local_path(uris[-1]) == os.fsdecode(raw)
    assert STORE.read_all(uris[-1]) == b"x"


def test_links_in_a_circle_and_to_nowhere(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_bytes(b"x")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "gone").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe")
    found = {source.uri.removeprefix(str(tmp_path)): source.size for source in STORE.list_files(str(tmp_path))}
    assert found == {"/a/file": 1, "/gone": None}


def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DeidError):
        STORE.read_range(str(tmp_path / "pipe"), 0, 10)


@pytest.fixture(params=["nameless", "named", "no hard links"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the file system can do."""

    def no_links(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no")

    if request.param != "nameless":
        monkeypatch.setattr(local_disk, "_nameless", lambda _: None)
    if request.param == "no hard links":
        monkeypatch.setattr(local_disk.os, "link", no_links)
    return str(request.param)


def test_every_file_system_keeps_the_first_and_leaves_no_part(tmp_path: Path, system: str) -> None:
    target = str(tmp_path / "d" / "f")
    assert STORE.write_if_absent(target, b"1")
    assert not STORE.write_if_absent(target, b"2")
    assert STORE.read_all(target) == b"1"
    STORE.write_atomic(target, b"3")
    assert STORE.read_all(target) == b"3"
    assert [path.name for path in (tmp_path / "d").iterdir()] == ["f"]


def test_a_killed_writer_leaves_nothing(tmp_path: Path) -> None:
    if not hasattr(os, "O_TMPFILE"):
        pytest.skip("this system has no files without a name")
    program = (
        "import os, sys\nfrom pipeline import local_disk\n"
        "local_disk.os.fsync = lambda _: os.kill(os.getpid(), 9)\nlocal_disk.create(sys.argv[1], b'x' * 100)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "f")], check=False)
    assert done.returncode == -9
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("write", ["write_atomic", "write_if_absent"])
def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, write: str) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device", "DOE^JANE")

    monkeypatch.setattr(local_disk.os, "fsync", full)
    with pytest.raises(DeidError) as raised:
        getattr(STORE, write)(str(tmp_path / "f"), b"x")
    assert raised.value.code == Code.WRITE_FAILED
    assert "DOE" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_never_seen_in_part(tmp_path: Path) -> None:
    target = str(tmp_path / "f")
    contents = [bytes([value]) * 300_000 for value in (1, 2)]
    STORE.write_atomic(target, contents[0])
    stop = threading.Event()
    seen: list[bytes] = []

    def look() -> None:
        while not stop.is_set():
            seen.append(STORE.read_all(target, 10**6)[:: 100_000 - 1])

    watcher = threading.Thread(target=look)
    watcher.start()
    for number in range(60):
        STORE.write_atomic(target, contents[number % 2])
    stop.set()
    watcher.join()
    assert {len(set(sample)) for sample in seen} == {1}


def test_one_of_many_writers_wins(tmp_path: Path) -> None:
    target = str(tmp_path / "f")
    won: list[int] = []
    threads = [threading.Thread(target=lambda n=n: STORE.write_if_absent(target, bytes([n])) and won.append(n)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert STORE.read_all(target) == bytes(won)
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_files_obey_the_umask(tmp_path: Path) -> None:
    STORE.write_atomic(str(tmp_path / "f"), b"")
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o666 & ~mask


def test_probe(root: str, tmp_path: Path) -> None:
    STORE.probe_writable(root)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"cannot write to .*: FileExistsError; expected a folder that may be made or written to"):
        STORE.probe_writable(str(tmp_path / "file"))
    with pytest.raises(ConfigError, match="cannot be used"):
        STORE.probe_writable("nosuch://x")
