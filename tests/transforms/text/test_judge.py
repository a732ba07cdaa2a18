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


@pytest.mark.parametrize("text", ["WH1TFIELD", "KATHAR1NA", "Katharlna", "ID 00l2-345-67", "ACX99I27", "TARK0VIAN", "J0RVlK"])
def test_what_ocr_confuses_is_known_from_the_header(detector: PiiDetector, known: HeaderKnown, text: str) -> None:
    """And not hidden for being no word: in another line it would be said of an innocent word, too."""
    (verdict,) = detector.judge([line(text)], known)
    assert verdict is not None
    assert verdict.detector == "header"


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
        "T1 (2000)",
        "TR 9] 2000 ms",
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


@pytest.mark.parametrize(
    "text",
    [
        "Op: 00",
        "28/05/2216:00:22",
        "26/08/",
        "08/20",
        "* J1 13, 1935 [M]",
        "F25 }2011",
        "geb.02/06/37[F]",
        "15 0ct 2011",
        "J. Miller",
        "Dr Long",
        "MILLER, J.",
        "J BROWN",
        "Brown, L",
        "122/07/94",
        "03//1950",
        "//1950",
        "1950-03-",
        "12.97/94",
        "3 Ju1 98",
        "Tat (211) 51",
        "Dr.",
        "Pat: Space",
        "geb.1955/0",
        "DOB19",
    ],
)
def test_what_ocr_leaves_of_an_identity_is_sensitive(detector: PiiDetector, text: str) -> None:
    assert detector.judge([line(text)], NOTHING)[0] is not None


@pytest.mark.parametrize(
    "text",
    [
        "CBT: 35 mm",
        "MLD 7.5",
        "DAP 753 dGycm2",
        "W6030L44",
        "TA 02:28",
        "SL 5.0",
        "3/3/4",
        "127/128",
        "DR:50",
        "DR: 60 dB",
        "LONG L",
        "GRAY R",
    ],
)
def test_values_with_units_are_settings(detector: PiiDetector, text: str) -> None:
    assert detector.judge([line(text)], NOTHING) == (None,)


def test_a_name_of_the_header_is_no_setting(detector: PiiDetector, known: HeaderKnown) -> None:
    assert detector.judge([line("Whitfield 3.5 mm")], known)[0] is not None


def test_a_box_longer_than_its_text_was_not_read(detector: PiiDetector) -> None:
    assert detector.judge([line("Ph", w=225, h=34)], NOTHING)[0] is not None
    assert detector.judge([line("Ph", w=30, h=20)], NOTHING) == (None,)
    uncertain = OcrLine(0, Box(0, 0, 60, 12), "Gain 60", 0.5, "fake")
    assert detector.judge([uncertain], NOTHING)[0] is not None


def test_the_numbers_of_a_ruler_are_none_of_a_patient(detector: PiiDetector) -> None:
    assert detector.judge([line("02468", w=20, h=200)], NOTHING) == (None,)


def test_raised_digits_are_judged_like_others(detector: PiiDetector) -> None:
    assert detector.judge([OcrLine(0, Box(0, 0, 40, 20), "4.2 cm²", 0.9, "x")], NOTHING) == (None,)


def test_words_of_the_block_of_the_identity_belong_to_it(detector: PiiDetector) -> None:
    lines = [
        line("CEREBRAL INFARCT", x=100, h=20),
        line("616205", x=100, y=12),
        line("PORTABLE", x=100, y=26),
        line("CEREBRAL INFARCT", y=200),
    ]
    assert [verdict is not None for verdict in detector.judge(lines, NOTHING)] == [True, True, False, False]


def test_the_last_line_of_an_institution_belongs_to_it_but_a_label_does_not(detector: PiiDetector, known: HeaderKnown) -> None:
    lines = [line("WHITFIELD", x=100), line("Clinic", x=100, y=16), line("Clinic:", x=100, y=200), line("WHITFIELD", x=100, y=216)]
    assert [verdict is not None for verdict in detector.judge(lines, known)] == [True, True, False, True]
    assert detector.judge([line("Clinic", y=100)], known) == (None,)


def test_a_tight_fragment_belongs_to_what_it_stands_beside(detector: PiiDetector, known: HeaderKnown) -> None:
    lines = [line("WHITFIELD", w=72), line("B", x=78, w=8), line("L", x=300, w=8)]
    assert [verdict is not None for verdict in detector.judge(lines, known)] == [True, True, False]
