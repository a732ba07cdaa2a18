"""Video (PS3.5 8.2.5 to 8.2.9): decoded frame by frame, text blanked in all frames, encoded again into the same syntax, and proven.

Frames stream: never more of them than the encoder's few are in memory. What stands beside the pictures goes in any case: audio, further
streams, metadata of the container, captions and user data within the coded stream. Where no text is hidden, the coded pictures are only
moved into a new container, and decode as they did.

Every frame is looked at, so that text that moves, or that is on a single frame, is found as in any other cine.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transforms.errors import Code, DeidError
from transforms.pixels import encapsulation
from transforms.pixels.info import PixelInfo
from transforms.pixels.mask import region, snapped
from transforms.policy import LimitsPolicy
from transforms.types import Box, Dataset

_ITEM = b"\xfe\xff\x00\xe0"
_CONTAINERS = {
    "mov,mp4,m4a,3gp,3g2,mj2": "mp4",
    "mpegts": "mpegts",
    "mpeg": "vob",
    "mpegvideo": "mpeg2video",
    "h264": "h264",
    "hevc": "hevc",
}
"""Demuxers of what PS3.5 8.2.5 to 8.2.9 allow, and of bare streams, with the muxer that writes the same."""
FLAT = 12
"""Levels (of 8 bits) by which a blanked pixel may miss black after lossy coding; text that can be read differs by several times as much."""
RIM = 4
"""Pixels at the edge of a blanked box into which the coding of its surroundings may ring."""
ALIKE = 24.0
"""Peak signal to noise ratio, in decibels, that each frame keeps outside the boxes: a sign of the right frame, not of quality."""
MOST_HIDDEN = 0.5


@dataclass(frozen=True, slots=True)
class Coding:
    """How a transfer syntax is written.

    Attributes:
        decoder: name of the codec that the stream must have.
        encoder: of FFmpeg.
        method: defined term of Lossy Image Compression Method (PS3.3 C.7.6.1.1.5.1).
        user_data: units of the coded stream that hold no pictures but text: SEI messages, user data.
        formats: pixel formats of the profile.
        options: of the encoder; high quality, one thread, so that the result is the same on every worker.
    """

    decoder: str
    encoder: str
    method: str
    user_data: str
    formats: tuple[str, ...]
    options: dict[str, str]


def _mpeg_2(bit_rate: str) -> Coding:
    options = {"flags": "+qscale", "global_quality": str(2 * 118), "maxrate": bit_rate, "bufsize": "1835k", "g": "12", "bf": "2"}
    return Coding("mpeg2video", "mpeg2video", "ISO_13818_2", "178", ("yuv420p",), options)


def _avc(level: str, extra: str = "") -> Coding:
    options = {"crf": "14", "preset": "fast", "profile": "high", "level": level, "a53cc": "0"}
    parameters = f"rc-lookahead=10:vbv-maxrate=50000:vbv-bufsize=50000{extra}"
    return Coding("h264", "libx264", "ISO_14496_10", "6", ("yuv420p", "yuvj420p"), {**options, "x264-params": parameters})


def _hevc(profile: str, *formats: str) -> Coding:
    parameters = "log-level=none:pools=none:frame-threads=1:rc-lookahead=10:level-idc=5.1:info=0"
    return Coding(
        "hevc", "libx265", "ISO_23008_2", "39-40", formats, {"crf": "14", "preset": "fast", "profile": profile, "x265-params": parameters}
    )


_BASE = "1.2.840.10008.1.2.4."
CODINGS = {
    **{_BASE + name: _mpeg_2("15M") for name in ("100", "100.1")},
    **{_BASE + name: _mpeg_2("80M") for name in ("101", "101.1")},
    **{_BASE + name: _avc("4.1") for name in ("102", "102.1")},
    **{_BASE + name: _avc("4.1", ":bluray-compat=1") for name in ("103", "103.1")},
    **{_BASE + name: _avc("4.2") for name in ("104", "104.1")},
    _BASE + "107": _hevc("main", "yuv420p", "yuvj420p"),
    _BASE + "108": _hevc("main10", "yuv420p10le"),
}
STEREO = frozenset(_BASE + name for name in ("105", "105.1", "106", "106.1"))
"""Both eyes in one stream: the decoder gives one view, or one picture of two halves, and the encoder cannot write them again."""
SYNTAXES = STEREO | frozenset(CODINGS)


def unavailable() -> str | None:
    """Why video cannot be masked here; None when it can."""
    return None if importlib.util.find_spec("av") is not None else "package av (extra video) is not installed"


class Video:
    """The one video of an instance.

    Args:
        ds: with encapsulated pixel data; all of its fragments are one stream.
        info: of the data set.
        limits: bounds of a frame, and seconds for decoding one.

    Raises:
        DeidError: PIXELS_UNSUPPORTED, TOO_LARGE; PIXELS_INCONSISTENT, it is a video of another size or coding than the header says.
    """

    def __init__(self, ds: Dataset, info: PixelInfo, limits: LimitsPolicy) -> None:
        if info.transfer_syntax in STEREO:
            raise DeidError(Code.PIXELS_UNSUPPORTED, "stereo video")
        if reason := unavailable():
            raise DeidError(Code.PIXELS_UNSUPPORTED, f"video: {reason}")
        if info.rows * info.columns * 3 * 2 > limits.max_frame_bytes:
            raise DeidError(Code.TOO_LARGE, f"a frame of {info.rows * info.columns * 3} bytes, the limit is {limits.max_frame_bytes}")
        if info.rows % 2 or info.columns % 2 or info.samples != 3:
            raise DeidError(Code.PIXELS_UNSUPPORTED, "video with an odd number of rows or columns, or without colour")
        self._shown = np.empty((0, 0, 3), np.uint8)
        self.info, self.limits, self.coding = info, limits, CODINGS[info.transfer_syntax]
        data = ds.PixelData
        self.data = encapsulation.join(data, [span for spans in encapsulation.assign(data, 1) for span in spans])

    def frames(self) -> Iterator[int]:
        """Decode frame after frame; `rgb` and `frame_digest` tell of the last.

        Raises:
            DeidError: PIXELS_UNDECODABLE, PIXELS_TIMEOUT; PIXELS_INCONSISTENT, PIXELS_UNSUPPORTED as above, PIXELS_UNENCODABLE.
        """
        for index, frame in enumerate(self._decoded(self.data)):
            self._shown = frame.to_ndarray(format="rgb24")
            yield index

    def rgb(self, _index: int) -> NDArray[np.uint8]:
        """The frame at hand as (rows, columns, 3) of 8 bits."""
        return self._shown

    def frame_digest(self, _index: int) -> bytes:
        """32 bytes that are equal for equal frames."""
        return hashlib.sha256(self._shown.tobytes()).digest()

    def masked(self, boxes: Sequence[Box]) -> bytes:
        """The video with ``boxes`` black in every frame, or, without boxes, its coded pictures in a new container; proven by decoding.

        Raises:
            DeidError: PIXELS_UNENCODABLE, it cannot be written, or the result is not what it should be; as `frames`.
        """
        boxes = [snapped(box, (2, 2), self.info.shape) for box in boxes]
        hidden = region(boxes, self.info.shape)
        if hidden.mean() > MOST_HIDDEN:
            raise DeidError(Code.PIXELS_UNENCODABLE, "text on more than half of the picture: it moves")
        try:
            again = hidden.any() or not self._is_seen_whole()
            written = self._without_text_beside(self._encoded(hidden) if again else self.data)
        except DeidError:
            raise
        except Exception as exc:  # FFmpeg has an error class for each of its codes
            raise DeidError(Code.PIXELS_UNENCODABLE, f"video: {type(exc).__name__}") from None
        self._prove(written, hidden, exact=not again)
        return written

    def _is_seen_whole(self) -> bool:
        """Whether each packet of the stream gives a frame: what a decoder skips, nobody has looked at."""
        with self._open(self.data) as source:
            packets = sum(packet.size > 0 for packet in source.demux(source.streams.video[0]))
        return bool(packets == sum(1 for _ in self._decoded(self.data)))

    def _open(self, data: bytes) -> Any:
        import av

        av.logging.set_level(av.logging.PANIC)  # its messages quote metadata
        # An edit list hides frames from viewers, not from who unpacks the file.
        container = av.open(io.BytesIO(data), metadata_errors="ignore", options={"ignore_editlist": "1"})
        found = container.format.name
        videos, name = container.streams.video, ""
        if len(videos) == 1 and videos[0].codec_context is not None:
            name = videos[0].codec_context.name
        if found not in _CONTAINERS or name != self.coding.decoder:
            container.close()
            raise DeidError(Code.PIXELS_INCONSISTENT, f"expected one stream of {self.coding.decoder}, found {len(videos)} of another kind")
        size = (videos[0].codec_context.height, videos[0].codec_context.width)
        if size != self.info.shape:
            container.close()
            raise DeidError(Code.PIXELS_INCONSISTENT, f"expected rows and columns {self.info.shape}, found {size}")
        return container

    def _decoded(self, data: bytes) -> Iterator[Any]:
        """The frames as the decoder gives them. All decode, or the video is refused."""
        import av

        try:
            with self._open(data) as container:
                stream = container.streams.video[0]
                stream.codec_context.thread_count = 1
                # What one decoder conceals another may show.
                stream.codec_context.options = {"err_detect": "explode"}
                started = time.monotonic()
                for frame in container.decode(stream):
                    if frame.is_corrupt or (frame.height, frame.width) != self.info.shape:
                        raise DeidError(Code.PIXELS_UNDECODABLE, "a frame of the video is damaged, or of another size")
                    if frame.format.name not in self.coding.formats:
                        raise DeidError(Code.PIXELS_UNSUPPORTED, "the video has a pixel format beyond its transfer syntax")
                    if time.monotonic() - started > self.limits.decode_seconds:
                        raise DeidError(Code.PIXELS_TIMEOUT, "a frame of the video took too long")
                    yield frame
                    started = time.monotonic()
        except av.error.FFmpegError as exc:
            raise DeidError(Code.PIXELS_UNDECODABLE, f"video: {type(exc).__name__}") from None

    def _encoded(self, hidden: NDArray[np.bool_]) -> bytes:
        """All frames with what is hidden black, in a container of the same kind."""
        import av

        target = io.BytesIO()
        with self._open(self.data) as source:
            stream = source.streams.video[0]
            before, rate = stream.codec_context, stream.average_rate or stream.guessed_rate or Fraction(25)
            kind = _CONTAINERS[source.format.name]
            with av.open(target, "w", format=kind, options={"fflags": "+bitexact"}) as container:
                output: Any = None
                context: Any = None
                for number, frame in enumerate(self._decoded(self.data)):
                    if context is None:
                        options = dict(self.coding.options)
                        if frame.interlaced_frame:
                            options["flags"] = options.get("flags", "") + "+ildct+ilme"
                        output = container.add_stream(self.coding.encoder, rate=rate, options=options)
                        context = output.codec_context
                        context.width, context.height, context.pix_fmt = frame.width, frame.height, frame.format.name
                        context.thread_count = 1
                        context.sample_aspect_ratio = before.sample_aspect_ratio or Fraction(1)
                        for name in ("color_range", "colorspace", "color_primaries", "color_trc"):
                            setattr(context, name, getattr(before, name))
                    frame.make_writable()
                    _blacken(frame, hidden)
                    frame.pts, frame.time_base, frame.pict_type = number, 1 / Fraction(rate), 0
                    container.mux(output.encode(frame))
                if output is None:
                    raise DeidError(Code.PIXELS_UNDECODABLE, "a video without frames")
                container.mux(output.encode(None))
        return target.getvalue()

    def _without_text_beside(self, data: bytes) -> bytes:
        """The coded pictures alone in a new container of the same kind."""
        import av
        from av.bitstream import BitStreamFilterContext

        target = io.BytesIO()
        with self._open(data) as source:
            stream = source.streams.video[0]
            kind = _CONTAINERS[source.format.name]
            with av.open(target, "w", format=kind, options={"fflags": "+bitexact"}) as container:
                output = container.add_stream_from_template(stream)
                output.metadata.clear()
                pictures = BitStreamFilterContext(f"filter_units=remove_types={self.coding.user_data}", stream, output)
                for packet in source.demux(stream):
                    for part in pictures.filter(packet if packet.size else None):
                        part.stream = output
                        container.mux_one(part)
        return target.getvalue()

    def _prove(self, written: bytes, hidden: NDArray[np.bool_], *, exact: bool) -> None:
        """Decode both videos side by side: as many frames, black where hidden, and alike elsewhere."""
        inside = _shrunk(hidden)
        before, after = self._decoded(self.data), self._decoded(written)
        while True:
            old, new = next(before, None), next(after, None)
            if old is None or new is None:
                break
            old, new = old.to_ndarray(format="gray"), new.to_ndarray(format="gray")
            if exact:
                same = np.array_equal(old, new)
            else:
                error = np.square(old[~hidden].astype(np.float32) - new[~hidden]).mean()
                same = 10 * np.log10(255.0**2 / max(float(error), 1e-6)) >= ALIKE and int(new[inside].max(initial=0)) <= FLAT
            if not same:
                raise DeidError(Code.PIXELS_UNENCODABLE, "a frame of the video is not what was to be written")
        if old is not None or new is not None:
            raise DeidError(Code.PIXELS_UNENCODABLE, "the video written has another number of frames")


def write(ds: Dataset, video: Video, data: bytes, *, changed: bool) -> None:
    """Put a video into its data set, in place; a changed one was compressed once more (PS3.3 C.7.6.1.1.5)."""
    data += b"\0" * (len(data) % 2)
    ds.PixelData = _ITEM + bytes(4) + _ITEM + struct.pack("<L", len(data)) + data
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths", "EncapsulatedPixelDataValueTotalLength"):
        if keyword in ds:
            del ds[keyword]
    if changed:
        info = video.info
        ratio = info.rows * info.columns * info.samples * info.frames / max(len(data), 1)
        ds.LossyImageCompression = "01"
        ds.LossyImageCompressionMethod = [*_values(ds, "LossyImageCompressionMethod"), video.coding.method]
        ds.LossyImageCompressionRatio = [*_values(ds, "LossyImageCompressionRatio"), f"{ratio:.2f}"]


def _values(ds: Dataset, keyword: str) -> list[Any]:
    value = ds.get(keyword)
    if value in (None, ""):
        return []
    return [value] if isinstance(value, str) or not hasattr(value, "__iter__") else list(value)


def _blacken(frame: Any, hidden: NDArray[np.bool_]) -> None:
    """Fill planes of Y, Cb, Cr in place; ``hidden`` lies on whole pixels of chrominance."""
    deep = frame.format.name.endswith("10le")
    full = frame.format.name.startswith("yuvj") or frame.color_range == 2
    for index, plane in enumerate(frame.planes[:3]):
        samples = np.frombuffer(plane, np.uint16 if deep else np.uint8).reshape(plane.height, -1)[:, : plane.width]
        value = (0 if full else 16) if index == 0 else 128
        samples[hidden if index == 0 else hidden[::2, ::2]] = value << 2 if deep else value


def _shrunk(hidden: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """``hidden`` without its rim."""
    import cv2

    size = 2 * RIM + 1
    return np.asarray(cv2.erode(hidden.astype(np.uint8), np.ones((size, size), np.uint8), borderValue=1), bool)
