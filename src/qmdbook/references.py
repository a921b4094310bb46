"""Numbers for chapters, sections, figures, tables and equations, and everything that points at them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qmdbook import pandoc
from qmdbook.chapter import OTHER_LABEL
from qmdbook.document import NUMBERED, REMOTE, Document, local_path
from qmdbook.pandoc import Attributes, Node
from qmdbook.problems import Problem

NON_BREAKING_SPACE = "\u00a0"


@dataclass(frozen=True)
class Target:
    """What a label names: `word` and `number` as a reference shows them, and where it is."""

    word: str
    number: str
    document: Document
    identifier: str

    @property
    def is_chapter(self) -> bool:
        return self.word in ("Chapter", "Appendix")


Targets = dict[str, Target]


def number(documents: Sequence[Document], problems: list[Problem]) -> Targets:
    """Number everything in the book (as attribute `number` of its element) and return the labels."""
    targets: Targets = {}
    chapters = appendices = 0
    for document in documents:
        if not document.unnumbered:
            if document.chapter.entry.appendix:
                appendices += 1
                document.number = chr(ord("A") + appendices - 1)
            else:
                chapters += 1
                document.number = str(chapters)
        for label, target in labels_of(document):
            if label in targets:
                problems.extend(_used_again(label, targets[label].document, document))
            else:
                targets[label] = target
        problems.extend(_doubled_identifiers(document))
    return targets


def labels_of(document: Document) -> list[tuple[str, Target]]:
    """Number everything in one chapter, which has its own number, and return its labels."""
    found: list[tuple[str, Target]] = []
    if document.identifier.startswith("sec-"):
        word = "Appendix" if document.chapter.entry.appendix else "Chapter"
        found.append((document.identifier, Target(word, document.number, document, document.identifier)))
    counts = dict.fromkeys(NUMBERED, 0)
    sections = [0] * 6
    for node in pandoc.elements(document.blocks):
        if not pandoc.has_attributes(node):
            continue
        attributes = Attributes(node)
        identifier = attributes.identifier
        if node["t"] == "Header":
            level = node["c"][0] - 1
            if document.unnumbered and "unnumbered" not in attributes.classes:
                attributes.classes.append("unnumbered")
            numbering = ""
            if "unnumbered" not in attributes.classes:
                sections[level] += 1
                sections[level + 1 :] = [0] * (5 - level)
                numbering = ".".join([document.number, *map(str, sections[1 : level + 1])])
                attributes.set("number", numbering)
            if identifier.startswith("sec-"):
                found.append((identifier, Target("Section", numbering, document, identifier)))
            continue
        kind = identifier.partition("-")[0]
        if (kind in ("fig", "tbl") and node["t"] == "Figure") or (kind == "eq" and node["t"] == "Div"):
            counts[kind] += 1
            numbering = ".".join(filter(None, [document.number, str(counts[kind])]))
            attributes.set("number", numbering)
            found.append((identifier, Target(NUMBERED[kind], numbering, document, identifier)))
    return found


def _used_again(label: str, first: Document, document: Document) -> list[Problem]:
    message = f"label {label} is already used in {first.chapter.path.as_posix()}"
    found = document.chapter.problems(message, rf"(?:#|label:\s*['\"]?){re.escape(label)}(?![\w-])")
    return found[1:] if first is document and len(found) > 1 else found


def _doubled_identifiers(document: Document) -> list[Problem]:
    identifiers = document.identifiers()
    doubled = {name for name in identifiers if identifiers.count(name) > 1 and name.partition("-")[0] not in NUMBERED}
    problems: list[Problem] = []
    for name in sorted(doubled):
        message = f"identifier {name} is used twice in this chapter"
        problems.extend(document.chapter.problems(message, rf"#{re.escape(name)}(?![\w-])")[-1:])
    return problems


class Resolver:
    """Turns references and links into links of one format, and notes every one that leads nowhere."""

    def __init__(
        self, documents: Sequence[Document], targets: Targets, keys: Collection[str], root: Path,
        published: Collection[Path], site_url: str, problems: list[Problem],
    ) -> None:  # fmt: skip
        self.documents = {document.chapter.path: document for document in documents}
        self.targets = targets
        self.keys = keys
        self.root = root
        self.published = published
        self.site_url = site_url
        self.problems = problems
        self.identifiers: dict[Path, set[str]] = {}
        """Those of the chapters that were asked for."""

    def resolve(self, document: Document) -> None:
        """Resolve everything in one chapter, in place."""
        for part in ("title", "blocks"):
            setattr(document, part, pandoc.walk(getattr(document, part), lambda node: self._visit(document, node)))

    def _visit(self, document: Document, node: Node) -> list[Node] | None:
        if node["t"] == "Cite":
            return self._cite(document, node)
        if node["t"] == "Link":
            return self._link(document, node)
        return None

    def _identifiers(self, path: Path) -> set[str]:
        if path not in self.identifiers:
            self.identifiers[path] = set(self.documents[path].identifiers())
        return self.identifiers[path]

    def _problem(self, document: Document, message: str, pattern: str) -> None:
        self.problems.extend(document.chapter.problems(message, pattern))

    def _cite(self, document: Document, node: Node) -> list[Node] | None:
        citations = node["c"][0]
        kinds = [_is_reference(citation["citationId"]) for citation in citations]
        if not any(kinds):
            for citation in citations:
                key = citation["citationId"]
                if key not in self.keys:
                    message = f"@{key}: neither a label nor an entry of the bibliography"
                    self._problem(document, message, rf"@\{{?{re.escape(key)}(?![\w-])")
            return None
        if not all(kinds):
            several = r"[^\]]*".join(re.escape(f"@{citation['citationId']}") for citation in citations)
            self._problem(document, "a reference and a citation in one pair of brackets", several)
            return None
        result: list[Node] = []
        for citation in citations:
            result.extend([pandoc.string(","), {"t": "Space"}] if result else [])
            result.extend(self._reference(document, citation))
        return result

    def _reference(self, document: Document, citation: dict[str, Any]) -> list[Node]:
        key = citation["citationId"]
        label = key[0].lower() + key[1:]
        place = rf"@{re.escape(key)}(?![\w-])"
        target = self.targets.get(label)
        if target is None:
            message = "unresolved reference; no such label in the book"
            if other := OTHER_LABEL.match(label):
                message = f"references to {other[0]} are not known here, only {', '.join(NUMBERED)}"
            self._problem(document, f"@{key}: {message}", place)
            return [pandoc.string(key)]
        if not target.number:
            self._problem(document, f"@{key}: it has no number to refer to; make a link to it", place)
        if citation["citationSuffix"]:
            message = f"@{key}: text after a reference inside its brackets is lost in Quarto"
            self._problem(document, message, place + r"[^\];]+[\];]")
        before: list[Node] = []
        if citation["citationPrefix"]:
            before = [*citation["citationPrefix"], pandoc.string(NON_BREAKING_SPACE)]
        elif citation["citationMode"]["t"] != "SuppressAuthor":
            before = [pandoc.string(target.word + NON_BREAKING_SPACE)]
        return [pandoc.link([*before, pandoc.string(target.number)], self._to(document, target), "cross-reference")]

    def _to(self, document: Document, target: Target) -> str:
        if document.output_format == "typst":
            return "#" + typst_identifier(target.document, target.identifier)
        page = "" if target.document is document else page_url(document, target.document)
        fragment = "" if target.is_chapter and page else "#content" if target.is_chapter else f"#{target.identifier}"
        return page + fragment

    def _link(self, document: Document, node: Node) -> list[Node] | None:
        url = node["c"][2][0]
        place = re.escape(url)
        if REMOTE.match(url):
            return None
        path_text, _, fragment = url.partition("#")
        path = local_path(document.chapter.path, path_text) if path_text else document.chapter.path
        if path in self.documents:
            other = self.documents[path]
            if fragment and fragment not in self._identifiers(path):
                self._problem(document, f"link {url}: no #{fragment} in {path.as_posix()}", place)
                return None
            return self._page_link(document, other, fragment, node)
        if path.suffix == ".qmd":
            self._problem(document, f"link {url}: {path.as_posix()} is not a chapter of the book", place)
        elif not (self.root / path).exists():
            self._problem(document, f"link {url}: no file {path.as_posix()}", place)
        elif path not in self.published:
            self._problem(document, f"link {url}: {path.as_posix()} is not among `project: resources`", place)
        return [self._file_link(document, path, fragment, node)]

    def _page_link(self, document: Document, other: Document, fragment: str, node: Node) -> list[Node]:
        inlines = pandoc.walk(node["c"][1], lambda inner: self._visit(document, inner))
        is_title = not fragment or fragment == other.identifier
        if document.output_format == "typst":
            target = "#" + typst_identifier(other, other.identifier if is_title else fragment)
        elif other is document:
            target = "#content" if is_title else f"#{fragment}"
        else:
            target = page_url(document, other) + ("" if is_title else f"#{fragment}")
        return [{"t": "Link", "c": [node["c"][0], inlines, [target, node["c"][2][1]]]}]

    def _file_link(self, document: Document, path: Path, fragment: str, node: Node) -> Node:
        if document.output_format == "typst":
            # The PDF lies at the site's top, so a path from there leads to the same file.
            target = f"{self.site_url.rstrip('/')}/{path.as_posix()}" if self.site_url else path.as_posix()
        else:
            target = posixpath.relpath(path.as_posix(), document.chapter.path.parent.as_posix())
        target += f"#{fragment}" if fragment else ""
        return {"t": "Link", "c": [*node["c"][:2], [target, node["c"][2][1]]]}


def _is_reference(key: str) -> bool:
    """Whether a key is a label and not an entry of the bibliography; its first letter may be a capital."""
    label = key[0].lower() + key[1:]
    kind, hyphen, _ = label.partition("-")
    return bool(hyphen) and (kind in NUMBERED or OTHER_LABEL.match(label) is not None)


def page_url(document: Document, other: Document) -> str:
    """The address of another chapter's page from this one's."""
    folder = document.chapter.entry.page.parent.as_posix()
    return posixpath.relpath(other.chapter.entry.page.as_posix(), folder)


def typst_identifier(document: Document, identifier: str) -> str:
    """An identifier that is unique in the whole book: labels are, the rest get their chapter's name."""
    if identifier.partition("-")[0] in NUMBERED:
        return identifier
    return "--".join(filter(None, [document.chapter.entry.slug, identifier]))
