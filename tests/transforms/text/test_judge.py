from __future__ import annotations

import pytest

from transforms.text.detector import PiiDetector
from transforms.text.known import NOTHING, HeaderKnown
from transforms.types import Box, OcrLine


def line(text: str, x: int = 0, y: int = 0, w: int = 0, h: int = 12) -> OcrLine:
    return OcrLine(0, Box(x, y, w or 8 * len(text), h), text, 0.9, "fake")


@pytest.mark.parametrize(
    "text",
    [
        "WHITFIELD, KATHARINA",
        "WH1TFIELD KATHAR1NA",
        "Katharlna",
        "MULLER-WH",
        "ID 00l2-345-67",
        "ACX99I27",
        "12.03.1974",
        "O3/l2/1974",
        "12 MAR 1974",
        "14:05:09",
        "8:48:26 AM",
        "Dr. Jorvik",
        "Zarvelund Clinic",
        "St. Agnes Hospital",
        "DRAVINKOV, O",
        "00047431395",
        "125-98-445",
        "Xq",
        "",
        "9261",
        "KAM",
    ],
)
def test_sensitive(detector: PiiDetector, known: HeaderKnown, text: str) -> None:
    (verdict,) = detector.judge([line(text)], known)
    assert verdict is not None
    assert (verdict.start, verdict.end) == (0, len(text))


@pytest.mark.parametrize(
    "text",
    [
        "kV 120",
        "mA 200",
        "MI 1.2",
        "TIs 0.4",
        "L",
        "R",
        "5 cm",
        "Fr 12",
        "Gain 60",
        "W: 254 L: 127",
        "1.06 cm",
        "20dB/DR60",
        "SIEMENS",
        "AX 13.5",
        "Im: 1/1",
        "Se: 3/2",
        "19fps",
        "65bpm",
        "MLO",
        "PORTABLE",
        "2D--100%",
        "H4.00 MHz",
        "Name:",
        "DOB",
        "Ga1n 40",
        "Zoom 1.5x",
        "DFOV 23cm",
        "100%",
        "Sag Liver",
        "110/111",
    ],
)
def test_technical(detector: PiiDetector, known: HeaderKnown, text: str) -> None:
    assert detector.judge([line(text)], known) == (None,)


def test_a_label_makes_its_neighbour_sensitive(detector: PiiDetector) -> None:
    for label in ("Name:", "ID", "DOB", "Pat.-Nr.", "Geb.", "Né le", "Fecha nac.", "Patient"):
        right = detector.judge([line(label), line("SPACE", x=120), line("AXIAL", y=200)], NOTHING)
        assert [verdict is not None for verdict in right] == [False, True, False], label
        below = detector.judge([line(label), line("SPACE", y=16)], NOTHING)
        assert below[1] is not None, label


def test_words_of_a_row_are_read_together(detector: PiiDetector) -> None:
    lines = [line("12", x=0), line("MAR", x=22), line("1974", x=52), line("MLO", x=400)]
    assert [verdict is not None for verdict in detector.judge(lines, NOTHING)] == [True, True, True, False]


def test_frames_and_far_lines_do_not_mix(detector: PiiDetector) -> None:
    other = OcrLine(1, Box(120, 0, 40, 12), "SPACE", 0.9, "fake")
    assert detector.judge([line("Name:"), other], NOTHING)[1] is None
