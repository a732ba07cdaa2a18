"""How much planted PHI the text rules remove, how many innocent words they keep, and what it costs; plain presidio-analyzer beside them.

    python -m tests.bench.bench_text [--count 2000] [--seed 7] [--split held-out|dev] [--no-presidio] [--show 20]

Each text is an innocent phrase (`text_phrases.txt`) with one to three planted pieces: names (of the header, or unknown), dates,
identifiers, contacts, places. Names come from Faker (twenty countries) and from syllables; names that stand in the rules' own lists are
not used, and a hash splits the rest: the rules were developed against `dev` only. A piece is removed when nothing of its distinctive
parts is left in the cleaned text. An innocent word is retained when it is left, counted as often as it stood.
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import importlib
import random
import re
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from transforms.policy import TextPolicy
from transforms.text.detector import PiiDetector
from transforms.text.fold import fold
from transforms.text.vocabulary import Word, classify

HERE = Path(__file__).parent
LOCALES = [
    "en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "pl_PL", "sv_SE", "pt_BR",
    "tr_TR", "cs_CZ", "da_DK", "fi_FI", "hu_HU", "ro_RO", "hr_HR", "en_IN", "es_MX", "no_NO",
]  # fmt: skip
LISTS = tomllib.loads((HERE / "text_forms.toml").read_text("utf-8"))
ONSETS, VOWELS, CODAS = (LISTS[name].split() for name in ("onsets", "vowels", "codas"))
HOSPITALS, STREETS, NAME_FORMS, TITLES = (LISTS[name] for name in ("hospitals", "streets", "names", "titles"))
CUES, LABELS = LISTS["cues"], LISTS["labels"]
MONTHS = {language: months.split() for language, months in LISTS["months"].items()}


@dataclass(frozen=True)
class Case:
    """One text with its planted pieces (kind, text) and innocent words, and the header that knows some of them."""

    text: str
    planted: tuple[tuple[str, str], ...]
    innocent: tuple[str, ...]
    header: Dataset


def name_lists(split: str) -> tuple[list[str], list[str]]:
    """Surnames and given names of Faker, of one half, without those of the rules' own lists."""
    surnames: set[str] = set()
    given: set[str] = set()
    try:
        for locale in LOCALES:
            provider = importlib.import_module(f"faker.providers.person.{locale}").Provider
            for field in dir(provider):
                value = getattr(provider, field)
                target = surnames if field.startswith("last_names") else given if field.startswith("first_names") else None
                if target is not None and isinstance(value, (tuple, list, dict)):
                    target.update(name for name in value if isinstance(name, str) and name.isalpha() and len(name) > 1)
    except ImportError:
        print("faker is not installed: names are syllables only")
    return tuple(sorted(name for name in names if _usable(name, split)) for names in (surnames, given))  # type: ignore[return-value]


def _usable(name: str, split: str) -> bool:
    even = hashlib.sha256(fold(name).encode()).digest()[0] % 2 == 0
    return even == (split == "dev") and not classify(name) & (Word.SURNAME | Word.GIVEN)


class Planter:
    """Makes cases. All randomness comes from ``rng``."""

    def __init__(self, rng: random.Random, split: str) -> None:
        self.rng = rng
        self.surnames, self.given = name_lists(split)

    def syllables(self) -> str:
        choose = self.rng.choice
        codas = ["", *CODAS]
        return "".join(choose(ONSETS) + choose(VOWELS) + choose(codas) for _ in range(choose((2, 2, 3)))).capitalize()

    def person(self) -> tuple[str, str]:
        def pick(names: list[str]) -> str:
            return self.rng.choice(names) if names and self.rng.random() < 0.7 else self.syllables()

        return pick(self.given), pick(self.surnames)

    def name(self, forms: list[str], person: tuple[str, str]) -> str:
        first, last = person
        return self.rng.choice(forms).format(f=first, l=last, F=first.upper(), L=last.upper(), i=first[0].upper())

    def date(self) -> str:
        rng = self.rng
        y, m, d = rng.randint(1925, 2024), rng.randint(1, 12), rng.randint(1, 28)
        language = rng.choice(list(MONTHS))
        month = MONTHS[language][m - 1]
        forms = (
            f"{y}{m:02}{d:02}", f"{d:02}.{m:02}.{y}", f"{m:02}/{d:02}/{y}", f"{m}/{d}/{y % 100:02}",
            f"{y}-{m:02}-{d:02}", f"{d} {month} {y}",
            f"{month} {d}, {y}", f"{month}-{d:02}-{y}", f"{d:02}{month}{y}", f"{month}{y}", f"{month} {y}", f"{d:02}-{month}-{y % 100:02}",
            f"{d}. {month} {y}", f"{d:02}.{m:02}.{y % 100:02}", f"{y}/{m:02}/{d:02}", f"{d} de {month} de {y}", f"{y} {month} {d:02}",
            f"{y}{m:02}{d:02}{rng.randint(0, 23):02}{rng.randint(0, 59):02}{rng.randint(0, 59):02}", f"{d:02}/{m:02}/{y} 14:{d:02}:05",
        )  # fmt: skip
        return rng.choice(forms)

    def digits(self, count: int) -> str:
        return str(self.rng.randint(1, 9)) + "".join(str(self.rng.randint(0, 9)) for _ in range(count - 1))

    def identifier(self) -> str:
        n = self.digits
        forms = (
            n(7),
            n(8),
            f"0{n(6)}",
            f"{n(2)}-{n(3)}-{n(3)}",
            f"A{n(8)}",
            f"MRN{n(7)}",
            f"{n(4)}-{n(4)}",
            f"PAT{n(6)}",
            f"E{n(9)}",
            n(6),
        )
        return self.rng.choice(forms)

    def labelled(self) -> str:
        n = self.digits
        return self.rng.choice(LABELS) + self.rng.choice((n(6), n(5), f"{n(3)}-{n(3)}", f"X{n(4)}"))

    def contact(self) -> str:
        n, word = self.digits, self.syllables().lower()
        area = f"{self.rng.randint(2, 9)}{n(2)}"
        mail = f"{word}.{self.syllables().lower()}@{word}.org"
        forms = (
            mail, f"({area}) {n(3)}-{n(4)}", f"{area}-{n(3)}-{n(4)}", f"+49 {n(3)} {n(6)}", f"tel {n(3)}-{n(4)}", f"Tel. 0{n(3)}/{n(6)}",
            f"+33 1 {n(2)} {n(2)} {n(2)} {n(2)}", f"http://www.{word}.com/p/{n(4)}", f"10.{n(2)}.{n(2)}.{n(2)}", f"{area}-{n(2)}-{n(4)}",
        )  # fmt: skip
        return self.rng.choice(forms)

    def place(self) -> str:
        return self.rng.choice(HOSPITALS if self.rng.random() < 0.6 else STREETS).format(self.syllables(), n=self.rng.randint(1, 300))

    def case(self, phrase: str) -> Case:
        rng = self.rng
        patient, doctor = self.person(), self.person()
        number = self.identifier()
        header = Dataset()
        header.PatientName = f"{patient[1]}^{patient[0]}"
        header.ReferringPhysicianName = f"{doctor[1]}^{doctor[0]}^^Dr"
        header.PatientID = number
        makers: dict[str, Callable[[], str]] = {
            "name known": lambda: self.name(NAME_FORMS, rng.choice((patient, doctor))),
            "name unknown": lambda: self.name(NAME_FORMS, self.person()),
            "name titled": lambda: self.name(TITLES, self.person()),
            "date": self.date,
            "id known": lambda: rng.choice((number, re.sub(r"\D", "", number), number.lower())),
            "id labelled": self.labelled,
            "contact": self.contact,
            "place": self.place,
        }
        text, planted = phrase, []
        for _ in range(rng.choice((1, 1, 2, 3))):
            kind = rng.choice(list(makers))
            piece = makers[kind]()
            if rng.random() < 0.15 and kind == "name known":
                text, piece = text.lower(), piece.lower()
            planted.append((kind, piece))
            if kind.startswith("name") and rng.random() < 0.6:
                cue = rng.choice(CUES)
                text = f"{text} {cue}{piece}" + ")" * (cue == "(")
            elif rng.random() < 0.3:
                text = f"{piece} {text}"
            else:
                text = f"{text}{rng.choice((' ', ' ', ' - ', ', '))}{piece}"
        return Case(text, tuple(planted), tuple(_words(phrase)), header)


def _words(text: str) -> Iterator[str]:
    return (match.group().lower() for match in re.finditer(r"[^\W_]+", text))


def leaked(kind: str, piece: str, cleaned: str) -> bool:
    """Whether a distinctive part of ``piece`` (three letters or digits and more, that only it brought) is left."""
    left = set(_words(cleaned))
    generic = set(_words(" ".join([*HOSPITALS, *STREETS, *CUES, *TITLES, *LABELS, "tel http www com org p mrn pat de"])))
    parts = [part for part in _words(piece) if part not in generic and len(part) > (1 if kind.startswith("name") else 2)]
    if kind == "date":
        parts = [part for part in parts if len(part) > 3 and part.isdigit()] or [piece.lower()]
        return any(part in left for part in parts) or piece.lower() in cleaned.lower()
    return any(part in left for part in parts)


def score(cases: list[Case], clean: Callable[[Case], str], show: int = 0) -> dict[str, float]:
    """Shares of planted pieces removed (by kind and in all), of innocent words retained, and milliseconds per text."""
    found: collections.Counter[str] = collections.Counter()
    total: collections.Counter[str] = collections.Counter()
    words = kept = 0
    misses: list[str] = []
    losses: list[str] = []
    [clean(case) for case in cases[:50]]  # caches and lazy imports
    began = time.process_time()
    outputs = [clean(case) for case in cases]
    seconds = time.process_time() - began
    for case, output in zip(cases, outputs, strict=True):
        for kind, piece in case.planted:
            total[kind] += 1
            if leaked(kind, piece, output):
                misses.append(f"  LEAK {kind}: {piece!r} in {case.text!r} -> {output!r}")
            else:
                found[kind] += 1
        need, have = collections.Counter(case.innocent), collections.Counter(_words(output))
        words += need.total()
        kept += (need & have).total()
        if show and (need - have):
            losses.append(f"  LOST {sorted(need - have)} in {case.text!r} -> {output!r}")
    for miss in misses[:show]:
        print(miss)
    print("\n".join(losses[:show]))
    shares = {kind: found[kind] / total[kind] for kind in sorted(total)}
    shares |= {"PHI removed": found.total() / total.total(), "words retained": kept / words}
    return shares | {"ms per text": 1000 * seconds / len(cases)}


def presidio() -> Callable[[Case], str]:
    """Plain presidio-analyzer: all predefined recognizers on a blank spaCy pipeline, nothing downloaded."""
    import spacy
    import tldextract
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    class Blank(SpacyNlpEngine):
        def __init__(self) -> None:
            super().__init__(models=[{"lang_code": "en", "model_name": "blank"}])
            self.nlp = {"en": spacy.blank("en")}

        def load(self) -> None: ...

    tldextract.extract = tldextract.TLDExtract(suffix_list_urls=())
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=Blank(), supported_languages=["en"])

    def clean(case: Case) -> str:
        text = case.text
        for result in sorted(analyzer.analyze(text, language="en"), key=lambda result: -result.start):
            text = text[: result.start] + f"[{result.entity_type}]" + text[result.end :]
        return text

    return clean


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--split", choices=("held-out", "dev"), default="held-out")
    parser.add_argument("--no-presidio", action="store_true")
    parser.add_argument("--show", type=int, default=0)
    options = parser.parse_args()
    phrases = [line for line in (HERE / "text_phrases.txt").read_text("utf-8").splitlines() if line and not line.startswith("#")]
    planter = Planter(random.Random(options.seed), options.split)
    cases = [planter.case(phrases[index % len(phrases)]) for index in range(options.count)]
    detector = PiiDetector(TextPolicy(marker="remove"))
    columns = {"this": score(cases, lambda case: detector.clean(case.text, detector.known([case.header]))[0], options.show)}
    if not options.no_presidio:
        columns["presidio"] = score(cases, presidio())
    for row in columns["this"]:
        print(f"{row:16}" + "".join(f"{name:>10} {column[row]:8.4f}" for name, column in columns.items()))


if __name__ == "__main__":
    main()
