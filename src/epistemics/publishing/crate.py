"""What a machine finds in the archive: each stored run as an action, with its settings, code, device and result.

``ro-crate-metadata.json`` is a Process Run Crate (https://w3id.org/ro/wfrun/process/0.5), the profile of Workflow Run
RO-Crate for runs of a program that no workflow language describes. It says what the records say; what they don't, as
when a run ended and who started it, is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from epistemics.declared.runs import Run
from epistemics.declared.schema import documentation
from epistemics.store.record import Record

METADATA, RESULTS = "ro-crate-metadata.json", "results"

PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
CRATE = "https://w3id.org/ro/crate/1.1"
RUN_TERMS = "https://w3id.org/ro/terms/workflow-run#"

FORMATS = {
    "": "text/plain",  # as LICENSE and Makefile
    ".bib": "application/x-bibtex",
    ".cff": "application/yaml",
    ".html": "text/html",
    ".json": "application/json",
    ".lock": "text/plain",
    ".md": "text/markdown",
    ".pdf": "application/pdf",
    ".qmd": "text/markdown",
    ".safetensors": "application/octet-stream",
    ".toml": "application/toml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}
"""Media types of the files that are described one by one."""

USED = {
    "device": "the processor that it trained on",
    "threads": "of the processor, at once",
    "seconds": "of training, of its whole stack",
    "measure_seconds": "of measuring",
    "stack": "runs that were trained together",
}
"""What a record says of what a run used, and what it means."""

Entity = dict[str, Any]


@dataclass(frozen=True)
class Archived:
    """A stored run that goes into the archive."""

    run: Run
    planned: tuple[str, ...]
    """Paths of the experiment files that name it."""
    record: Record
    state: str
    """Whether the present code still makes it, in a sentence."""


@dataclass(frozen=True)
class About:
    """What is said of the whole."""

    citation: Mapping[str, Any]
    """What ``CITATION.cff`` says."""
    summary: str
    """What the book is about."""
    commit: str | None
    """That of the sources, with ``+changes`` if they were edited since; None if there is none yet."""
    site: str
    """Its folder in the archive."""
    pdf: str
    """Its path in the archive."""
    made: date


def crate(about: About, runs: Sequence[Archived], sizes: Mapping[str, int]) -> Entity:
    """The archive as JSON-LD, to be written as ``ro-crate-metadata.json``.

    Args:
        sizes: path in the archive → bytes, of each of its files.
    """
    graph = _Graph(sizes)
    pages = [graph.file(f"{about.site}/index.html"), graph.file(about.pdf)]
    parts = [graph.folder(about.site, "The book as a website and a PDF", pages)]
    planned = sorted({path for archived in runs for path in archived.planned})
    inside = {"experiments": [graph.file(path) for path in planned]}
    for name in sorted({PurePosixPath(path).parts[0] for path in sizes} - {RESULTS, about.site}):
        parts.append(graph.file(name) if name in sizes else graph.folder(name, name, inside.get(name, ())))
    results = [_result(archived, graph) for archived in runs]
    if any(path.startswith(f"{RESULTS}/definitions/") for path in sizes):
        said = "The source of every definition that made a result, by the hash that the result's record has for it"
        results.append(graph.folder(f"{RESULTS}/definitions", said))
    parts.append(graph.folder(RESULTS, f"{len(runs)} stored results, one folder each", results))
    meanings = {name: " ".join(said.replace("``", "").split()) for name, said in documentation().items()}
    actions = [graph.add(_action(archived, meanings, graph, about.citation)) for archived in runs]
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": about.citation["title"],
        "description": f"{about.summary} In this archive: the book as a website and a PDF, its sources, and "
        f"{len(runs)} stored results with the runs that made them.",
        "datePublished": about.made.isoformat(),
        "version": _version(about.citation.get("version"), about.commit),
        "conformsTo": graph.add({"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate"}),
        "license": _one_or_more([graph.add(_license(name)) for name in _listed(about.citation["license"])]),
        "author": _one_or_more([graph.add(_author(author)) for author in about.citation["authors"]]),
        "hasPart": parts,
        "mentions": _one_or_more(actions),
    }
    itself = {"@id": METADATA, "@type": "CreativeWork", "conformsTo": {"@id": CRATE}, "about": {"@id": "./"}}
    terms = {name: RUN_TERMS + name for name in ("resourceUsage", "sha256")}
    return {"@context": [f"{CRATE}/context", terms], "@graph": [itself, _said(root), *graph.entities]}


def _said(entity: Entity) -> Entity:
    """Without what it says nothing of."""
    return {name: value for name, value in entity.items() if value not in ([], None)}


class _Graph:
    """Entities of JSON-LD, each once, by ``@id``."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self._sizes = sizes
        self._by_id: dict[str, Entity] = {}

    @property
    def entities(self) -> list[Entity]:
        return list(self._by_id.values())

    def add(self, entity: Entity) -> Entity:
        """A reference to an entity, which is in the graph from now on."""
        self._by_id.setdefault(entity["@id"], _said(entity))
        return {"@id": entity["@id"]}

    def has(self, path: str) -> bool:
        """Whether a file is in the archive."""
        return path in self._sizes

    def file(self, path: str, **more: Any) -> Entity:
        name = PurePosixPath(path)
        return self.add(
            {
                "@id": quote(path),
                "@type": "File",
                "name": name.name,
                "contentSize": str(self._sizes[path]),
                "encodingFormat": FORMATS.get(name.suffix),
                **more,
            }
        )

    def folder(self, path: str, name: str, parts: Sequence[Entity] = ()) -> Entity:
        return self.add({"@id": f"{quote(path)}/", "@type": "Dataset", "name": name, "hasPart": _one_or_more(parts)})

    def value(self, name: str, value: Any, description: str, **more: Any) -> Entity:
        """One property with a value; the same of several runs is one entity. A list is given as JSON has it."""
        plain = value if isinstance(value, str | int | float) else json.dumps(value)
        return self.add(
            {
                "@id": f"#{name}={quote(str(plain))}",
                "@type": "PropertyValue",
                "name": name,
                "value": plain,
                "description": description,
                **more,
            }
        )


def _action(archived: Archived, meanings: Mapping[str, str], graph: _Graph, citation: Mapping[str, Any]) -> Entity:
    """One run: the code that ran, the settings it was given, what it used and what came of it.

    Args:
        meanings: setting → what it is.
    """
    run, provenance = archived.run, archived.record.provenance
    settings = [graph.value(name, getattr(run.configuration, name), said) for name, said in meanings.items()]
    planned = [graph.file(path) for path in archived.planned]
    before = [f"{RESULTS}/{run.continues.key}/"] if run.continues else []
    begins_with = [{"@id": folder} for folder in before if graph.has(f"{folder}result.json")]
    made = [part.provenance for part in archived.record.parts.values()]
    told = [own for own in made if "versions" in own] or made[:1]
    used = [graph.value(name, provenance[name], said) for name, said in USED.items() if name in provenance]
    return {
        "@id": f"#{run.key}",
        "@type": "CreateAction",
        "name": f"{run.experiment}: {run.label}",
        "description": archived.state,
        "startTime": _moment(provenance["date"]) if "date" in provenance else None,
        "instrument": _one_or_more(_once(_program(own, graph, citation) for own in told)),
        "object": _one_or_more([*settings, *planned, *begins_with]),
        "result": {"@id": f"{RESULTS}/{run.key}/"},
        "resourceUsage": _one_or_more(used),
    }


def _program(provenance: Mapping[str, Any], graph: _Graph, citation: Mapping[str, Any]) -> Entity:
    """The code at one commit, with the versions of what it ran on, as far as they are known."""
    versions = dict(provenance.get("versions", {}))
    own = _version(versions.pop("epistemics", None), provenance.get("commit"))
    needs = [
        graph.add({"@id": f"#{name}-{quote(said)}", "@type": "SoftwareApplication", "name": name, "version": said})
        for name, said in sorted(versions.items())
    ]
    named = [own, *(f"{name}-{said}" for name, said in sorted(versions.items()))]
    return graph.add(
        {
            "@id": "-".join(["#epistemics", *(quote(said) for said in named if said)]),
            "@type": "SoftwareApplication",
            "name": "epistemics",
            "description": f"The source of what ran lies in {RESULTS}/definitions, by the hashes in each run's record.",
            "version": own,
            "url": citation.get("repository-code") or citation.get("url"),
            "softwareRequirements": _one_or_more(needs),
        }
    )


def _result(archived: Archived, graph: _Graph) -> Entity:
    """The folder of one result, and each of its files."""
    folder = f"{RESULTS}/{archived.run.key}"
    record = graph.file(f"{folder}/result.json", description="configuration, numbers, code and provenance")
    arrays = [graph.file(f"{folder}/{file.file}", sha256=file.sha256) for file in archived.record.files]
    return graph.folder(folder, f"Result of {archived.run.experiment}: {archived.run.label}", [record, *arrays])


def _version(number: Any, commit: str | None) -> str | None:
    """A version as PEP 440 has it, with the commit as its local part; one of them if no more is known."""
    known = [str(said) for said in (number, commit and commit.replace("+", ".")) if said]
    return "+".join(known) or None


def _license(name: str) -> Entity:
    return {"@id": f"https://spdx.org/licenses/{name}", "@type": "CreativeWork", "name": name}


def _author(author: Mapping[str, str]) -> Entity:
    """A person or an organization, as ``CITATION.cff`` tells them apart."""
    if "name" in author:
        return {
            "@id": author.get("website") or f"#{quote(author['name'])}",
            "@type": "Organization",
            "name": author["name"],
            "url": author.get("website"),
        }
    parts = ("given-names", "name-particle", "family-names", "name-suffix")
    name = " ".join(author[part] for part in parts if part in author)
    return {
        "@id": author.get("orcid") or f"#{quote(name)}",
        "@type": "Person",
        "name": name,
        "affiliation": author.get("affiliation"),
    }


def _moment(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(UTC).isoformat(timespec="seconds")


def _one_or_more(references: Sequence[Entity]) -> Any:
    """As JSON-LD is written flat and compact: a list of one is the one."""
    return references[0] if len(references) == 1 else list(references)


def _once(references: Iterable[Entity]) -> list[Entity]:
    return list({reference["@id"]: reference for reference in references}.values())


def _listed(said: Any) -> list[str]:
    return [said] if isinstance(said, str) else list(said)
