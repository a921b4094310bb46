"""The bibliography is complete: each entry cited, with an identifier or the reason why it has none."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

import pytest
from prose import PROJECT, chapters, prose

WITHOUT_IDENTIFIER = {
    "elhage2021framework": "a web page of the Transformer Circuits Thread",
    "vonneumann1951general": "in a book before there were identifiers",
    "vonneumann1958computer": "a book before there were identifiers",
    "vonneumann1966theory": "a book before there were identifiers",
    "perez2021attention": "the Journal of Machine Learning Research assigns none",
    "wolfram2019rule30": "a web page",
    "mitchell1992hard": "the proceedings of AAAI of that year have none",
    "radford2019language": "a report on the web",
    "barrowgreen2010dramatic": "cited as its university's open archive holds it",
}
REQUIRED = {
    "article": {"journal"},
    "book": {"publisher"},
    "incollection": {"booktitle", "editor", "publisher", "pages"},
    "inproceedings": {"booktitle"},
    "misc": {"url"},
    "techreport": {"institution", "url"},
}
"""Kind of entry → what it has besides author, title and year."""

CITATION = re.compile(r"(?<![\w.])@(?!(?:fig|tbl|eq|sec)-)([A-Za-z][\w:.-]*\w)")
DOI = re.compile(r"10\.\d{4,9}/\S+")
ARXIV = re.compile(r"\d{2}(?:0[1-9]|1[0-2])\.\d{4,5}")
ARXIV_DOI = "10.48550/arXiv."


class Entry(NamedTuple):
    kind: str
    key: str
    fields: dict[str, str]


def bibliography(text: str) -> list[Entry]:
    """Entries as this file is written: a field a line, in braces."""
    return [
        Entry(kind, key, dict(re.findall(r"^  (\w+) *= \{(.*)\},?$", body, re.M)))
        for kind, key, body in re.findall(r"^@(\w+)\{([^,\s]+),\n(.*?)^\}$", text, re.M | re.S)
    ]


TEXT = (PROJECT / "references.bib").read_text(encoding="utf-8")
ENTRIES = bibliography(TEXT)
CITED = {key for path in chapters() for key in CITATION.findall(prose(path.read_text(encoding="utf-8")))}


def test_every_line_of_the_bibliography_is_read() -> None:
    assert len(ENTRIES) == TEXT.count("\n@") + TEXT.startswith("@")
    fields = sum(len(entry.fields) for entry in ENTRIES)
    assert len([line for line in TEXT.splitlines() if line.strip()]) == fields + 2 * len(ENTRIES)


def test_every_citation_is_in_the_bibliography() -> None:
    assert {entry.key for entry in ENTRIES} >= CITED


def test_every_entry_is_cited() -> None:
    assert {entry.key for entry in ENTRIES} - CITED == set()


def test_no_entry_stands_twice() -> None:
    for field in ("doi", "title"):
        counts = Counter(re.sub(r"\W", "", e.fields[field]).lower() for e in ENTRIES if field in e.fields)
        assert [value for value, times in counts.items() if times > 1] == []
    assert len({entry.key for entry in ENTRIES}) == len(ENTRIES)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.key)
def test_an_entry_is_complete(entry: Entry) -> None:
    present = {name for name, value in entry.fields.items() if value.strip()}
    assert present >= {"author", "title", "year"} | REQUIRED[entry.kind]
    assert re.fullmatch(r"1[89]\d\d|20\d\d", entry.fields["year"])
    if "eprint" in present:
        assert entry.fields.get("archivePrefix") == "arXiv"
        assert ARXIV.fullmatch(entry.fields["eprint"])
    if "doi" in present:
        doi = entry.fields["doi"]
        assert DOI.fullmatch(doi)
        if doi.startswith(ARXIV_DOI):
            assert ARXIV.fullmatch(doi.removeprefix(ARXIV_DOI))
    assert bool(present & {"doi", "eprint"}) != (entry.key in WITHOUT_IDENTIFIER)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.key)
def test_a_preprint_says_the_same_number_twice(entry: Entry) -> None:
    if named := re.fullmatch(r"arXiv preprint arXiv:(.*)", entry.fields.get("journal", "")):
        assert entry.fields["doi"] == ARXIV_DOI + named[1]
        assert int(entry.fields["year"]) == 2000 + int(named[1][:2])


def test_reasons_are_of_entries_that_exist() -> None:
    assert set(WITHOUT_IDENTIFIER) <= {entry.key for entry in ENTRIES}
