"""One `.qmd` read into front matter, prose, code blocks and cells, each with its lines."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

from qmdbook import located, schema
from qmdbook.located import Located
from qmdbook.problems import Problem, read_text
from qmdbook.project import VARIABLES, Entry

ENGINE = re.compile(r"\{\{?\s*([A-Za-z]\w*)\s*(.*?)\}?\}$")
OPTION = re.compile(r"#\|\s?(.*)$")
INLINE_EXPRESSION = re.compile(r"`\{(\w+)\} [^`]*`")
HEADING_WITH_SHORTCODE = re.compile(r"(?:\A|^(?!:::).*\n)(##+ .*\{\{<(?!.*\{#).*)$", re.MULTILINE)
SHORTCODE = re.compile(r"\{\{<\s*(.*?)\s*>\}\}", re.DOTALL)
CODE_SPAN_OR_SHORTCODE = re.compile(
    rf"(?P<code>(?<![`\\])(`+)(?!`)(?:(?!\n\s*\n).)+?(?<!`)\2(?!`))|{SHORTCODE.pattern}", re.DOTALL
)
DEFAULTS = {
    "echo": True,
    "warning": True,
    "include": True,
    "output": True,
    "code-fold": False,
    "code-summary": "Code",
}
LABEL = re.compile(r"(?:fig|tbl)-[A-Za-z0-9][\w-]*$|(?!fig-|tbl-)[A-Za-z][\w-]*$")
OTHER_LABEL = re.compile(r"(?:lst|thm|lem|cor|prp|cnj|def|exm|exr|sol|rem|alg|nte|tip|wrn|imp|cau|vid)-")
"""Quarto's other kinds of numbered things, which are not in the dialect."""


@dataclass(frozen=True)
class Prose:
    """Markdown between the code blocks, from line `line`."""

    line: int
    text: str


@dataclass(frozen=True)
class Code:
    """A code block that is shown and not executed, fences included."""

    line: int
    text: str


@dataclass(frozen=True)
class Cell:
    """A code block that is executed: fence at `line`, first line of its code at `code_line`."""

    line: int
    code_line: int
    code: str
    options: Located

    @property
    def label(self) -> str:
        return str(self.options.values.get("label", ""))

    def option_line(self, name: str) -> int:
        return self.options.lines.get((name,), self.line)


@dataclass(frozen=True)
class Chapter:
    """A chapter's source; `searchable` are its lines with code blanked, to find where something is said."""

    entry: Entry
    front: Located
    segments: tuple[Prose | Code | Cell, ...]
    searchable: tuple[str, ...] = field(repr=False)

    @property
    def path(self) -> Path:
        return self.entry.path

    @property
    def title(self) -> str:
        return str(self.front.values.get("title", ""))

    @property
    def description(self) -> str:
        return str(self.front.values.get("description", ""))

    @property
    def cells(self) -> list[Cell]:
        return [segment for segment in self.segments if isinstance(segment, Cell)]

    @property
    def head(self) -> Chapter:
        """The chapter as far as its first paragraph."""
        first = next((segment for segment in self.segments if isinstance(segment, Prose)), Prose(1, ""))
        blocks = first.text.strip("\n").split("\n\n")[: 1 if self.title else 2]
        return replace(self, segments=(Prose(first.line, "\n\n".join(blocks)),))

    def lines_with(self, pattern: str) -> list[int]:
        """The lines outside code that match a regular expression."""
        return [number for number, line in enumerate(self.searchable, 1) if re.search(pattern, line)]

    def problems(self, message: str, *patterns: str) -> list[Problem]:
        """The problem at every line with the first pattern that is found at all, or else at the file."""
        found = next((lines for pattern in patterns if (lines := self.lines_with(pattern))), None)
        if found is None:
            return [Problem(self.path, None, message)]
        return [Problem(self.path, line, message) for line in found]

    def options(self, cell: Cell, project_values: Mapping[str, Any], output_format: str) -> dict[str, Any]:
        """The cell's options over the chapter's and the project's defaults."""
        return {
            **DEFAULTS,
            **schema.cell_defaults(dict(project_values), output_format),
            **schema.cell_defaults(self.front.values, output_format),
            **cell.options.values,
        }


def read(root: Path, entry: Entry, problems: list[Problem]) -> Chapter:
    """The chapter of `entry`; whatever is outside the dialect goes to `problems`."""
    text = read_text(root, entry.path, problems)
    lines = text.split("\n")
    body_start, front = _front_matter(lines, entry.path, problems)
    schema.check(front, schema.FRONT_MATTER, problems)
    segments: list[Prose | Code | Cell] = []
    searchable = list(lines)
    position = body_start
    blanked = "\n".join([""] * body_start + lines[body_start:])
    # Blocks alone: within a line nothing is looked for, and thousands of brackets there would take minutes.
    for token in MarkdownIt("commonmark").disable("inline").parse(blanked):
        if token.type != "fence" or token.map is None:
            continue
        start, end = token.map
        if position < start:
            segments.append(Prose(position + 1, "\n".join(lines[position:start])))
        engine = ENGINE.match(token.info.strip())
        if engine is None:
            segments.append(Code(start + 1, "\n".join(lines[start:end])))
            if not token.info.strip().startswith("{="):
                searchable[start + 1 : end] = [""] * (end - start - 1)
        else:
            cell = _cell(lines, start, end, entry.path, problems)
            for number in range(start + 1, end):
                searchable[number] = lines[number] if number + 1 < cell.code_line else ""
            if engine[1] != "python" or token.info.strip() != "{python}":
                message = f"cell ```{token.info.strip()}: only ```{{python}} is executed; options go on `#|` lines"
                problems.append(Problem(entry.path, start + 1, message))
            elif token.level > 0 or not lines[start].startswith(("`", "~")):
                problems.append(Problem(entry.path, start + 1, "a cell begins in the first column, outside lists"))
            else:
                problems.extend(_syntax_errors(entry.path, cell))
            segments.append(cell)
        position = end
    if position < len(lines):
        segments.append(Prose(position + 1, "\n".join(lines[position:])))
    chapter = Chapter(entry, front, tuple(segments), tuple(searchable))
    problems.extend(_outside_the_dialect(chapter))
    return chapter


def _front_matter(lines: list[str], file: Path, problems: list[Problem]) -> tuple[int, Located]:
    """The number of lines that the front matter takes, and what it holds."""
    if not lines or lines[0].rstrip() != "---":
        return 0, Located(file)
    for number, line in enumerate(lines[1:], 1):
        if line.rstrip() in ("---", "..."):
            return number + 1, located.read("\n".join(lines[1:number]), file, problems, first_line=2)
    problems.append(Problem(file, 1, "the front matter has no closing ---"))
    return 0, Located(file)


def _cell(lines: list[str], start: int, end: int, file: Path, problems: list[Problem]) -> Cell:
    closed = lines[end - 1].strip()[:3] in ("```", "~~~") and end - 1 > start
    if not closed:
        problems.append(Problem(file, start + 1, "the cell has no closing fence"))
    body = lines[start + 1 : end - 1 if closed else end]
    count = next((number for number, line in enumerate(body) if not OPTION.match(line)), len(body))
    options = located.read(
        "\n".join(match[1] for line in body[:count] if (match := OPTION.match(line))),
        file,
        problems,
        start + 2,
    )
    schema.check(options, schema.CELL, problems)
    for number, line in enumerate(body[count:], start + 2 + count):
        if OPTION.match(line):
            problems.append(Problem(file, number, "`#|` options come first in a cell; here it is only a comment"))
    return Cell(start + 1, start + 2 + count, "\n".join(body[count:]).rstrip(), options)


def _syntax_errors(file: Path, cell: Cell) -> Iterator[Problem]:
    """What Python says of the cell's code, without executing it."""
    try:
        with warnings.catch_warnings(action="ignore"):
            # As a kernel does it: `await` may stand outside functions, and this module's __future__ is not the cell's.
            compile(cell.code, "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except SyntaxError as error:
        number = error.lineno or 1
        shown = (error.text or "").strip()[:80]
        said = re.sub(r"(?<= on line )\d+", lambda match: str(cell.code_line + int(match[0]) - 1), error.msg)
        hint = " (IPython's own commands are not in the dialect)" if shown.startswith(("%", "!")) else ""
        message = f"{type(error).__name__}: {said}{hint}{f': {shown}' if shown else ''}"
        yield Problem(file, cell.code_line + number - 1, message)
    except (ValueError, RecursionError, MemoryError) as error:  # a null byte; what is nested too deeply for the parser
        yield Problem(file, cell.code_line, f"the cell can't be compiled: {error or 'it is nested too deeply'}")


def _outside_the_dialect(chapter: Chapter) -> Iterator[Problem]:
    """What the text itself shows: inline expressions, shortcodes in code, and labels that can't be."""
    for segment in chapter.segments:
        if isinstance(segment, Cell):
            yield from _wrong_labels(chapter, segment)
        if isinstance(segment, Prose):
            for match in INLINE_EXPRESSION.finditer(segment.text):
                line = segment.line + segment.text.count("\n", 0, match.start())
                yield Problem(chapter.path, line, f"inline `{{{match[1]}}}` expression: use {{{{< var name >}}}}")
        if isinstance(segment, Prose):
            for match in HEADING_WITH_SHORTCODE.finditer(segment.text):
                line = segment.line + segment.text.count("\n", 0, match.start(1))
                yield Problem(chapter.path, line, "a heading with a variable needs an identifier: {#name}")
        if isinstance(segment, Code) and (shortcode := SHORTCODE.search(segment.text)):
            line = segment.line + segment.text.count("\n", 0, shortcode.start())
            yield Problem(chapter.path, line, "a shortcode inside a code block (Quarto would replace it)")
    if "{{<" in chapter.title:
        yield chapter.front.problem(("title",), "no shortcodes in a title")


def _wrong_labels(chapter: Chapter, cell: Cell) -> Iterator[Problem]:
    options, label = cell.options.values, cell.label
    line = cell.option_line("label")
    if label and not LABEL.match(label):
        yield Problem(chapter.path, line, f"label {label!r}: letters, digits, - and _, beginning with a letter")
    if OTHER_LABEL.match(label) or label.startswith(("sec-", "eq-")):
        yield Problem(chapter.path, line, f"label {label!r}: a cell's reference label begins with fig- or tbl-")
    for prefix, needed in (("fig-", ("fig-cap", "fig-alt")), ("tbl-", ("tbl-cap",))):
        for option in needed if label.startswith(prefix) else ():
            if not options.get(option):
                yield Problem(chapter.path, line, f"{label}: the cell has no `{option}`")
        if not label.startswith(prefix) and prefix == "tbl-" and "tbl-cap" in options:
            yield Problem(chapter.path, cell.option_line("tbl-cap"), "`tbl-cap` without a label that begins with tbl-")
    if "{{<" in str(options.get("fig-alt", "")) and '"' in options["fig-alt"]:
        message = "`fig-alt` with a variable and a quotation mark: Quarto shows part of it as text"
        yield Problem(chapter.path, cell.option_line("fig-alt"), message)
    if (label.startswith("fig-") and "tbl-cap" in options) or (label.startswith("tbl-") and "fig-cap" in options):
        yield Problem(chapter.path, line, f"{label}: the caption's kind is not the label's")


def resolve_shortcodes(
    text: str, first_line: int, file: Path, variables: Mapping[str, str], problems: list[Problem]
) -> str:
    """`text` with every `{{< var name >}}` outside code replaced by its value; anything else is a problem."""

    def replace(match: re.Match[str]) -> str:
        line = first_line + text.count("\n", 0, match.start())
        if match["code"] is not None:
            if SHORTCODE.search(match["code"]):
                problems.append(Problem(file, line, "a shortcode inside code (Quarto would replace it)"))
            return match["code"]
        name, *arguments = match[3].split() or [""]
        if re.search(r"\]\([^)\s]*$", text[: match.start()]):
            problems.append(Problem(file, line, f"{match[0]} in the target of a link: Quarto rewrites what it gives"))
        elif name != "var" or len(arguments) != 1:
            problems.append(Problem(file, line, f"shortcode {match[0]}: only {{{{< var name >}}}} is known here"))
        elif not variables:  # one problem, however many there are
            problems.append(Problem(VARIABLES, None, "missing or empty, and chapters use variables"))
        elif arguments[0] not in variables:
            problems.append(Problem(file, line, f"{match[0]}: no variable {arguments[0]} in _variables.yml"))
        else:
            return variables[arguments[0]]
        return arguments[0] if arguments else "?"

    return CODE_SPAN_OR_SHORTCODE.sub(replace, text)
