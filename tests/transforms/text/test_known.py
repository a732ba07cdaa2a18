from __future__ import annotations

import time
from io import BytesIO

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from transforms.text.collect import collect
from transforms.text.detector import PiiDetector
from transforms.text.known import HeaderKnown


def test_names_at_any_depth_are_known(known: HeaderKnown) -> None:
    assert {"katharina", "muller", "whitfield", "tarkovian", "jorvik"} <= set(known.words)
    assert {"kam", "km", "mk", "kb", "kj"} <= known.initials


def test_values_prove_a_leak_and_nothing_less(known: HeaderKnown) -> None:
    values = set(known.values)
    assert {"Katharina", "Whitfield", "0012-345-67", "1234567", "ACX99127"} <= values
    assert not values & {"Ann", "Brown", "Kate", "M", "1"}
    assert "Zarvelund Clinic" in known.places
    assert "Zarvelund Clinic" not in values


@pytest.mark.parametrize("value", ["CHEST", "1", "M", "12345", "000000", "Test"])
def test_a_value_that_is_not_distinctive_is_none(detector: PiiDetector, value: str) -> None:
    dataset = Dataset()
    dataset.PatientID = value
    dataset.StudyID = value
    assert detector.known([dataset]).values == ()


def test_a_broken_element_hides_no_other() -> None:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "NOT A CHARSET"
    dataset.PatientName = "Zarvel^Ottoline"
    dataset._dict[Tag(0x00100030)] = RawDataElement(Tag(0x00100030), "DA", 4, b"\xff\xfe??", 0, False, True)  # type: ignore[index]
    dataset._dict[Tag(0x00081110)] = RawDataElement(Tag(0x00081110), "SQ", 3, b"\x01\x02\x03", 0, False, True)  # type: ignore[index]
    dataset._dict[Tag(0x00101000)] = RawDataElement(Tag(0x00101000), "LO", 8, b"\xe9\xe8 99812", 0, False, True)  # type: ignore[index]
    found = dict.fromkeys(text for _, text in collect([dataset]))
    assert "Zarvel^Ottoline" in found
    assert any("99812" in text for text in found)


def test_a_sequence_that_is_none_is_passed_over() -> None:
    dataset = Dataset()
    dataset._dict[Tag(0x00081140)] = RawDataElement(Tag(0x00081140), "US", 4, b"\x01\x00\x02\x00", 0, False, True)  # type: ignore[index]
    dataset.PatientID = "99812345"
    assert collect([dataset]) == (("ID", "99812345"),)


def test_what_policies_retain_stands_apart(detector: PiiDetector) -> None:
    dataset = Dataset()
    dataset.StationName = "ZARVELCT0199"
    dataset.DeviceSerialNumber = "SN7781234"
    dataset.InstitutionName = "Zarvelund Clinic"
    known = detector.known([dataset])
    assert known.values == ()
    assert set(known.stations) >= {"ZARVELCT0199", "SN7781234"}
    assert known.places == ("Zarvelund Clinic",)


def test_raw_elements_stay_raw() -> None:
    with open(get_testdata_file("CT_small.dcm"), "rb") as file:  # noqa: PTH123  # pydicom gives a string
        dataset = pydicom.dcmread(BytesIO(file.read()), stop_before_pixels=True)
    collect([dataset])
    assert dataset.get_item(0x00100010).is_raw


def test_equal_headers_share_what_is_known(detector: PiiDetector, header: Dataset) -> None:
    assert detector.known([header]) is detector.known([header])


def test_it_takes_less_than_a_millisecond_once_seen(detector: PiiDetector) -> None:
    dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm"), stop_before_pixels=True)
    detector.known([dataset])
    began = time.process_time()
    for _ in range(50):
        detector.known([dataset])
    assert (time.process_time() - began) / 50 < 0.003  # 0.2 ms on an idle machine


@pytest.mark.parametrize(("text", "number"), [("MRN7719023", "7719023"), ("QK-7734509/B", "7734509")])
def test_the_number_of_an_identifier_is_known_without_its_letters(detector: PiiDetector, text: str, number: str) -> None:
    dataset = Dataset()
    dataset.PatientID = text
    known = detector.known([dataset])
    assert number in known.values
    assert detector.find(f"see {number} again", known)


@pytest.mark.parametrize("text", ["CT000001", "A20040119", "MR1234", "12-345678-9"])
def test_a_number_that_is_no_identifier_by_itself_is_not_known(detector: PiiDetector, text: str) -> None:
    dataset = Dataset()
    dataset.PatientID = text
    assert not {"000001", "20040119", "1234", "345678"}.intersection(detector.known([dataset]).values)


@pytest.mark.parametrize("postcode", ["PL19 8XX", "K1A 0B1", "1011 AB"])
def test_a_postcode_of_the_header_is_known_without_its_space(detector: PiiDetector, postcode: str) -> None:
    dataset = Dataset()
    dataset.PatientAddress = f"14 Birchwood Mews^^Zarvel {postcode}"
    known = detector.known([dataset])
    for text in (postcode, postcode.replace(" ", ""), postcode.replace(" ", "").lower()):
        assert detector.clean(f"CHEST PA {text}", known)[0] == "CHEST PA [LOCATION]"


@pytest.mark.parametrize("text", ["OEZTUERK", "Ozturk", "guel", "AANGSTROEM", "Joergensen", "JORGENSEN"])
def test_a_name_is_known_without_its_umlauts(detector: PiiDetector, text: str) -> None:
    """Where an unknown word is no evidence, only the header says that this is a name."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName, dataset.OperatorsName = "Öztürk^Gül", "Ångström^Jørgensen"
    known = detector.known([dataset])
    assert detector.clean(text, known, vr="CS")[0] == "[PERSON]"
    assert {"ozturk", "oeztuerk", "Öztürk"} <= set(known.values)


@pytest.mark.parametrize("text", ["ct read by wu", "ct discussed with wu"])
def test_a_short_name_stays_one_behind_a_cue(detector: PiiDetector, text: str) -> None:
    dataset = Dataset()
    dataset.PatientName = "Li^Wu"
    assert "wu" not in detector.clean(text, detector.known([dataset]))[0]


@pytest.mark.parametrize("text", ["ct li wu", "ct wu, li", "CT LI WU", "ct li-wu", "ct wu^li"])
def test_two_short_parts_of_a_name_are_one(detector: PiiDetector, text: str) -> None:
    dataset = Dataset()
    dataset.PatientName = "Li^Wu"
    assert detector.clean(text, detector.known([dataset]))[0].lower() == "ct [person]"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("CT Ng", "CT [PERSON]"),
        ("Thorax Ng 2 of 3", "Thorax [PERSON] 2 of 3"),
        ("NG tube in place", "NG tube in place"),
        ("PSA 5 ng per ml", "PSA 5 ng per ml"),
        ("No change. Ng tube in place", "No change. Ng tube in place"),
    ],
)
def test_a_short_name_is_one_where_it_is_written_as_a_name(detector: PiiDetector, text: str, clean: str) -> None:
    dataset = Dataset()
    dataset.PatientName = "Ng^A"
    assert detector.clean(text, detector.known([dataset]))[0] == clean


def test_codes_for_persons_and_institutions_are_known_by_their_meaning(detector: PiiDetector) -> None:
    def code(meaning: str) -> Dataset:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "4711", "99X", meaning
        return item

    dataset, reader, role = Dataset(), Dataset(), Dataset()
    reader.PersonIdentificationCodeSequence = [code("Okonkwo, Anne")]
    role.PersonIdentificationCodeSequence = [code("Radiologist")]
    dataset.ReferringPhysicianIdentificationSequence = [reader, role]
    dataset.InstitutionCodeSequence = [code("Zarveldorf Klinik")]
    dataset.ViewCodeSequence = [code("Cranio-caudal")]
    known = detector.known([dataset])
    assert detector.clean("Box of Okonkwo in Zarveldorf", known, vr="CS")[0] == "Box of [PERSON] in [LOCATION]"
    assert detector.clean("radiologist, cranio-caudal", known)[1] == ()
    assert "Okonkwo" in known.values
