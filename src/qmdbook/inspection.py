"""What can be wrong with a chapter as a tree: images, headings, formulas, marks left over in the text."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from qmdbook import pandoc
from qmdbook.document import REMOTE, Document, local_path
from qmdbook.pandoc import Attributes, Node
from qmdbook.problems import Problem

MATHEMATICS = {"html": ["--to", "html5", "--mathml"], "typst": ["--to", "typst"]}
NOT_HERE = re.compile(r"panel-|column-|aside$|theorem$|proof$|hidden$|layout|absolute$|fragment$")
LENGTH = re.compile(r"\d+(\.\d+)?(%|px|cm|mm|in|pt)?")
IMAGE_ATTRIBUTES = {"width", "height", "fig-alt", "alt"}


def inspect(document: Document, root: Path, generated: Collection[Path], problems: list[Problem]) -> None:
    """Look at everything in the chapter; the addresses of its images become those of the output format.

    `generated` are the images that cells made. They need not be in the project, and have been looked at.
    """
    inspector = _Inspector(document, root, generated, problems)
    for node in pandoc.elements(document.blocks):
        inspector.inspect(node)
    inspector.inspect_headings()
    inspector.inspect_formulas()


class _Inspector:
    def __init__(self, document: Document, root: Path, generated: Collection[Path], problems: list[Problem]) -> None:
        self.document = document
        self.chapter = document.chapter
        self.root = root
        self.generated = generated
        self.problems = problems

    def problem(self, message: str, *patterns: str) -> None:
        self.problems.extend(self.chapter.problems(message, *patterns))

    def inspect(self, node: Node) -> None:
        kind = node["t"]
        if kind == "Image":
            self._image(node)
        elif kind == "Figure":
            self._figure_alt(node)
        elif kind in ("RawBlock", "RawInline"):
            if re.search(r"""(?:src|srcset|poster|data)\s*=\s*["']?\s*(?:https?:)?//""", node["c"][1]):
                self.problem("raw content that loads from another host", r"src\s*=")
        elif kind == "OrderedList" and node["c"][0][1]["t"] == "Example":
            self.problem("a line that begins so is a numbered example", r"^\s*\(?@[\w-]*[.)](\s|$)")
        elif kind == "Str":
            self._leftover(node["c"])
        elif kind in ("Div", "CodeBlock", "Span"):
            attributes = Attributes(node)
            for name in (*attributes.classes, *attributes.values):
                if NOT_HERE.match(name) or (kind == "CodeBlock" and name in attributes.values):
                    self.problem(f"{name!r} is not known here", rf"[.{{\s]{re.escape(name)}")

    def _figure_alt(self, node: Node) -> None:
        identifier = Attributes(node).identifier
        for image in pandoc.elements(node["c"][2]):
            if image["t"] != "Image" or not identifier or self._generated(image):
                continue
            if not Attributes(image).values.get("fig-alt", "").strip():
                self.problem(f"{identifier}: no fig-alt", rf"#{re.escape(identifier)}(?![\w-])")

    def _leftover(self, text: str) -> None:
        """Marks that are text: what they were meant for did not come about."""
        if "{{<" in text:
            self.problem("an unfinished shortcode {{<", r"\{\{<(?!.*>\}\})")
        elif re.fullmatch(r"#{2,6}", text):
            searchable = self.chapter.searchable
            for line in self.chapter.lines_with(rf"^{text}\s"):
                if line > 1 and searchable[line - 2].strip():
                    message = f"{text}: a heading needs a blank line before it"
                    self.problems.append(Problem(self.chapter.path, line, message))
        elif text.startswith(":::"):
            for line in self._unmatched_closings():
                message = f"{text} closes nothing here"
                self.problems.append(Problem(self.chapter.path, line, message))
        elif text.startswith(("{#", "{.")) or re.search(r"[\])]\{[.#]", text):
            self.problem(f"{text!r} is taken as text, not as a mark", re.escape(text))
        elif match := re.search(r"\[\^[^\]\s]+\]", text):
            self.problem(f"footnote {match[0]} has no text", re.escape(match[0]))

    def _unmatched_closings(self) -> Iterator[int]:
        depth = 0
        for number, line in enumerate(self.chapter.searchable, 1):
            if re.match(r":{3,}\s*$", line):
                if depth == 0:
                    yield number
                depth = max(0, depth - 1)
            elif re.match(r":{3,}", line):
                depth += 1

    def _generated(self, image: Node) -> bool:
        return local_path(self.chapter.path, image["c"][2][0]) in self.generated

    def _image(self, node: Node) -> None:
        attributes, url = Attributes(node), node["c"][2][0]
        place = rf"\({re.escape(url)}"
        if REMOTE.match(url):
            self.problem(f"image {url}: keep images in the project", place)
            return
        path = local_path(self.chapter.path, url)
        if path not in self.generated and not (self.root / path).is_file():
            self.problem(f"image {url}: no file {path.as_posix()}", place)
        self.document.images.add(path)
        if self.document.output_format == "typst":
            node["c"][2][0] = f"/{path.as_posix()}"
        else:
            node["c"][2][0] = posixpath.relpath(path.as_posix(), self.chapter.path.parent.as_posix())
        for key in attributes.values.keys() - IMAGE_ATTRIBUTES:
            known = ", ".join(sorted(IMAGE_ATTRIBUTES))
            self.problem(f"image {url}: attribute {key!r} is not one of {known}", rf"{place}.*{re.escape(key)}=")
        for key in ("width", "height"):
            value = attributes.values.get(key, "1")
            if not LENGTH.fullmatch(value):
                message = f"image {url}: {key} is a number with %, px, cm, mm, in, pt or no unit"
                self.problem(message, rf"{place}.*{key}=.?{re.escape(value)}")
        alt = attributes.values.get("fig-alt", attributes.values.get("alt", pandoc.text_of(node["c"][1])))
        if not alt.strip() and path not in self.generated:
            self.problem(f"image {url}: no fig-alt", rf"!\[\]{place}\)(?!.*fig-alt)", place)
        attributes.remove("fig-alt")
        attributes.set("alt", alt)

    def inspect_headings(self) -> None:
        level, unnumbered = 1, 6
        for heading in self.document.headings:
            depth, text = heading["c"][0], pandoc.text_of(heading)
            place = rf"^{'#' * depth}\s+{re.escape(text)}", rf"^{'#' * depth}\s"
            if depth > level + 1:
                self.problem(f"{'#' * depth} {text}: a level is skipped", *place)
            if "unnumbered" in Attributes(heading).classes:
                unnumbered = min(unnumbered, depth)
            elif depth > unnumbered and not self.document.unnumbered:
                self.problem(f"{'#' * depth} {text}: inside an unnumbered section, so {{.unnumbered}} too", *place)
            else:
                unnumbered = 6
            level = depth

    def inspect_formulas(self) -> None:
        writer = MATHEMATICS[self.document.output_format]
        for formula in pandoc.unreadable_formulas(self.document.blocks, writer):
            first = formula.strip().partition("\n")[0]
            self.problem(f"formula {formula.strip()!r} can't be converted", re.escape(first))
