"""A whole instance from its bytes: tolerant of what can be read safely, an error for what would be written wrongly."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO, cast

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.filereader import read_partial
from pydicom.uid import UID, SecondaryCaptureImageStorage

from transforms.errors import Code, DeidError
from transforms.policy import LimitsPolicy
from transforms.read.elements import text_of
from transforms.read.header import encoding_uid, splice
from transforms.read.recognise import DEFLATED, recognise, starts_like_a_data_set
from transforms.spool import Bytes, Spool, blank
from transforms.types import PIXEL_TAGS, Dataset, Header

_HEAD_BYTES = 64 * 1024
_REST_BYTES = 4096
_UNDEFINED = 0xFFFFFFFF
_HEADER_BYTES = 8
"""Of an element, of an item and of a delimiter; VRs with long lengths have 4 more."""
_ITEMS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")
"""The tag of an item of a sequence, little and big endian."""
_SEQUENCE_ENDS = (b"\xfe\xff\xdd\xe0\0\0\0\0", b"\xff\xfe\xe0\xdd\0\0\0\0")
_REFERENCED_DEFLATE = frozenset({"1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"})


def read_instance(data: Bytes, limits: LimitsPolicy) -> Dataset:
    """The data set of one instance, with file meta information that names the transfer syntax it is in.

    Bytes behind the data set are not part of it: they are not read, and so cannot be written. A second data set there is an error.

    Args:
        data: the whole file. When it is a `Spool`, so are the pixels: a window of it, which is not read here.
        limits: bounds; what is no pixel of a `Spool`, and what deflated data inflates to, is at most ``max_data_bytes``, and items of
            sequences are at most ``max_items``: as a data set in memory, an item is a hundred times as large as in the file.

    Raises:
        DeidError: EMPTY, NOT_DICOM, DICOMDIR; TOO_LARGE; DATASET_UNREADABLE when the data is truncated, not to be parsed, or holds several
            data sets; PIXELS_UNSUPPORTED when the pixels are elsewhere, or in a transfer syntax that cannot be written.
    """
    if len(data) > limits.max_instance_bytes:
        raise DeidError(Code.TOO_LARGE, f"{len(data)} bytes, the limit is {limits.max_instance_bytes}")
    layout = recognise(data[:_HEAD_BYTES], len(data))
    if layout.transfer_syntax in _REFERENCED_DEFLATE:
        raise DeidError(Code.PIXELS_UNSUPPORTED, "the transfer syntax refers to pixels elsewhere")
    syntax = UID(layout.transfer_syntax)
    if syntax and not (syntax.is_private or syntax.is_transfer_syntax):
        raise DeidError(Code.PIXELS_UNSUPPORTED, "the transfer syntax is not known, so that the file could not be written again")
    try:
        if layout.transfer_syntax in DEFLATED:
            _check_bytes(len(data), limits)
            data, complete = splice(data[:], layout, limits.max_data_bytes)
            if not complete:
                raise DeidError(Code.TOO_LARGE, f"truncated, or inflates to more than {limits.max_data_bytes} bytes")
        dataset, end = _parse(data, limits)
    except DeidError:
        raise
    except Exception as exc:  # pydicom raises whatever a malformed file makes it stumble over
        raise DeidError(Code.DATASET_UNREADABLE, type(exc).__name__) from None
    _check_rest(data, end)
    dataset.file_meta.TransferSyntaxUID = layout.transfer_syntax or encoding_uid(dataset)
    return dataset


def complete_identity(dataset: Dataset, header: Header) -> None:
    """Give a data set the identity that `transforms.read.header.read_header` found or made for it, where it lacks its own.

    An image without SOP Class (ACR-NEMA) becomes a Secondary Capture, the class for images of unknown origin (PS3.3 A.8).

    Raises:
        DeidError: MISSING_IDENTITY, there is no SOP Class and no image either.
    """
    for keyword, value in (
        ("StudyInstanceUID", header.study_uid),
        ("SeriesInstanceUID", header.series_uid),
        ("SOPInstanceUID", header.sop_uid),
        ("SOPClassUID", header.sop_class),
    ):
        if value and not text_of(dataset, keyword):
            setattr(dataset, keyword, value)
    if not text_of(dataset, "SOPClassUID"):
        if 0x00280010 not in dataset:
            raise DeidError(Code.MISSING_IDENTITY, "expected SOPClassUID, found none, and no image")
        dataset.SOPClassUID = SecondaryCaptureImageStorage


class _Items:
    """Counts the items in what is read, those of sequences that are read as a whole, too, until the pixels begin."""

    def __init__(self, limit: int) -> None:
        self._limit = self._left = limit
        self.counting = True

    def see(self, data: bytes) -> None:
        """Count the items in a piece of the file.

        Raises:
            DeidError: TOO_LARGE.
        """
        if self.counting:
            for tag in _ITEMS:
                self._left -= data.count(tag)
            if self._left < 0:
                raise DeidError(Code.TOO_LARGE, f"more than {self._limit} items of sequences (limits.max_items)")


class _Watched(io.BytesIO):
    """A file in memory that remembers its last read: where it began, what was asked for and what was there."""

    last = (0, 0, 0)

    def __init__(self, data: bytes, limits: LimitsPolicy) -> None:
        super().__init__(data)
        self.items = _Items(limits.max_items)

    def read(self, size: int | None = -1, /) -> bytes:
        data = io.BytesIO.read(self, size)
        self.last = (self.tell() - len(data), len(data) if size is None else size, len(data))
        self.items.see(data)
        return data


class _WatchedSpool:
    """The same over a `Spool`. The pixels are passed over, and what is read beside them is bounded."""

    def __init__(self, data: Spool, limits: LimitsPolicy) -> None:
        self.items = _Items(limits.max_items)
        self._file = io.BufferedReader(cast(io.RawIOBase, data.window(0, len(data))), _REST_BYTES)
        self.last = (0, 0, 0)
        self.pixels: dict[int, Spool] = {}
        self._data, self._limits, self._taken, self._passed = data, limits, 0, 0
        self.tell, self.seek = self._file.tell, self._file.seek

    def read(self, size: int | None = -1, /) -> bytes:
        start = self.tell()
        if self._passed and size == self._passed:
            self._passed, self.last = 0, (start, size, size)
            return b""
        self._taken += min(len(self._data) - start, size or 0)
        _check_bytes(self._taken, self._limits)
        data = self._file.read(size)
        self.last = (start, len(data) if size is None else size, len(data))
        self.items.see(data)
        return data

    def pass_over(self, tag: int, length: int) -> None:
        """Leave the value that begins here where it is, up to its delimiter when its length is undefined.

        Raises:
            DeidError: DATASET_UNREADABLE, the value does not end within the file.
        """
        start = self.tell()
        if length == _UNDEFINED:
            end = _end_of_fragments(self._data, start)
            self.seek(end)
        else:
            end = start + length
            if end > len(self._data):
                raise DeidError(Code.DATASET_UNREADABLE, f"truncated: expected {length} bytes, found {len(self._data) - start}")
            self.seek(end)
            self._passed = length
        self.pixels[tag] = self._data.window(start, end)


def _end_of_fragments(data: Spool, start: int) -> int:
    """Where the sequence delimiter of encapsulated pixels stands (PS3.5 A.4), by their lengths; searched for where these are wrong."""
    position = start
    while (head := data[position : position + 8])[:4] == b"\xfe\xff\x00\xe0" and len(head) == 8:
        position += 8 + int.from_bytes(head[4:], "little")
    if head[:4] != b"\xfe\xff\xdd\xe0":
        position = data.find(b"\xfe\xff\xdd\xe0", start)
    if position < 0:
        raise DeidError(Code.DATASET_UNREADABLE, "truncated: pixels without a delimiter")
    return position


@dataclass(slots=True)
class _Progress:
    """How far the elements of a data set were read.

    Attributes:
        tag: of the last one.
        at: where its value begins.
        length: of that value, as its header says.
        pixels: whether pixels were among them.
        stopped: the reader was told to stop in front of the next one.
    """

    tag: int = 0
    at: int = 0
    length: int = 0
    pixels: bool = False
    stopped: bool = False


def _parse(data: Bytes, limits: LimitsPolicy) -> tuple[Dataset, int]:
    """The data set and where it ends.

    pydicom takes what it gets of a truncated file. A whole one ends where the reader looked for 8 bytes of another element and found
    none, or where it was told to stop. To watch each read costs a quarter of reading, so small files are watched only where their last
    element does not tell its end.
    """
    end: int | None = None
    file = _WatchedSpool(data, limits) if isinstance(data, Spool) else _Watched(data, limits)
    if not isinstance(data, Spool) and len(data) <= limits.max_items * _HEADER_BYTES:  # there cannot be too many items
        plain = io.BytesIO(data)
        dataset, progress = _elements(plain)
        end = plain.tell() if progress.stopped else _end_of_last(data, progress)
    if end is None:
        dataset, progress = _elements(file)
    if isinstance(file, _WatchedSpool):
        for tag, value in file.pixels.items():
            _give_value(dataset, tag, value)
    for element in dataset.values():
        if isinstance(element, RawDataElement) and element.length not in (_UNDEFINED, len(element.value or b"")):
            raise DeidError(Code.DATASET_UNREADABLE, f"truncated: expected {element.length} bytes, found {len(element.value or b'')}")
    if not len(dataset):
        raise DeidError(Code.DATASET_UNREADABLE, "no data element")
    start, asked, found = file.last
    if end is not None or progress.stopped:
        start, asked, found = file.tell() if end is None else end, _HEADER_BYTES, 0
    if asked == _HEADER_BYTES != found and (progress.pixels or blank(data, start, b"\0\r\n ")):
        return dataset, start
    if progress.stopped:
        raise DeidError(Code.DATASET_UNREADABLE, f"a command or file meta element at byte {start} of {len(data)}, within the data set")
    raise DeidError(Code.DATASET_UNREADABLE, f"truncated, or broken at byte {start} of {len(data)}")


def _elements(file: _WatchedSpool | _Watched | io.BytesIO) -> tuple[Dataset, _Progress]:
    """The elements of a file, up to a second data set in it."""
    progress = _Progress()

    def stop(tag: int, _vr: str | None, length: int) -> bool:
        number = int(tag)  # pydicom's own comparison of tags takes ten times as long
        progress.stopped = number >> 16 in (0x0000, 0x0002) or (progress.pixels and number < 0x7FE00000)
        if not progress.stopped:
            pixels = number in PIXEL_TAGS
            progress.tag, progress.at, progress.length, progress.pixels = number, file.tell(), length, progress.pixels or pixels
            if isinstance(file, _Watched | _WatchedSpool):
                file.items.counting = not pixels  # a frame is an item, too
            if isinstance(file, _WatchedSpool) and pixels and length:
                file.pass_over(tag, length)
        return progress.stopped

    dataset = read_partial(cast(BinaryIO, file), stop_when=stop, force=True)
    dataset.buffer = None
    return dataset, progress


def _end_of_last(data: bytes, progress: _Progress) -> int | None:
    """Where the last element of a data set ends that was read to the end of the file; None when neither its length nor a delimiter says.

    Pixels end with the first delimiter behind them. In what a sequence holds there are delimiters of other things.
    """
    if progress.length != _UNDEFINED:
        end = progress.at + progress.length
        return end if len(data) - _HEADER_BYTES < end <= len(data) else None
    ends = range(len(data), len(data) - _HEADER_BYTES, -1) if progress.tag in PIXEL_TAGS else ()
    return next((end for end in ends if data[end - _HEADER_BYTES : end] in _SEQUENCE_ENDS), None)


def _give_value(dataset: Dataset, tag: int, value: Spool) -> None:
    """Make a window of the file the value of an element that was read without it."""
    read = dataset.get_item(tag)
    element = DataElement(tag, read.VR or dictionary_VR(tag), value, is_undefined_length=read.length == _UNDEFINED)
    dataset[tag] = element


def _check_bytes(number: int, limits: LimitsPolicy) -> None:
    if number > limits.max_data_bytes:
        raise DeidError(Code.TOO_LARGE, f"more than {limits.max_data_bytes} bytes beside the pixels")


def _check_rest(data: Bytes, end: int) -> None:
    """Refuse a file with a second data set; padding and other bytes that are no data set are left behind."""
    size, head = len(data) - end, data[end : end + _REST_BYTES]
    if (size > 132 and b"DICM" in head) or starts_like_a_data_set(head, size):
        raise DeidError(Code.DATASET_UNREADABLE, f"another data set in {size} bytes behind the first")
