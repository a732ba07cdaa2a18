"""Sentences as people type them into free-text elements: what identifies, and the innocent words around it."""

from __future__ import annotations

import random
import re
import string
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.synth_people import FAMILY, Person, coin, write_date, write_name


@dataclass(frozen=True, slots=True)
class Sentence:
    """A text, the (kind, text) pairs in it that must go, and the words that may stay."""

    text: str
    phi: tuple[tuple[str, str], ...]
    innocent: tuple[str, ...]


SHORT = (
    "MRI KNEE LT for {name}",
    "CT abdomen pelvis {family}",
    "{name} chest PA lateral",
    "US thyroid Dr {doctor}",
    "Follow up {date} brain",
    "Hip right post op {date}",
    "ARTERIAL PHASE {month}",
    "T2 TSE SAG {name}",
    "Mammography bilateral MRN {mrn}",
    "lumbar spine acc {accession}",
    "CT Thorax {hospital}",
    "Abdomen Leber {family}",
    "Genou droit {family}",
    "Rodilla izquierda {name}",
    "XR WRIST RIGHT {mrn}",
    "coronary angiography, {doctor}, MD",
    "PET CT whole body {date}",
    "Echo heart {name}",
    "Schulter links Dr. {doctor}",
    "liver biopsy ({family})",
)
LONG = (
    "Patient {name}, born {dob}, presents with persistent cough and fever. Referred by Dr. {doctor}, {hospital}. Phone {phone}.",
    "Comparison: study of {date}. No fracture. Mild degenerative change of the lumbar spine.",
    "Mr. {family} reports pain in the left shoulder since {date}; please send results to {email}.",
    "Lives at {address}. Contact: {phone}. Allergic to iodine contrast.",
    "History: hypertension, diabetes. MRN: {mrn}; accession {accession}.",
    "Pat. {family}, geb. {dob}, Kopfschmerzen seit zwei Wochen, Verdacht auf Blutung",
    "Nom: {family} né le {dob} douleur abdominale, fièvre, bilan hépatique",
    "Images reviewed with Prof. {doctor} at {hospital} on {date}: small nodule in the right lower lobe, 4 mm.",
    "See {url} for the prior study; no change of the aneurysm.",
    "SSN {ssn}. {name} was given 80 ml contrast, no reaction.",
    "Paciente {name}, dolor de rodilla, fractura de tibia, radiografía de control {date}",
    "Tech {doctor} noted motion artifact; the series was repeated with {name} holding breath.",
    "{name} / {mrn} / {dob} ultrasound of the gallbladder: stones, wall thickening.",
)
CUES = frozenset(
    [
        "for",
        "dr",
        "md",
        "prof",
        "mr",
        "pat",
        "patient",
        "paciente",
        "geb",
        "born",
        "né",
        "le",
        "nom",
        "mrn",
        "acc",
        "accession",
        "ssn",
        "phone",
        "contact",
        "see",
        "by",
        "at",
        "of",
        "the",
        "with",
        "on",
        "in",
        "was",
        "to",
        "and",
        "a",
        "no",
        "since",
        "tech",
        "lives",
        "send",
        "results",
        "please",
        "ref",
        "referred",
        "de",
        "la",
        "que",
        "up",
        "nach",
        "auf",
        "seit",
        "zwei",
        "del",
        "die",
        "der",
        "du",
    ]
)
"""Words that introduce what identifies, or mean nothing by themselves: a cleaner may take them along."""
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
STREETS = ("Rue {}", "{} Lane", "{}straße", "{} Avenue", "Calle {}")

SPELLINGS = str.maketrans("øłŁıđ", "olLid")

Writer = Callable[[random.Random, Person], tuple[str, tuple[tuple[str, str], ...]]]


def sentence(rng: random.Random, who: Person, longest: int, *, ascii_only: bool) -> Sentence:
    """A sentence about ``who`` of at most ``longest`` characters.

    Args:
        rng: decides on the sentence and on the form of each piece.
        who: the patient.
        longest: 64 and less gives descriptions, more gives notes.
        ascii_only: without accents, for a character set that lacks them.
    """
    while True:
        made = _fill(rng, who, rng.choice(LONG if longest > 64 else SHORT), ascii_only=ascii_only)
        if len(made.text) <= longest:
            return made


def plain(text: str) -> str:
    """``text`` in ASCII: accents dropped, letters without counterpart spelled as keyboards without them do."""
    return unicodedata.normalize("NFKD", text.replace("ß", "ss").translate(SPELLINGS)).encode("ascii", "ignore").decode()


def name_parts(text: str, who: Person) -> tuple[tuple[str, str], ...]:
    """The names of ``who`` that stand in ``text`` in full."""
    return tuple(("PERSON", part) for part in (who.family, who.given) if len(part) > 2 and part.casefold() in text.casefold())


def _fill(rng: random.Random, who: Person, template: str, *, ascii_only: bool) -> Sentence:
    text = ""
    phi: list[tuple[str, str]] = []
    innocent: list[str] = []
    for literal, field, _, _ in string.Formatter().parse(template):
        text += literal
        innocent += [word for word in re.findall(r"[^\W\d_]{2,}", literal) if word.casefold() not in CUES]
        if field:
            value, parts = WRITERS[field](rng, who)
            text += value
            phi += parts
    if ascii_only:
        return Sentence(plain(text), tuple((kind, plain(part)) for kind, part in phi), tuple(plain(word) for word in innocent))
    return Sentence(text, tuple(phi), tuple(innocent))


def _whole(kind: str, write: Callable[[random.Random, Person], str]) -> Writer:
    def writer(rng: random.Random, who: Person) -> tuple[str, tuple[tuple[str, str], ...]]:
        value = write(rng, who)
        return value, ((kind, value),)

    return writer


def _name(rng: random.Random, who: Person) -> tuple[str, tuple[tuple[str, str], ...]]:
    value = write_name(rng, who)
    return value, name_parts(value, who)


def _doctor(rng: random.Random, who: Person) -> tuple[str, tuple[tuple[str, str], ...]]:
    value = rng.choice((who.physician, rng.choice(FAMILY), coin(rng, 3)))
    return value, (("PERSON", value),)


def _hospital(_: random.Random, who: Person) -> tuple[str, tuple[tuple[str, str], ...]]:
    return who.institution, (("ORGANIZATION", who.place),)


def _address(rng: random.Random, who: Person) -> tuple[str, tuple[tuple[str, str], ...]]:
    name = coin(rng, 3)
    street = rng.choice(STREETS).format(name)
    return f"{rng.randrange(1, 200)} {street}, {rng.randrange(10_000, 99_999)} {who.place}", (
        ("LOCATION", next(word for word in street.split() if name in word)),
        ("LOCATION", who.place),
    )


WRITERS: dict[str, Writer] = {
    "name": _name,
    "family": _whole("PERSON", lambda rng, who: rng.choice((who.family, who.family.upper()))),
    "doctor": _doctor,
    "hospital": _hospital,
    "address": _address,
    "date": _whole("DATE_TIME", lambda rng, who: write_date(rng, who.study)),
    "dob": _whole("DATE_TIME", lambda rng, who: write_date(rng, who.birth)),
    "month": _whole("DATE_TIME", lambda rng, who: f"{rng.choice(MONTHS)}{who.study.year}"),
    "mrn": _whole("ID", lambda _, who: who.mrn),
    "accession": _whole("ID", lambda _, who: who.accession),
    "phone": _whole("PHONE_NUMBER", lambda _, who: who.phone),
    "email": _whole(
        "EMAIL_ADDRESS", lambda rng, who: f"{plain(who.given).lower()}.{plain(who.family).lower()}@{coin(rng, 2).lower()}.example.org"
    ),
    "url": _whole("URL", lambda rng, who: f"https://pacs.{coin(rng, 3).lower()}.example.com/v/{who.accession}"),
    "ssn": _whole("US_SSN", lambda rng, _: f"{rng.randrange(100, 665)}-{rng.randrange(10, 99)}-{rng.randrange(1000, 9999)}"),
}
