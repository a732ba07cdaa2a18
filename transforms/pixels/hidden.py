"""Where else pixels hide: nested pixel data and icons, overlay planes, bits above the samples, bytes beside the frames.

Nobody looks there for text, so it goes: `strip` removes it before the frames are examined.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import convert_raw_data_element
from pydicom.tag import BaseTag, Tag
from pydicom.uid import ExplicitVRBigEndian

from transforms.errors import Code, DeidError
from transforms.pixels import codecs, encapsulation
from transforms.pixels.encode import hide_boxes, store
from transforms.pixels.frames import FrameReader
from transforms.pixels.info import KEYWORDS, PixelInfo, pixel_info
from transforms.pixels.segments import blanked
from transforms.policy import LimitsPolicy
from transforms.spool import Bytes, Spool, blank, part, pieces, settled, writable
from transforms.types import Dataset, Finding

DETECTOR = "hidden"
_PIXELS = frozenset(map(Tag, KEYWORDS))
_OVERLAY_GROUPS = range(0x6000, 0x6020, 2)
_OVERLAY_DATA = 0x3000


def strip(ds: Dataset, limits: LimitsPolicy) -> list[Finding]:
    """Remove, in place, the pixels of an instance that no viewer shows as its image.

    * Sequences whose items hold pixel data, icons among them (PS3.15 has icons removed unless cleaned).
    * Overlay planes, and bits above the samples (see `tidy`): old images carry overlays there, and still do when their overlay groups have
      been removed.
    * What the pixel data holds beside its frames, see `tidy`.

    Raises:
        DeidError: PIXELS_INCONSISTENT, the header makes no sense; PIXELS_UNDECODABLE, see `tidy`.
    """
    findings = [_removed(path, "nested pixels") for path in _strip_nested(ds, "")]
    tags = [tag for tag in _tags(ds) if tag.group in _OVERLAY_GROUPS]
    for tag in tags:
        del ds[tag]
    for group in sorted({tag.group for tag in tags}):
        findings.append(_removed(f"({group:04X},{_OVERLAY_DATA:04X})", "overlay plane"))
    return findings + tidy(ds, limits)


def tidy(ds: Dataset, limits: LimitsPolicy) -> list[Finding]:
    """Remove, in place, what the pixel data holds beside its frames; no stored value of a frame changes.

    * Native: what lies behind the last frame, if it is not zero; bits above the samples that are no repeated sign: they belong to no sample
      (PS3.5 8.1.1). Those of encapsulated frames are found when the frames are decoded (`FrameReader.spare_bits`).
    * Encapsulated: comments, application data and bytes behind the end of each frame, see `transforms.pixels.segments`; offset tables that
      are none, and bytes behind the last fragment. Syntaxes without a decoder here stay as they are: nobody may save them unseen.

    Raises:
        DeidError: PIXELS_INCONSISTENT, the header makes no sense; PIXELS_UNDECODABLE, it cannot be told what belongs to a frame.
    """
    info = pixel_info(ds)
    if info is None:
        return []
    findings = []
    if info.encapsulated:
        if info.transfer_syntax in codecs.DECODABLE and _blank_beside(ds, limits):
            findings.append(_removed(info.keyword, "bytes beside the frames"))
        return findings
    if _trim(ds, info):
        findings.append(_removed(info.keyword, "bytes behind the last frame"))
    if _clear_unused_bits(ds, info):
        findings.append(spare_bits(info))
    return findings


def clear_encoded_bits(ds: Dataset, limits: LimitsPolicy) -> list[Finding]:
    """Write encoded frames, in place, without the bits above their samples; for pixels at which nobody looks.

    Raises:
        DeidError: as `FrameReader` and `hide_boxes`.
    """
    info = pixel_info(ds)
    if info is None or info.transfer_syntax not in codecs.CONTAINERS:
        return []
    reader = FrameReader(ds, limits)
    spoiled = [frame for frame in range(info.frames) if reader.spare_bits(frame)]
    hide_boxes(ds, reader, {}, "black", spoiled)
    return [spare_bits(info)] if spoiled else []


def spare_bits(info: PixelInfo) -> Finding:
    """What the audit says about bits that were cleared because they belong to no sample."""
    return _removed(info.keyword, "bits above the samples")


def _strip_nested(ds: Dataset, path: str) -> Iterator[str]:
    """Delete the sequences whose items hold pixel data themselves, and look into all others."""
    for tag in _tags(ds):
        if not _is_sequence(ds, tag):
            continue
        element = ds[tag]
        name = path + (element.keyword or str(element.tag).replace(" ", ""))
        if element.keyword == "IconImageSequence" or not all(_PIXELS.isdisjoint(item.keys()) for item in element.value):
            del ds[tag]
            yield name
        else:
            for index, item in enumerate(element.value):
                yield from _strip_nested(item, f"{name}[{index}].")


def _tags(ds: Dataset) -> list[BaseTag]:
    """Of the elements; iterating over a data set itself would convert each of them."""
    return list(ds.keys())


def _is_sequence(ds: Dataset, tag: BaseTag) -> bool:
    """Whether an element is a sequence, found without converting those that are not."""
    vr = ds.get_item(tag).VR
    if vr is None:
        return bool(dictionary_has_tag(tag) and dictionary_VR(tag) == "SQ")
    if vr != "UN":
        return bool(vr == "SQ")
    try:
        # The element stays raw: what a value of another VR than the dictionary's is to become is decided with the tags.
        return bool(convert_raw_data_element(ds.get_item(tag), ds=ds).VR == "SQ")
    except Exception:  # a value that is not of the dictionary's VR ends in any exception, and is none of a sequence
        return False


def _blank_beside(ds: Dataset, limits: LimitsPolicy) -> bool:
    """Blank what encapsulated pixel data holds beside its frames, and prove that they decode to the same values."""
    before = FrameReader(ds, limits)
    element = ds[before.info.keyword]
    data: bytearray | Spool | None = None
    changed: dict[int, bytes] = {}
    for index in range(len(before)):
        encoded = bytes(before.encoded(index))
        try:
            clean = blanked(encoded, before.info)
        except (ValueError, zlib.error):  # numbers of the stream would say nothing to who reads the audit
            raise DeidError(Code.PIXELS_UNDECODABLE, f"frame {index}: it cannot be told what belongs to the image") from None
        if clean is not encoded:
            changed[index] = _digest(before.coded(index))
            data = writable(element.value) if data is None else data
            encapsulation.replace(data, before.fragments(index), clean)
    if data is not None:
        element.value = settled(data)
        after = FrameReader(ds, limits)
        if any(_digest(after.coded(index)) != digest for index, digest in changed.items()):
            raise DeidError(Code.PIXELS_UNENCODABLE, "frames without their comments decode to other values")
    if not encapsulation.has_spare(element.value, len(before)):
        return bool(changed)
    reader = FrameReader(ds, limits)
    store(ds, (bytes(reader.encoded(index)) for index in range(len(reader))), reader)
    return True


def _digest(coded: NDArray[Any]) -> bytes:
    """Equal for equal values of one type and shape: the frames themselves would fill the memory."""
    return hashlib.sha256(f"{coded.dtype.str} {coded.shape}".encode() + coded.tobytes()).digest()


def _trim(ds: Dataset, info: PixelInfo) -> bool:
    """Cut native pixel data behind its last frame and the byte that makes it even, if anything is there."""
    data = ds[info.keyword].value
    size = (info.native_bits * info.frames + 15) // 16 * 2
    if blank(data, size):
        return False
    ds[info.keyword].value = part(data, 0, size)
    return True


def _clear_unused_bits(ds: Dataset, info: PixelInfo) -> bool:
    """Clear bits above or below the samples of native pixel data; those of negative samples above may repeat the sign."""
    shift = info.high_bit + 1 - info.bits_stored
    if info.is_float or info.bits_stored == info.bits_allocated or info.bits_allocated == 1:
        return False
    order = ">" if info.transfer_syntax == ExplicitVRBigEndian else "<"
    dtype = np.dtype(f"{order}u{info.bits_allocated // 8}")
    used = ((1 << info.bits_stored) - 1) << shift
    unused = dtype.type(~used & ((1 << info.bits_allocated) - 1))
    sign = dtype.type(1 << (info.bits_stored - 1) if info.signed and not shift else 0)
    data = ds[info.keyword].value
    if all(_cleared(samples, unused, sign) is None for _, samples in _blocks(data, dtype)):
        return False
    changed = writable(data)
    for start, samples in _blocks(data, dtype):
        cleared = _cleared(samples, unused, sign, whole=True)
        assert cleared is not None
        changed[start : start + cleared.nbytes] = cleared.tobytes()
    ds[info.keyword].value = settled(changed)
    return True


def _blocks(data: Bytes, dtype: np.dtype[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
    """Where each block of samples begins, and the samples; a last part of one is left out."""
    start = 0
    for piece in pieces(data):
        samples = np.frombuffer(piece, dtype, len(piece) // dtype.itemsize)
        yield start, samples
        start += len(piece)


def _cleared(samples: NDArray[Any], unused: Any, sign: Any, *, whole: bool = False) -> NDArray[Any] | None:
    """Samples without their unused bits; None when these say nothing, unless ``whole``."""
    if not (whole or np.bitwise_or.reduce(samples) & unused):
        return None
    cleared = samples & ~unused
    if sign:
        cleared = np.where(cleared & sign, cleared | unused, cleared).astype(samples.dtype)
        if not whole and np.array_equal(np.where(samples & unused, samples, cleared), cleared):
            return None
    return np.asarray(cleared, samples.dtype)


def _removed(path: str, rule: str) -> Finding:
    return Finding(action="removed", tag_path=path, detector=DETECTOR, rule=rule)
