"""Build ``data/vocabulary.txt``, the words that are safe in a description.

Run ``python -m transforms.text.build_vocabulary`` after changing a file of ``data/source`` or moving to another pydicom. Its argument may
be a folder with the name files of the 1990 census of the United States (``dist.all.last``, ``dist.male.first``, ``dist.female.first``;
public domain); then it also renews ``census_names.txt``: the safe words that are names there too. No word is a name by that list alone.

Sources, in this order: the phrases of pydicom's code dictionaries (PS3.16 context groups and the codes that they use), the names of PS3.6,
spaCy's stop words in four languages, and the hand-written lists of ``data/source``.

The standard's phrases also hold names: eponyms, breeds, places. A word of a phrase is taken when the standard writes it in lower case
somewhere, when PS3.6 has it, or when it ends like a medical or English common word; the rest is left to the hand-written lists.
"""

from __future__ import annotations

import re
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pydicom
from pydicom.datadict import DicomDictionary
from pydicom.sr._concepts_dict import concepts

from transforms.text.fold import fold
from transforms.text.vocabulary import classify

DATA = Path(__file__).parent / "data"
LANGUAGES = ("en", "de", "fr", "es")
NAME_CONTEXT_GROUPS = frozenset({7480, 7481, 7486, 7490, 7454, 7482})
"""Breeds, breed registries and taxa: mostly names of places and persons."""
CENSUS_SURNAMES = 30000
_SEMANTIC_TAG = re.compile(r"\s*\([a-z ]+\)$")
_WORD = re.compile(r"[^\W\d_]+(?:['’]s)?")
_COMMON_ENDING = re.compile(
    r"(?:tion|sion|al|ics?|ical|ous|ity|oma|ing|ed|ly|ment|ia|itis|gram|graph|graphy|graphic|scopy|scope|scopic|meter|metry|ism|ium|oid|ine"
    r"|ase|ose|ide|ate|ary|ory|ular|iform|able|ible|ive|ency|ancy|ence|ance|ness|mab|tomy|ectomy|plasty|stomy|pathy|"
    r"algia|emia|uria|osis|iasis"
    r"|plasia|trophy|cele|ectasis|stenosis|lysis|ized?|izer|less|ful|cyte|blast|gen|penia|rrhage|rrhea|phagia|tome|logy|logist)s?$"
)


def standard_words() -> set[str]:
    """Safe words of PS3.16 and PS3.6, folded."""
    lower: set[str] = set()
    other: set[str] = set()
    for scheme in concepts.values():
        for meanings in scheme.values():
            for meaning, groups in meanings.values():
                if groups and NAME_CONTEXT_GROUPS.issuperset(groups):
                    continue
                for word in _WORD.findall(_SEMANTIC_TAG.sub("", meaning)):
                    (lower if word.islower() else other).add(fold(word))
    names = {fold(word) for entry in DicomDictionary.values() for word in _WORD.findall(entry[2])}
    return lower | names | {word for word in other if _COMMON_ENDING.search(word)}


def stop_words() -> set[str]:
    """Function words of the four languages, folded."""
    words: set[str] = set()
    for language in LANGUAGES:
        for word in import_module(f"spacy.lang.{language}.stop_words").STOP_WORDS:
            words.update(fold(part) for part in _WORD.findall(word))
    return words


def read_source(name: str) -> set[str]:
    """The words of one hand-written list, folded; words with an umlaut also in their two-letter spelling."""
    words: set[str] = set()
    for line in (DATA / "source" / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        for word in line.partition("#")[0].split():
            words.add(fold(word))
            words.add(fold(re.sub("[äöü]", lambda match: match.group() + "e", word.lower())))
    return words


def census_names(folder: Path) -> str:
    """The text of ``census_names.txt``: words that are safe, by themselves or as a form of others, and common names; ``word flags``."""
    surnames = [line.split()[0].lower() for line in (folder / "dist.all.last").read_text().splitlines()][:CENSUS_SURNAMES]
    given = [line.split()[0].lower() for name in ("male", "female") for line in (folder / f"dist.{name}.first").read_text().splitlines()]
    plain = {fold(word) for word in stop_words() | read_source("protocol")}
    flags: dict[str, str] = {}
    for names, flag in ((surnames, "s"), (given, "g")):
        for name in dict.fromkeys(names):
            if name not in plain and classify(name):
                flags[name] = flags.get(name, "") + flag
    return "# Made by build_vocabulary.py.\n" + "".join(f"{name} {flag}\n" for name, flag in sorted(flags.items()))


def build() -> str:
    """The text of ``vocabulary.txt``: ``word`` or ``word flags``: p for a protocol token, s also a surname, g also a given name.

    An eponym stands as ``word: neighbour …``; it is safe beside one of them.
    """
    protocol = read_source("protocol")
    cues = tomllib.loads((DATA / "cues.toml").read_text(encoding="utf-8"))
    safe = (standard_words() - read_source("eponyms")) | stop_words() | protocol | set(f"{cues['titles']} {cues['labels']}".split())
    for language in (*LANGUAGES, "more", "other"):
        safe |= read_source(f"words_{language}")
    surnames, given = read_source("ambiguous_surnames"), read_source("ambiguous_given")
    for line in (DATA / "source" / "census_names.txt").read_text(encoding="utf-8").splitlines()[1:]:
        word, _, flags = line.partition(" ")
        safe.add(word)
        surnames |= {word} if "s" in flags else set()
        given |= {word} if "g" in flags else set()
    lines = [f"# pydicom {pydicom.__version__}, see build_vocabulary.py"]
    for word in sorted(word for word in safe if len(word) > 1 or not word.isascii()):
        flags = "p" * (word in protocol) + "s" * (word in surnames) + "g" * (word in given)
        lines.append(f"{word} {flags}".strip())
    eponyms: dict[str, set[str]] = {}
    for line in (DATA / "source" / "eponyms_in_phrases.txt").read_text(encoding="utf-8").splitlines():
        word, colon, neighbours = line.partition("#")[0].partition(":")
        if colon:
            eponyms.setdefault(fold(word), set()).update(map(fold, neighbours.split()))
    lines += [f"{word}: {' '.join(sorted(neighbours))}" for word, neighbours in sorted(eponyms.items())]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        (DATA / "source" / "census_names.txt").write_text(census_names(Path(sys.argv[1])), encoding="utf-8")
    (DATA / "vocabulary.txt").write_text(build(), encoding="utf-8")
