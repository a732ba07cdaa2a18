"""Storage over real HTTP: S3, Google Cloud Storage and Azure, with what networks and busy services do to it."""

from __future__ import annotations

import itertools
import logging
import pickle
import time
from collections.abc import Iterator
from types import SimpleNamespace

import aiohttp
import pytest
from fsspec.asyn import sync

from pipeline import filesystems, storage
from pipeline.inputs import expand
from pipeline.storage import Store, join
from tests.pipeline import emulators
from tests.pipeline.emulators import Emulated
from transforms.errors import Code, ConfigError, DeidError, RefusedError
from transforms.spool import Spool


@pytest.fixture(scope="module", params=["s3", "gcs", "azure"])
def cloud(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulated]:
    maker = {"s3": emulators.s3, "gcs": emulators.gcs, "azure": lambda: emulators.azure(tmp_path_factory.mktemp("azurite"))}
    with maker[request.param]() as emulated:
        yield emulated


@pytest.fixture(autouse=True)
def _no_faults_from_the_test_before(cloud: Emulated) -> None:
    cloud.proxy.fail()


@pytest.fixture
def file(cloud: Emulated) -> str:
    uri = join(cloud.root, "files", "DOE^JANE.dcm")
    cloud.store.write_atomic(uri, bytes(range(200)))
    cloud.proxy.fail()
    return uri


def uploads(method: str, path: str) -> bool:
    return method in ("PUT", "POST")


@pytest.fixture
def hurried(cloud: Emulated, monkeypatch: pytest.MonkeyPatch) -> None:
    """gcsfs tries again without its pauses of up to 32 seconds."""

    async def at_once(_: float) -> None: ...

    if cloud.root.startswith("gs"):
        monkeypatch.setattr("gcsfs.retry.asyncio", SimpleNamespace(sleep=at_once))


def test_a_ranged_read_is_one_request_for_these_bytes(cloud: Emulated, file: str) -> None:
    assert cloud.store.read_range(file, 10, 20) == bytes(range(10, 20))
    assert [entry[2] for entry in cloud.proxy.requests] == ["bytes=10-19"]


def test_reads_whole_and_at_the_end(cloud: Emulated, file: str) -> None:
    assert cloud.store.size(file) == 200
    assert cloud.store.read_all(file, 200) == bytes(range(200))
    assert cloud.store.read_range(file, 190, 400) == bytes(range(190, 200))
    for size in (199, 201):
        with pytest.raises(DeidError) as raised:
            cloud.store.read_all(file, 300, size)
        assert raised.value.code == Code.CHANGED_DURING_RUN


def test_a_version_is_the_same_until_the_object_changes(cloud: Emulated, file: str) -> None:
    def listed() -> str:
        [source] = [source for source in cloud.store.list_files(join(cloud.root, "files")) if source.uri == file]
        return source.version

    first = listed()
    assert first
    assert cloud.store.version(file) == first
    cloud.store.write_atomic(file, bytes(200))
    assert cloud.store.version(file) == listed() != first


def test_a_whole_object_and_its_version_are_one_request(cloud: Emulated, file: str) -> None:
    version = cloud.store.version(file)
    cloud.proxy.fail()
    assert cloud.store.read_all(file, 200, 200, version) == bytes(range(200))
    assert [entry[2] for entry in cloud.proxy.requests] == ["bytes=0-200"]
    cloud.store.write_atomic(file, bytes(200))
    for read in (cloud.store.read_all, cloud.store.read_spooled):
        with pytest.raises(DeidError, match="not the one that was listed") as raised:
            read(file, 200, 200, version)
        assert raised.value.code == Code.CHANGED_DURING_RUN


@pytest.mark.parametrize("fault", ["503", "reset", "cut"])
def test_a_versioned_read_outlives_a_passing_fault(cloud: Emulated, file: str, fault: str) -> None:
    version = cloud.store.version(file)
    cloud.proxy.fail(fault)
    assert cloud.store.read_all(file, 200, 200, version) == bytes(range(200))


def test_an_empty_object_is_a_file(cloud: Emulated) -> None:
    uri = join(cloud.root, "files", "empty")
    cloud.store.write_atomic(uri, b"")
    assert (cloud.store.size(uri), cloud.store.read_all(uri, 10)) == (0, b"")


def test_only_the_first_write_counts(cloud: Emulated) -> None:
    uri = join(cloud.root, "once", "f")
    assert cloud.store.write_if_absent(uri, b"first")
    assert not cloud.store.write_if_absent(uri, b"second")
    assert cloud.store.read_all(uri) == b"first"
    cloud.store.write_atomic(uri, b"third")
    assert cloud.store.read_all(uri) == b"third"


def test_exists_and_folders(cloud: Emulated, file: str) -> None:
    store = cloud.store
    assert store.exists(file)
    assert not store.exists(file + "x")
    assert store.is_folder(join(cloud.root, "files"))
    assert not store.is_folder(file)
    assert not store.is_folder(join(cloud.root, "none"))
    store.probe_writable(join(cloud.root, "out"))
    assert not store.is_folder(join(cloud.root, "out"))


def test_a_large_upload_is_whole(cloud: Emulated) -> None:
    uri, data = join(cloud.root, "large"), bytes(range(256)) * (3 * 2**12)
    cloud.store.write_atomic(uri, data)
    assert cloud.store.read_all(uri, len(data)) == data


@pytest.mark.parametrize("fault", ["503", "429", "500", "reset", "lost", "cut"])
def test_reading_outlives_a_passing_fault(cloud: Emulated, file: str, fault: str) -> None:
    cloud.proxy.fail(fault)
    assert cloud.store.read_range(file, 0, 4) == bytes(range(4))
    assert len(cloud.proxy.requests) == 2


@pytest.mark.parametrize("fault", ["503", "reset", "lost"])
def test_writing_outlives_a_passing_fault(cloud: Emulated, fault: str) -> None:
    for write in ("write_atomic", "write_if_absent"):
        uri = join(cloud.root, "faults", f"{write}-{fault}")
        cloud.proxy.fail(fault, match=uploads)
        written = getattr(cloud.store, write)(uri, b"data")
        assert written in (None, True) or fault == "lost", "an upload whose answer was lost finds its own file"
        assert cloud.store.read_all(uri) == b"data"


def test_a_write_that_fails_leaves_nothing(cloud: Emulated) -> None:
    uri = join(cloud.root, "faults", "DOE^JANE")
    cloud.proxy.fail(*["403"] * 50, match=uploads)
    with pytest.raises(DeidError) as raised:
        cloud.store.write_atomic(uri, b"data")
    cloud.proxy.fail()
    assert raised.value.code == Code.WRITE_FAILED
    assert not cloud.store.exists(uri)


def test_a_fault_is_no_answer_to_whether_a_file_is_there(cloud: Emulated, file: str) -> None:
    cloud.proxy.fail(*["403"] * 50)
    with pytest.raises(DeidError) as raised:
        cloud.store.exists(file)
    cloud.proxy.fail()
    assert raised.value.code == Code.READ_FAILED


def test_no_failure_says_a_name(cloud: Emulated, file: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    with caplog.at_level(logging.WARNING):
        cloud.proxy.fail(*["403"] * 50)
        for call in (cloud.store.size, cloud.store.read_all):
            with pytest.raises(DeidError) as raised:
                call(file)
            assert "DOE" not in str(raised.value)
    cloud.proxy.fail()
    out = capfd.readouterr()
    assert "DOE" not in caplog.text + out.out + out.err


def test_lists_like_a_disk(cloud: Emulated) -> None:
    root = join(cloud.root, "tree")
    names = sorted([f"{a}/{b}/{c}" for a in "ab" for b in ("x", "x.y", "x-y") for c in "12"] + ["a.dcm", "a-b", "c/d/e/f/g"])
    for name in names:
        cloud.store.write_atomic(join(root, *name.split("/")), name.encode())
    found = list(cloud.store.list_files(root))
    assert [source.uri for source in found] == [f"{root}/{name}" for name in names]
    assert [source.size for source in found] == [len(name) for name in names]
    assert list(expand([root, f"{root}/**/1", f"{root}/a.dcm"], cloud.store)) == found
    with pytest.raises(ConfigError, match="does not exist"):
        list(expand([join(cloud.root, "nothing")], cloud.store))


@pytest.mark.parametrize("size", [9, 0])
def test_an_object_named_like_a_folder_is_listed_when_it_holds_something(cloud: Emulated, size: int) -> None:
    """Empty, it is a mark that some tools leave for a folder. Nothing reads it by that name, but it must not be passed over."""
    root, filesystem = join(cloud.root, "marks"), cloud.store.filesystem(cloud.root)
    cloud.store.write_atomic(f"{root}/odd/one.dcm", b"one")
    bucket = cloud.root.partition("://")[2]
    if cloud.root.startswith("s3://"):
        sync(filesystem.loop, filesystem._call_s3, "put_object", Bucket=bucket, Key="marks/odd/", Body=bytes(size))
    elif cloud.root.startswith("gs://") and size:  # its emulator takes no empty one
        where = f"{filesystem._endpoint}/upload/storage/v1/b/{bucket}/o"
        sync(filesystem.loop, filesystem._call, "POST", where, uploadType="media", name="marks/odd/", data=bytes(size))
    else:
        pytest.skip("adlfs lists no such object, and the emulator of Cloud Storage takes no empty one")
    listed = [source.uri for source in cloud.store.list_files(root)]
    assert listed == [f"{root}/odd/", f"{root}/odd/one.dcm"][0 if size else 1 :]


def test_lists_page_by_page(cloud: Emulated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.pages.PAGE", 2)
    root = join(cloud.root, "pages")
    names = sorted([*(f"{number}.dcm" for number in range(5)), *(f"{number}/x" for number in range(5)), "two//slashes"])
    for name in names:
        cloud.store.write_atomic(f"{root}/{name}", name.encode())
    cloud.proxy.fail("503", "reset")
    found = list(cloud.store.list_files(root))
    assert [source.uri for source in found] == [f"{root}/{name}" for name in names]
    assert [cloud.store.read_all(source.uri, 99, source.size, source.version) for source in found] == [name.encode() for name in names]
    assert len(cloud.proxy.requests) > len(names)


def test_a_store_works_where_it_was_sent(cloud: Emulated, file: str) -> None:
    store: Store = pickle.loads(pickle.dumps(Store(cloud.store.options)))
    assert store.read_range(file, 0, 3) == b"\0\1\2"


def test_the_requester_pays(cloud: Emulated, file: str) -> None:
    scheme = cloud.root.partition("://")[0]
    if scheme == "abfs":
        pytest.skip("Azure has no such thing")
    store = Store({scheme: {**cloud.store.options[scheme], "requester_pays": True if scheme == "s3" else "billed-project"}})
    cloud.proxy.fail()
    assert store.read_range(file, 0, 3) == b"\0\1\2"
    seen = cloud.proxy.requests[-1][1] + cloud.proxy.headers[-1].lower()
    assert ("x-amz-request-payer: requester" if scheme == "s3" else "userProject=billed-project") in seen


@pytest.mark.usefixtures("hurried")
def test_a_dead_service_is_given_up_on(cloud: Emulated, file: str) -> None:
    for fault in ("503", "reset"):
        cloud.proxy.fail(*[fault] * 100)
        with pytest.raises(DeidError, match="503" if fault == "503" else "Error"):
            cloud.store.read_range(file, 0, 4)
        tries = 6 if cloud.root.startswith("gs") else cloud.store.attempts
        assert tries <= len(cloud.proxy.requests) <= (tries if fault == "503" else 2 * tries), "aiohttp repeats what was reset once"


def test_a_service_that_does_not_answer_is_asked_again(cloud: Emulated, file: str) -> None:
    scheme = cloud.root.partition("://")[0]
    patience: dict[str, dict[str, object]] = {
        "s3": {"config_kwargs": {"read_timeout": 1, "retries": {"total_max_attempts": 1}}},
        "gs": {"requests_timeout": aiohttp.ClientTimeout(sock_read=1)},
        "abfs": {"read_timeout": 1},
    }
    store = Store({scheme: {**cloud.store.options[scheme], **patience[scheme]}}, sleep=lambda _: None)
    assert store.size(file) == 200
    cloud.proxy.fail("slow")
    assert store.read_range(file, 0, 4) == bytes(range(4))
    assert len(cloud.proxy.requests) >= 2


def test_no_service_is_waited_for_without_end(cloud: Emulated) -> None:
    filesystem = Store(cloud.store.options).filesystem(cloud.root)
    assert "60" in str((getattr(filesystem, "config_kwargs", ""), getattr(filesystem, "requests_timeout", ""), filesystem.storage_options))


def test_expired_credentials_are_looked_up_again(cloud: Emulated, file: str) -> None:
    filesystems._looked_up.clear()
    cloud.proxy.fail("expired")
    assert cloud.store.read_range(file, 0, 4) == bytes(range(4))


def test_a_thread_that_was_refused_before_another_looked_them_up_asks_again(cloud: Emulated) -> None:
    scheme = cloud.root.partition("://")[0]
    filesystems._looked_up.clear()
    asked = time.monotonic()
    assert filesystems.look_up_again(scheme, asked), "this one does"
    assert filesystems.look_up_again(scheme, asked), "by another"
    assert not filesystems.look_up_again(scheme, time.monotonic()), "refused with what was looked up just now"


@pytest.mark.parametrize(("fault", "requests"), [("expired", 2), ("403", 1)])
def test_refused_credentials_are_an_error_at_once_that_says_what_to_do(cloud: Emulated, file: str, fault: str, requests: int) -> None:
    filesystems._looked_up.clear()
    cloud.proxy.fail(*[fault] * 100)
    with pytest.raises(DeidError, match="renew them, and run the same command again") as raised:
        cloud.store.read_range(file, 0, 4)
    assert len(cloud.proxy.requests) == requests
    cloud.proxy.fail()
    assert raised.value.code == Code.READ_FAILED
    assert "DOE" not in str(raised.value)


def test_a_store_that_knows_the_caller_no_more_ends_the_run_and_not_for_one_object(cloud: Emulated, file: str) -> None:
    filesystems._looked_up[cloud.root.partition("://")[0]] = time.monotonic()

    def refused() -> DeidError:
        with pytest.raises(DeidError) as raised:
            cloud.store.read_range(file, 0, 4)
        return raised.value

    for _ in range(2):
        cloud.proxy.fail(*["expired"] * (storage._REFUSALS - 1))
        assert {type(refused()) for _ in range(storage._REFUSALS - 1)} == {DeidError}
        assert cloud.store.read_range(file, 0, 4) == bytes(range(4))
    cloud.proxy.fail(*["403"] * 2 * storage._REFUSALS)
    assert {type(refused()) for _ in range(2 * storage._REFUSALS)} == {DeidError}, "a right that is missing may be that of one object"
    cloud.proxy.fail(*["expired"] * storage._REFUSALS)
    assert [type(refused()) for _ in range(storage._REFUSALS)][-1] is RefusedError
    assert cloud.store.read_range(file, 0, 4) == bytes(range(4))


def test_what_is_on_the_disk_goes_up_and_down_in_parts(cloud: Emulated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.storage._RANGE_BYTES", 6 * 2**20)
    monkeypatch.setattr("pipeline.storage._IN_PARTS", {"s3": {"chunksize": 5 * 2**20}, "gs": {"chunksize": 5 * 2**20}})
    spool, data = Spool(), bytes(range(256)) * (13 * 2**12)
    spool.write(data)
    uri = join(cloud.root, "spooled", "one")
    assert cloud.store.write_if_absent(uri, spool)
    assert not cloud.store.write_if_absent(uri, spool.window(0, 6 * 2**20))
    cloud.proxy.fail()
    found = cloud.store.read_spooled(uri, len(data))
    assert found[:] == data
    assert sum("bytes=" in entry[2] for entry in cloud.proxy.requests) == 3
    cloud.store.write_atomic(uri, spool)
    with pytest.raises(DeidError) as raised:
        cloud.store.read_spooled(uri, len(data) - 1)
    assert raised.value.code == Code.TOO_LARGE


@pytest.mark.usefixtures("hurried")
def test_an_upload_in_parts_that_fails_shows_nothing_and_begins_again(cloud: Emulated, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {"s3": {"chunksize": 5 * 2**20}, "gs": {"chunksize": 5 * 2**20}}
    monkeypatch.setattr("pipeline.storage._IN_PARTS", parts)
    if cloud.root.startswith("abfs"):  # its parts are set where the client is made
        monkeypatch.setattr(cloud.store.filesystem(cloud.root).service_client._config, "max_single_put_size", 4 * 2**20)
    spool, data = Spool(), bytes(range(256)) * (13 * 2**12)
    spool.write(data)
    uri = join(cloud.root, "spooled", "again")
    cloud.store.write_atomic(uri, b"before")
    for fault in ("503", "reset", "lost"):
        sent = itertools.count()
        cloud.proxy.fail(*[fault] * 1000, match=lambda method, path: uploads(method, path) and next(sent) >= 2)  # noqa: B023
        with pytest.raises(DeidError) as raised:
            cloud.store.write_atomic(uri, spool)
        assert raised.value.code == Code.WRITE_FAILED
        assert len(cloud.proxy.requests) < 100, "tries are counted, each of at most five requests, which aiohttp repeats once"
        cloud.proxy.fail()
        assert cloud.store.read_all(uri) == b"before", "no part is visible"
    for name, fault in enumerate(("503", "reset")):
        sent, again = itertools.count(), join(cloud.root, "spooled", str(name))
        cloud.proxy.fail(fault, match=lambda method, path: uploads(method, path) and next(sent) == 2)  # noqa: B023
        assert cloud.store.write_if_absent(again, spool)
        assert not cloud.proxy.faults
        assert cloud.store.read_all(again) == data


def test_another_object_under_the_same_name_is_noticed(cloud: Emulated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.storage._RANGE_BYTES", 100)
    uri = join(cloud.root, "changes", "f")
    cloud.store.write_atomic(uri, b"1" * 200)
    read = Store.read_range

    def replaced(self: Store, name: str, start: int, end: int) -> bytes:
        if start == 100:
            self.write_atomic(name, b"2" * 200)
        return read(self, name, start, end)

    monkeypatch.setattr(Store, "read_range", replaced)
    with pytest.raises(DeidError) as raised:
        cloud.store.read_spooled(uri, 1000, 200)
    assert raised.value.code == Code.CHANGED_DURING_RUN
