"""The header of an instance by ranged reads: everything before the pixels, and nothing of the pixels."""

from __future__ import annotations

import hashlib
import io
import zlib
from dataclasses import dataclass, field

from pydicom.datadict import dictionary_VR
from pydicom.filereader import read_partial
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from transforms.errors import Code, DeidError
from transforms.policy import LimitsPolicy
from transforms.read import quiet as quiet  # silences pydicom on import
from transforms.read.elements import number_of, text_of
from transforms.read.ranged import FIRST_BYTES, Fetch, RangedFile
from transforms.read.recognise import DEFLATED, Layout, recognise
from transforms.types import Dataset

_PIXELS = 0x7FE00001  # anything of group 7FE0 and behind it
_BULK_BYTES = 16 * 1024
_BULK_VRS = frozenset({"OB", "OW", "OF", "OD", "OL", "OV", "UN", "OB or OW"})
_UNDEFINED = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class HeaderFields:
    """What the run needs of a header. UIDs that the file lacks are stand-ins, see `read_header`.

    Attributes:
        pixel_bytes: bytes of the decoded pixels that the header promises.
        dataset: all elements before the pixels, without bulk values; for save conditions.
    """

    patient_id: str = field(repr=False)
    study_uid: str = field(repr=False)
    series_uid: str = field(repr=False)
    sop_uid: str = field(repr=False)
    sop_class: str
    modality: str
    transfer_syntax: str
    frames: int
    pixel_bytes: int
    dataset: Dataset = field(repr=False)


def read_header(fetch: Fetch, size: int, limits: LimitsPolicy, name: str = "") -> HeaderFields:
    """Read what stands before the pixels.

    An instance without Study, Series or SOP Instance UID gets stand-ins made from ``name``: it is then neither lost nor merged with
    others, and the same in every run. `transforms.read.instance.complete_identity` writes the same ones into its data set.

    Args:
        fetch: gives bytes ``start`` to ``end`` of the file.
        size: bytes of the file.
        limits: bounds; ``max_header_bytes`` is the most that is fetched.
        name: what tells this input from all others, such as its instance id.

    Raises:
        DeidError: EMPTY, NOT_DICOM, DICOMDIR: there is no instance; HEADER_UNREADABLE; TOO_LARGE; CHANGED_DURING_RUN.
    """
    file = RangedFile(fetch, size, limits.max_header_bytes)
    head = file.read(min(size, FIRST_BYTES))
    layout = recognise(head, size)
    try:
        dataset = _parse(file, head, layout, limits)
    except DeidError:
        raise
    except Exception as exc:  # pydicom raises whatever a malformed file makes it stumble over
        raise DeidError(Code.HEADER_UNREADABLE, type(exc).__name__) from None
    if not len(dataset):
        raise DeidError(Code.HEADER_UNREADABLE, "no data element before the pixels")
    if 0x00041220 in dataset:
        raise DeidError(Code.DICOMDIR, "a directory of media, no instance")
    meta = dataset.file_meta
    frames = max(1, number_of(dataset, "NumberOfFrames", 1))
    samples, allocated = number_of(dataset, "SamplesPerPixel", 1), number_of(dataset, "BitsAllocated", 0)
    pixels = number_of(dataset, "Rows", 0) * number_of(dataset, "Columns", 0) * samples * frames
    return HeaderFields(
        patient_id=text_of(dataset, "PatientID"),
        study_uid=text_of(dataset, "StudyInstanceUID") or stand_in("study", name),
        series_uid=text_of(dataset, "SeriesInstanceUID") or stand_in("series", name),
        sop_uid=text_of(dataset, "SOPInstanceUID") or text_of(meta, "MediaStorageSOPInstanceUID") or stand_in("instance", name),
        sop_class=text_of(dataset, "SOPClassUID") or text_of(meta, "MediaStorageSOPClassUID"),
        modality=text_of(dataset, "Modality"),
        transfer_syntax=layout.transfer_syntax or encoding_uid(dataset),
        frames=frames,
        pixel_bytes=(pixels * allocated + 7) // 8,
        dataset=dataset,
    )


def stand_in(level: str, name: str) -> str:
    """A UID for an instance that lacks one; it is replaced like any other before anything is written."""
    digest = hashlib.sha256(f"{level} {name}".encode("utf-8", "surrogatepass")).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def encoding_uid(dataset: Dataset) -> str:
    """The transfer syntax of a data set that came without one, as it was read."""
    implicit, little = dataset.original_encoding
    if implicit:
        return str(ImplicitVRLittleEndian)
    return str(ExplicitVRLittleEndian if little else ExplicitVRBigEndian)


def _parse(file: RangedFile, head: bytes, layout: Layout, limits: LimitsPolicy) -> Dataset:
    """The elements before the pixels. Nearly always the first block holds them all, and memory is read faster than a `RangedFile`."""
    whole = len(head) == file.size
    if layout.transfer_syntax in DEFLATED:
        file.seek(0)
        (head, _), whole = splice(file.read(), layout, limits.max_header_bytes), True
    stopped = False

    def stop(tag: int, _vr: str | None, _length: int) -> bool:
        nonlocal stopped
        stopped = int(tag) >= _PIXELS  # pydicom's own comparison of tags takes ten times as long
        return stopped

    try:
        dataset = read_partial(io.BytesIO(head), stop_when=stop, force=True)
    except Exception:  # either the block ends, which the second try will tell, or the file is malformed
        if whole:
            raise
    if not (stopped or whole):
        dataset = _parse_ranged(file)
    dataset.buffer = None
    return dataset


def _parse_ranged(file: RangedFile) -> Dataset:
    """The elements before the pixels; the values of bulk elements are skipped, not fetched, and the elements left out."""
    skipped: list[int] = []

    def stop(tag: int, vr: str | None, length: int) -> bool:
        if tag >= _PIXELS:
            return True
        if length != _UNDEFINED and length > _BULK_BYTES and _is_bulk(tag, vr):
            skipped.append(tag)
            file.hide(length)
        return False

    file.seek(0)
    dataset = read_partial(file, stop_when=stop, force=True)
    for tag in skipped:
        dataset.pop(tag, None)
    return dataset


def _is_bulk(tag: int, vr: str | None) -> bool:
    if vr is None:
        try:
            vr = dictionary_VR(tag)
        except KeyError:
            return True
    return vr in _BULK_VRS


def splice(data: bytes, layout: Layout, most: int) -> tuple[bytes, bool]:
    """File meta information and the inflated data set in one, labelled Explicit VR Little Endian; and whether that is all of it.

    Deflated data (PS3.5 A.5) of a small file can inflate to anything: ``most`` bytes are the most there is.

    Raises:
        zlib.error: the data is not deflated.
    """
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    dataset = inflater.decompress(data[layout.dataset :], most)
    meta = data[: layout.dataset]
    label = str(ExplicitVRLittleEndian).encode().ljust(len(layout.transfer_syntax), b"\0")
    return meta.replace(layout.transfer_syntax.encode("latin-1"), label) + dataset, inflater.eof
