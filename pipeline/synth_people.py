"""Invented people and the ways in which scanners write them into an image.

The names come from short lists in several languages and from a syllable generator; none of them is taken from the data of the rules in
`transforms.text`, so that a recogniser cannot pass by having seen them.
"""

from __future__ import annotations

import datetime
import random
from dataclasses import asdict, dataclass


def words(text: str) -> tuple[str, ...]:
    """The words of a text; keeps long lists readable."""
    return tuple(text.split())


GIVEN = words("""
Torsten Anneliese Wilfried Heike Detlef Solveig Ingeborg Ragnhild Eoghan Saoirse Niamh Fearghal Tamsin Algernon Philippa Barnaby
Marguerite Thibault Solène Guillaume Aurélie Ximena Íñigo Rocío Joaquín Beatriz Giacomo Ornella Zbigniew Małgorzata Bořivoj Zdeňka
Özgür Gülşen Oluwaseun Chiamaka Thandeka Kwabena Rajeshwari Venkatesh Parvaneh Farhad Nguyet Quoc Haruka Takumi Seo-yeon Ji-ho Lihua
Jianguo
""")
FAMILY = words("""
Hagedorn Wiechmann Oberländer Küppers Strothmann Großkopf Bjørnstad Lindqvist Hämäläinen O'Shaughnessy MacGillivray Featherstonehaugh
Winterbottom Cholmondeley Delacroix-Fontaine Beauvilliers Lefebvrier Etxeberria Villanueva-Ruiz Quiñones Scognamiglio Dall'Acqua
Wojciechowski Krzyżanowska Dvořáčková Szentgyörgyi Yıldırımoğlu Okonkwo Adebayo-Smith Mthembu Asante Balasubramaniam Chattopadhyay
Khorasani Tran-Le Phung Nakashima Kobayakawa Hwangbo Namgung Ouyang Zhuge Van-den-Heuvel De-Wachter
""")
NATIVE = ("王 秀英", "欧阳 建国", "中島 拓海", "남궁 지호", "Ковальчук Оксана", "Σταματόπουλος Γιώργος")
PLACES = words("Thornbury Eschweiler Montrouge Alcorisa Lindesnes Castelfranco Wrocieniec Harrowgate Kirkholm Niederau Fontvieille Oakmere")
HOSPITALS = (
    "{} General Hospital",
    "St. {} Medical Center",
    "Klinikum {}",
    "CHU de {}",
    "Hospital Universitario {}",
    "{} Imaging Associates",
    "University Hospital {}",
)
DATE_FORMATS = (
    "%d.%m.%Y",
    "%m/%d/%Y",
    "%Y-%m-%d",
    "%Y%m%d",
    "%d %b %Y",
    "%d-%b-%Y",
    "%m.%d.%Y",
    "%d/%m/%y",
    "%b %d, %Y",
    "%d%b%Y",
    "%Y/%m/%d",
)
LAST_STUDY = datetime.date(2025, 12, 31)
SYLLABLES = words("""
ba be bri cal cor da den do el fa fen gar gri ha hol in jor ka kel lan lor ma mer mon na nor or pel qui ra ros sal ser tan tor ul va
ver wil yor zan
""")


@dataclass(frozen=True, slots=True)
class Person:
    """One invented patient with the study that the image belongs to. All of it is made up, so it may be shown."""

    family: str
    given: str
    sex: str
    birth: datetime.date
    study: datetime.date
    time: datetime.time
    mrn: str
    accession: str
    place: str
    institution: str
    physician: str
    operator: str
    phone: str

    @property
    def age(self) -> int:
        """Whole years at the study."""
        return self.study.year - self.birth.year - ((self.study.month, self.study.day) < (self.birth.month, self.birth.day))

    def identity(self) -> dict[str, str]:
        """The values as plain strings, for the truth file."""
        return {key: str(value) for key, value in asdict(self).items()} | {"age": str(self.age)}


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text that is drawn as one and judged as one."""

    text: str
    is_phi: bool
    entity_type: str


def coin(rng: random.Random, syllables: int) -> str:
    """A pronounceable word that is in no list."""
    return "".join(rng.choice(SYLLABLES) for _ in range(syllables)).capitalize()


def person(rng: random.Random) -> Person:
    """A patient, a third of them with coined names."""
    family = coin(rng, rng.randint(2, 4)) if rng.random() < 0.34 else rng.choice(FAMILY)
    given = coin(rng, rng.randint(2, 3)) if rng.random() < 0.34 else rng.choice(GIVEN)
    birth = datetime.date(1925, 1, 1) + datetime.timedelta(days=rng.randrange(34_000))
    earliest = max(datetime.date(1998, 1, 1), birth)
    study = earliest + datetime.timedelta(days=rng.randrange((LAST_STUDY - earliest).days))
    digits = rng.choice((6, 7, 8, 9))
    mrn = rng.choice(("", "", "MR", "P-", "0")) + str(rng.randrange(10 ** (digits - 1), 10**digits))
    place = rng.choice((*PLACES, *GIVEN)) if rng.random() < 0.6 else coin(rng, 3)
    doctor = rng.choice(FAMILY) if rng.random() < 0.6 else coin(rng, 3)
    return Person(
        family=family,
        given=given,
        sex=rng.choice("MFO" if rng.random() < 0.1 else "MF"),
        birth=birth,
        study=study,
        time=datetime.time(rng.randrange(24), rng.randrange(60), rng.randrange(60)),
        mrn=mrn,
        accession=rng.choice(("A", "ACC", "", "RAD-", "CT")) + str(rng.randrange(10**6, 10**9)),
        place=place,
        institution=rng.choice(HOSPITALS).format(place),
        physician=doctor,
        operator=rng.choice(GIVEN)[0] + rng.choice(FAMILY)[0] + rng.choice(("", rng.choice(FAMILY)[0])),
        phone=f"({rng.randrange(201, 990)}) {rng.randrange(200, 999)}-{rng.randrange(10_000):04d}",
    )


def write_name(rng: random.Random, who: Person) -> str:
    """The patient's name in one of the forms that consoles use."""
    family, given = who.family, who.given
    forms = (
        f"{family.upper()}^{given.upper()}",
        f"{family}, {given}",
        f"{family.upper()}, {given.upper()}",
        f"{given} {family}",
        f"{family.upper()} {given[0]}.",
        f"{family.upper()} {given.upper()}",
        f"{given[0]}. {family}",
        f"{family.upper()}",
    )
    return rng.choice(forms)


def write_date(rng: random.Random, day: datetime.date) -> str:
    """A date in one of the usual formats."""
    return day.strftime(rng.choice(DATE_FORMATS))


def phi_lines(rng: random.Random, who: Person) -> list[list[Piece]]:
    """Lines of identifying text, some with a label before the value; the label alone identifies nobody."""

    def line(label: str, text: str, kind: str) -> list[Piece]:
        value = Piece(text, True, kind)
        return [Piece(label, False, "LABEL"), value] if label else [value]

    clock = rng.choice(("", " %H:%M:%S", " %I:%M %p"))
    name = rng.choice(NATIVE) if rng.random() < 0.04 else write_name(rng, who)
    return [
        line(rng.choice(("", "", "", "Name:", "Pat:")), name, "PERSON"),
        line(rng.choice(("", "MRN:", "ID:", "Pat ID")), who.mrn, "ID"),
        [*line(rng.choice(("", "DOB:", "*", "geb.")), write_date(rng, who.birth), "DATE_TIME"), Piece(f"[{who.sex}]", False, "SEX")],
        line(rng.choice(("", "Acc:", "Acc#")), who.accession, "ID"),
        line("", who.institution if rng.random() < 0.7 else who.institution.upper(), "ORGANIZATION"),
        line("", write_date(rng, who.study) + who.time.strftime(clock), "DATE_TIME"),
        line("", rng.choice(("Dr. {}", "Dr {}", "{}, MD", "Ref: {}", "Prof. {}")).format(who.physician), "PERSON"),
        line(rng.choice(("Op:", "Tech:", "Oper.")), who.operator, "PERSON"),
        line(rng.choice(("Tel:", "Ph")), who.phone, "PHONE_NUMBER"),
    ]
