"""Video: CPU time per frame of looking, of compressing again and of the proof, and whether memory follows the number of frames.

The second video has four times the frames of the first; frames are 1280 x 720, with moving content and two lines of text that stay.
"""

from __future__ import annotations

import argparse
import io
import resource
import sys
import time
from fractions import Fraction

import av
import cv2
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate

from transforms.pixels import video
from transforms.pixels.cleaner import PixelCleaner
from transforms.pixels.info import pixel_info
from transforms.policy import LimitsPolicy, PixelsPolicy
from transforms.types import Box, PixelReport

ROWS, COLUMNS = 720, 1280
ALLOWED_MIB = 64
LIMITS = LimitsPolicy()


def film(frames: int) -> Dataset:
    """An H.264 video."""
    target, (y, x) = io.BytesIO(), np.mgrid[:ROWS, :COLUMNS].astype(np.float32)
    with av.open(target, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "20", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = COLUMNS, ROWS, "yuv420p"
        for number in range(frames):
            image = (100 + 50 * np.sin(x / 90 + number / 7) + 40 * np.cos(y / 70 - number / 9)).astype(np.uint8)
            for line, text in enumerate(("KAUFMAN ERIKA 1943-02-17", "MERCY HOSPITAL")):
                cv2.putText(image, text, (30, 50 + 40 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255,), 1, cv2.LINE_AA)
            frame = av.VideoFrame.from_ndarray(image, format="gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    data, ds = target.getvalue(), Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.102"
    ds.SOPInstanceUID, ds.Rows, ds.Columns, ds.NumberOfFrames = "1.2.3", ROWS, COLUMNS, frames
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PlanarConfiguration = 3, "YBR_PARTIAL_420", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    ds.PixelData = encapsulate([data + b"\0" * (len(data) % 2)], has_bot=False)
    return ds


def main() -> int:
    """Print the table; 1 when memory grows with the frames."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=25)
    frames = parser.parse_args().frames
    peaks = []
    for count in (frames, 4 * frames):
        ds = film(count)
        info = pixel_info(ds)
        assert info is not None
        start = time.process_time()
        video.Video(ds, info, LIMITS).masked([Box(20, 20, 600, 90)])
        masked = time.process_time()
        (report,) = PixelCleaner(PixelsPolicy(video="mask"), LIMITS, None).clean([(ds, None)])
        assert isinstance(report, PixelReport)
        assert len(report.changed_frames) == count
        whole = time.process_time() - masked
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        writing = (masked - start) / count
        look = whole / count - writing
        print(f"{count:4} frames: {writing:.3f} CPU s per frame to write and prove, {look:.3f} to look; peak {peaks[-1]:.0f} MiB")
    grown, decoded = peaks[1] - peaks[0], 3 * frames * ROWS * COLUMNS * 3 >> 20
    print(f"memory of {3 * frames} more frames: {grown:.0f} MiB, allowed {ALLOWED_MIB}; decoded they are {decoded} MiB")
    return int(peaks[1] - peaks[0] > ALLOWED_MIB)


if __name__ == "__main__":
    sys.exit(main())
