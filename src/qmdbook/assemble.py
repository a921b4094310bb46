"""A chapter and what its cells gave, as one Markdown text for pandoc."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qmdbook.chapter import Cell, Chapter, Code, resolve_shortcodes
from qmdbook.problems import Problem
from qmdbook.project import Project

Output = Mapping[str, Any]
TERMINAL_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
IMAGES = {"image/svg+xml": "svg", "image/png": "png"}
MARKDOWN = ("text/markdown", "text/latex")
SHOWN = ("text/markdown", *IMAGES, "text/latex", "text/plain")
"""The media types that both formats can show, best first."""
PROMISES = {"fig-": ("figure", tuple(IMAGES)), "tbl-": ("text/markdown table", MARKDOWN)}
"""What a label says of its cell's outputs."""


@dataclass
class Assembled:
    """Markdown for pandoc, the `.qmd` line of each of its lines, and the images it shows by project path."""

    text: str
    lines: list[int]
    files: dict[Path, bytes]


def assemble(
    chapter: Chapter, project: Project, output_format: str, outputs: Sequence[Sequence[Output]] | None, printed: str,
    problems: list[Problem],
) -> Assembled:  # fmt: skip
    """The chapter's Markdown for one format; `outputs` holds the outputs of each cell.

    Without `outputs` the labelled cells get an empty figure or table in their place, and `printed` ends the chapter,
    so that references can be checked before anything is executed.
    """
    writer = _Writer(chapter, project, output_format, problems)
    text: list[str] = []
    lines: list[int] = []
    cells = iter(range(len(chapter.cells)))
    for segment in chapter.segments:
        if isinstance(segment, Cell):
            number = next(cells)
            shown = writer.placeholder(segment) if outputs is None else outputs[number]
            part = "\n".join(["", *writer.cell(segment, number, shown), ""])
        elif isinstance(segment, Code):
            part = segment.text
        else:
            part = resolve_shortcodes(segment.text, segment.line, chapter.path, project.variables, problems)
        text.append(part)
        count = part.count("\n") + 1
        lines += [segment.line] * count if isinstance(segment, Cell) else range(segment.line, segment.line + count)
    if outputs is None and printed:
        text.append(f"\n{printed}")
        lines += [lines[-1]] * (printed.count("\n") + 2)
    return Assembled("\n".join(text), lines, writer.files)


class _Writer:
    def __init__(self, chapter: Chapter, project: Project, output_format: str, problems: list[Problem]) -> None:
        self.chapter = chapter
        self.project = project
        self.output_format = output_format
        self.problems = problems
        self.files: dict[Path, bytes] = {}

    def placeholder(self, cell: Cell) -> list[Output]:
        """An output such as the label promises."""
        if cell.label.startswith("fig-"):
            return [{"output_type": "display_data", "data": {"image/svg+xml": "<svg/>"}}]
        if cell.label.startswith("tbl-"):
            return [{"output_type": "display_data", "data": {"text/markdown": "| a |\n|---|\n| b |"}}]
        return []

    def promised(self, cell: Cell, outputs: Sequence[Output]) -> Sequence[Output]:
        """`outputs` if they hold what the label promises, and else a placeholder."""
        promise = PROMISES.get(cell.label[:4])
        if promise is None:
            return outputs
        name, kinds = promise
        count = sum(_kind(output) in kinds for output in outputs)
        if count == 1:
            return outputs
        self._problem(cell, f"{cell.label}: the cell gives {count or 'no'} {name}s, not one")
        return self.placeholder(cell)

    def cell(self, cell: Cell, number: int, outputs: Sequence[Output]) -> Iterator[str]:
        options = self.chapter.options(cell, self.project.values, self.output_format)
        if not options["include"] or options["output"] is False:
            if cell.label.startswith(("fig-", "tbl-")):
                self._problem(cell, f"{cell.label}: a labelled cell whose output is not shown")
            outputs = []
        else:
            outputs = self.promised(cell, outputs)
        as_is = options["output"] == "asis"
        code = cell.code if options["include"] and options["echo"] else ""
        blocks = list(self._outputs(cell, number, outputs, options, as_is))
        fold, summary = str(options["code-fold"]).lower(), str(options["code-summary"])
        yield f'::: {{.cell cell="{number + 1}" fold={_quoted(fold)} summary={_quoted(summary)}}}'
        if code:
            yield from _fenced(code, ".python .cell-code")
        if blocks and not as_is:
            yield from ("::: {.cell-output}", *blocks, ":::")
        yield ":::"
        if as_is:
            yield from ("", *blocks)

    def _outputs(
        self, cell: Cell, number: int, outputs: Sequence[Output], options: Mapping[str, Any], as_is: bool
    ) -> Iterator[str]:
        images = 0
        for output in outputs:
            if output["output_type"] == "stream":
                text = TERMINAL_COLOUR.sub("", output["text"])
                if output["name"] == "stderr":
                    if options["warning"] and text.strip():
                        yield from _fenced(text.rstrip(), ".stderr")
                elif as_is:
                    yield from (text, "")
                elif text.strip():
                    yield from _fenced(text.rstrip(), ".stdout")
                continue
            data, kind = output["data"], _kind(output)
            if not kind:
                self._problem(cell, f"output as {', '.join(data)}: give one of {', '.join(SHOWN[:-1])}")
            elif kind in IMAGES:
                images += 1
                yield from self._image(cell, number, images, kind, data[kind])
            elif kind in MARKDOWN:
                yield from self._markdown(cell, data[kind])
            elif as_is:
                yield from (data[kind], "")
            else:
                yield from _fenced(TERMINAL_COLOUR.sub("", data[kind]), ".result")

    def _image(self, cell: Cell, number: int, count: int, kind: str, content: str) -> Iterator[str]:
        name = cell.label if cell.label.startswith("fig-") else f"cell-{number + 1}-{count}"
        folder = Path(f"{self.chapter.path.stem}_files")
        path = folder / f"{name}.{IMAGES[kind]}"
        self.files[self.chapter.path.parent / path] = (
            content.encode("utf-8") if kind == "image/svg+xml" else base64.b64decode(content)
        )
        alt = self._option(cell, "fig-alt")
        if not alt:
            self._problem(cell, "the cell shows a figure and has no `fig-alt`")
        image = f"![]({path.as_posix()}){{fig-alt={_quoted(alt or ' ')}}}"
        caption = self._option(cell, "fig-cap")
        if caption:
            identifier = f"#{cell.label} " if cell.label.startswith("fig-") else ""
            yield from (f"::: {{{identifier}.figure}}", image, "", caption, ":::", "")
        else:
            yield from (image, "")

    def _markdown(self, cell: Cell, text: str) -> Iterator[str]:
        if cell.label.startswith("tbl-"):
            yield from (
                f"::: {{#{cell.label} .table}}",
                text.strip("\n"),
                "",
                self._option(cell, "tbl-cap"),
                ":::",
                "",
            )
        else:
            yield from (text.strip("\n"), "")

    def _option(self, cell: Cell, name: str) -> str:
        """An option's text on one line, its variables resolved."""
        text = " ".join(str(cell.options.values.get(name, "")).split())
        return resolve_shortcodes(
            text, cell.option_line(name), self.chapter.path, self.project.variables, self.problems
        )

    def _problem(self, cell: Cell, message: str) -> None:
        line = cell.option_line("label") if cell.label else cell.line
        self.problems.append(Problem(self.chapter.path, line, message))


def _kind(output: Output) -> str:
    """The media type that is shown of an output; empty if there is none that both formats can show."""
    data = output.get("data", {})
    kind = next((kind for kind in SHOWN if kind in data), "")
    # What has HTML beside its plain text was not meant to be read as plain text.
    return "" if kind == "text/plain" and "text/html" in data else kind


def _quoted(text: str) -> str:
    """`text` as the value of a pandoc attribute."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _fenced(text: str, classes: str) -> Iterator[str]:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    yield from (f"{fence} {{{classes}}}", text, fence, "")
