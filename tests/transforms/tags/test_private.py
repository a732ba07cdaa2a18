from __future__ import annotations

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.transforms.tags.conftest import new
from transforms.policy import TagsPolicy
from transforms.tags.private import parse


def instance(*, implicit: bool = False, block: int = 0x10) -> Dataset:
    ds = new(implicit=implicit)
    ds.add_new(0x00190000 | block, "LO", "SIEMENS MR HEADER")
    ds.add_new(0x0019000C | block << 8, "IS", "1000")
    ds.add_new(0x001900FE | block << 8, "LO", "Grünberg")
    ds.add_new(0x00290010, "LO", "SIEMENS CSA HEADER")
    ds.add_new(0x00291010, "OB", b"Thea Gruenberg")
    return ds


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("block", [0x10, 0x42])
def test_safe_elements_stay_in_any_block(run, implicit, block):
    out = run(instance(implicit=implicit, block=block), private="safe")
    private = [element.tag for element in out if element.tag.is_private]
    assert private == [0x00190000 | block, 0x0019000C | block << 8]
    assert out[0x0019000C | block << 8].value in (1000, b"1000")
    assert "113111" in [item.CodeValue for item in out.DeidentificationMethodCodeSequence]


def test_all_private_elements_go_by_default(run):
    out = run(instance())
    assert not any(element.tag.is_private for element in out)


def test_an_element_without_a_creator_goes(run):
    ds = instance()
    del ds[0x00190010]
    assert 0x0019100C not in run(ds, private="safe")


def test_a_safe_element_with_another_kind_of_value_goes(run):
    ds = instance()
    ds[0x0019100C].VR, ds[0x0019100C].value = "LO", "Grünberg"
    assert 0x0019100C not in run(ds, private="safe")


def test_site_rules_add_and_text_is_cleaned(run):
    ds = new()
    ds.add_new(0x00110010, "LO", "ACME")
    ds.add_new(0x00111001, "LO", "MRI KNEE for Grünberg")
    ds.add_new(0x00111002, "UI", "1.2.3.2")
    ds.add_new(0x00111003, "DA", "20200101")
    rules = ["(0011,xx01,ACME)", "(0011,xx02,ACME)", "(0011,xx03,ACME)"]
    out = run(ds, private="safe", safe_private=rules, dates="shift")
    assert out[0x00111001].value.startswith("MRI KNEE")
    assert "Grünberg" not in out[0x00111001].value
    assert out[0x00111002].value == out.StudyInstanceUID
    assert out[0x00111003].value != "20200101"


def test_private_sequences_in_sequences(run):
    inner = Dataset()
    inner.PatientName = "Grünberg^Thea"
    inner.add_new(0x00110010, "LO", "ACME")
    inner.add_new(0x00111002, "UI", "1.2.3.2")
    outer = Dataset()
    outer.add_new(0x00110010, "LO", "ACME")
    outer.add_new(0x00111001, "SQ", Sequence([inner]))
    out = run(new(ReferencedSeriesSequence=Sequence([outer])), private="safe", safe_private=["(0011,xx01,ACME)", "(0011,xx02,ACME)"])
    found = out.ReferencedSeriesSequence[0][0x00111001].value[0]
    assert found[0x00111002].value == out.StudyInstanceUID
    assert "Grünberg" not in str(out)


@pytest.mark.parametrize("text", ["0029,xx10", "(0028,xx10,ACME)", "nonsense"])
def test_a_wrong_rule_is_refused(text):
    with pytest.raises(ValueError, match="expected"):
        parse(text)


def test_site_rules_need_the_option():
    with pytest.raises(ValueError, match="private: safe"):
        TagsPolicy(safe_private=("(0011,xx01,ACME)",))


@pytest.mark.parametrize("implicit", [False, True])
def test_terms_of_a_vendor_stay_in_safe_elements_and_identifiers_do_not(run, implicit):
    ds = new(implicit=implicit)
    ds.add_new(0x00190010, "LO", "GEMS_ACQU_01")
    ds.add_new(0x0019109E, "LO", "CSMEMP")
    assert run(ds, private="safe")[0x0019109E].value == "CSMEMP"
    ds[0x0019109E].value = "CSMEMP Grünberg 778812"
    assert run(ds, private="safe")[0x0019109E].value == "[PERSON] [ID]"


@pytest.mark.parametrize("implicit", [False, True])
def test_text_in_bytes_where_there_should_be_a_number_goes(run, implicit):
    ds = new(implicit=implicit)
    ds.add_new(0x20010010, "LO", "Philips Imaging DD 001")
    ds.add_new(0x20011003, "OB", b"Zehgeer Tariq\0\0\0")  # FL: diffusion b-factor
    ds.add_new(0x20011001, "OB", b"\0\0\x80\x3f")  # FL: chemical shift
    out = run(ds, private="safe")
    assert 0x20011003 not in out
    assert out[0x20011001].value in (b"\0\0\x80\x3f", 1.0)
