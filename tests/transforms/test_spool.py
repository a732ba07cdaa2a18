"""Bytes on the disk: the same as in memory, for every part that takes them, up to the file that is written."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_files

from pipeline.storage import Store
from tests.bench.bench_large import CASES
from transforms.deidentify import Deidentifier, encode
from transforms.errors import Code, DeidError
from transforms.pixels import encode as pixel_encode
from transforms.pixels.frames import FrameReader
from transforms.policy import LimitsPolicy, PixelMode, PixelsPolicy, Policy
from transforms.read.header import read_header
from transforms.read.instance import read_instance
from transforms.spool import Spool, blank, part, pieces, writable
from transforms.tags.identity import Identity
from transforms.types import Box, Chunk, Outcome, SeriesDecision, Source, Status
from transforms.verify.structure import check_structure
from transforms.verify.walk import walk

LIMITS = LimitsPolicy()
STORE = Store(sleep=lambda _: None)


def spool_of(data: bytes) -> Spool:
    spool = Spool()
    spool.write(data)
    return spool


def test_a_spool_is_a_file_and_bytes() -> None:
    data = bytes(range(256)) * 40
    spool = spool_of(data)
    window = spool.window(10, 5000)
    assert (len(spool), spool[:], spool[-3:], window[:4], len(window)) == (len(data), data, data[-3:], data[10:14], 4990)
    assert b"".join(pieces(window, 7)) == data[17:5000]
    assert [spool.find(needle, start) for needle, start in ((b"\xff\0", 0), (b"\0\1", 1), (b"\1\0", 0))] == [255, 256, -1]
    window[0:2] = b"ab"
    assert spool[8:14] == data[8:10] + b"ab" + data[12:14]
    assert part(spool, 3, 9)[:] == data[3:9]
    assert not blank(spool, 0)
    assert blank(spool, len(data))
    assert writable(spool) is spool
    spool.seek(0)
    assert (spool.read(3), spool.tell(), spool.seek(-2, 2), spool.read()) == (data[:3], 3, len(data) - 2, data[-2:])
    assert Path(spool.path).read_bytes() == spool[:]
    with pytest.raises(ValueError, match="in the place of"):
        spool[0:3] = b"four"
    with pytest.raises(IndexError):
        spool.window(0, len(data) + 1)


def test_a_needle_across_pieces_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transforms.spool.PIECE_BYTES", 16)
    assert spool_of(b"x" * 14 + b"needle" + b"x" * 20).find(b"needle") == 14


def test_a_spool_leaves_nothing_and_a_full_disk_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = len(list(Path("/proc/self/fd").iterdir()))
    spool = spool_of(b"x")
    window = spool.window(0, 1)
    assert list(tmp_path.iterdir()) == []
    del spool
    assert window[:] == b"x"
    del window
    assert len(list(Path("/proc/self/fd").iterdir())) == before

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device", "DOE^JANE")

    monkeypatch.setattr("os.pwrite", full)
    with pytest.raises(DeidError) as raised:
        spool_of(b"x")
    assert raised.value.code == Code.WRITE_FAILED
    assert "DOE" not in str(raised.value)


def bundled() -> list[Path]:
    return sorted(Path(name) for name in get_testdata_files("*.dcm") if Path(name).stat().st_size < 4_000_000)


def ended(call: Callable[[], bytes]) -> bytes | Code:
    try:
        return call()
    except DeidError as exc:
        return exc.code


@pytest.mark.parametrize("path", bundled(), ids=lambda path: path.name)
def test_a_file_on_the_disk_is_read_masked_and_written_as_one_in_memory(path: Path) -> None:
    """Bytes, errors and offsets agree for every file of pydicom's, broken ones too; the first frame of each is masked."""
    data = path.read_bytes()

    def done(given: bytes | Spool) -> bytes:
        dataset = read_instance(given, LIMITS)
        if isinstance(given, Spool) and "PixelData" in dataset and len(dataset.PixelData or b""):
            assert isinstance(dataset.PixelData, Spool) or dataset.file_meta.TransferSyntaxUID.is_deflated
        try:
            reader = FrameReader(dataset, LIMITS)
        except ValueError:
            pass
        else:
            pixel_encode.hide_boxes(dataset, reader, {0: [Box(0, 0, 9, 5)]}, "black")
        try:
            encoded = encode(dataset)
        except Exception as exc:  # pydicom raises what the malformed value makes it stumble over
            return type(exc).__name__.encode()
        if all(keyword in dataset for keyword in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")):
            dataset.PatientID = dataset.get("PatientID") or "1"
            encoded = encode(dataset)
            check_structure(encoded, dataset)
        assert walk(encoded).elements == walk(encoded[:]).elements
        return encoded[:]

    assert ended(lambda: done(spool_of(data))) == ended(lambda: done(data))


@pytest.mark.parametrize("name", ["CT_small.dcm", "JPEG2000.dcm", "SC_rgb_rle_2frame.dcm"])
def test_a_truncated_file_is_the_same_error_on_the_disk(name: str) -> None:
    data = next(path for path in bundled() if path.name == name).read_bytes()
    codes = set()
    for cut in (1, 4, 9, 100, 700, len(data) // 2):
        found = [ended(lambda given=given: bytes(len(read_instance(given, LIMITS)))) for given in (spool_of(data[:-cut]), data[:-cut])]
        assert found[0] == found[1], cut
        codes.add(found[0])
    assert Code.DATASET_UNREADABLE in codes


def test_what_is_no_pixel_is_bounded() -> None:
    dataset = pydicom.dcmread(next(path for path in bundled() if path.name == "CT_small.dcm"))
    dataset.private_block(0x0043, "ACME", create=True).add_new(0x01, "OB", bytes(100_000))
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    for most, fits in ((110_000, True), (90_000, False)):
        limits = LimitsPolicy(max_data_bytes=most)
        if fits:
            assert read_instance(spool_of(buffer.getvalue()), limits)
        else:
            with pytest.raises(DeidError, match="beside the pixels"):
                read_instance(spool_of(buffer.getvalue()), limits)


def outcomes(paths: list[Path], output: Path, chunk_bytes: int) -> list[Outcome]:
    limits = LimitsPolicy(chunk_bytes=chunk_bytes, max_instance_bytes=20_000_000)
    policy = Policy(pixels=PixelsPolicy(mode=PixelMode.REDACT_NO_TEXT), limits=limits)
    worker = Deidentifier(policy, Identity(b"a secret of this test alone"), STORE, str(output))
    headers = []
    for path in paths:
        opened = worker.open_header(Source(str(path), path.stat().st_size))
        assert not isinstance(opened, Outcome)
        header = worker.evaluate(opened)
        assert not isinstance(header, Outcome)
        headers.append(header)
    return list(worker.process([Chunk("k", tuple(headers), SeriesDecision(True))]))


def test_a_large_instance_never_stands_in_memory_and_comes_out_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tmp_path / "a.dcm", tmp_path / "b.dcm", tmp_path / "c.dcm"]
    for path, name in zip(paths, ("native-text", "rle-text", "native-text"), strict=True):
        CASES[name].make(path, 3_000_000)
    held = outcomes(paths, tmp_path / "held", 64 * 2**20)
    sizes: list[int] = []
    read = Store.read_range
    monkeypatch.setattr(Store, "read_all", lambda *_: pytest.fail("read into memory"))
    monkeypatch.setattr("pipeline.storage._RANGE_BYTES", 2**20)
    monkeypatch.setattr(Store, "read_range", lambda self, uri, start, end: sizes.append(end - start) or read(self, uri, start, end))
    spooled = outcomes(paths, tmp_path / "spooled", 1)
    assert max(sizes) == 2**20
    assert [(o.status, o.instance["code"], o.instance["bytes_out"]) for o in spooled] == [
        (o.status, o.instance["code"], o.instance["bytes_out"]) for o in held
    ]
    assert [o.status for o in held] == [Status.SAVED, Status.QUARANTINED, Status.FILTERED], (
        "of one SOP Instance UID: other, and equal content"
    )
    for one, other in zip(sorted((tmp_path / "held").rglob("*.dcm")), sorted((tmp_path / "spooled").rglob("*.dcm")), strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_a_header_is_read_from_a_spool_like_from_a_store(tmp_path: Path) -> None:
    CASES["native"].make(tmp_path / "a.dcm", 3_000_000)
    spool = STORE.read_spooled(str(tmp_path / "a.dcm"), 2**30)
    assert read_header(lambda start, end: spool[start:end], len(spool), LIMITS).frames == 5
