"""Pandoc's program and its document tree (JSON), with the little that is needed to change one."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pypandoc

Node = dict[str, Any]
"""An element of pandoc's tree: `{"t": type, "c": contents}`."""

Metadata = Mapping[str, "str | list[str]"]
"""What is said of a document as a whole; what is empty is not said."""

Visitor = Callable[[Node], "list[Node] | None"]

Start = Callable[[list[str], str], tuple[str, str]]
"""Runs pandoc with arguments on a text, and gives what it prints and what it warns of."""

READER = "markdown"
PATIENCE = 120
"""Seconds for one conversion. Whole chapters take one or two; thousands of open brackets would take hours."""

ATTRIBUTES_AT = {
    "Code": 0, "CodeBlock": 0, "Div": 0, "Figure": 0, "Header": 1,
    "Image": 0, "Link": 0, "Span": 0, "Table": 0,
}  # fmt: skip


@dataclass(frozen=True)
class Warned:
    """A warning of pandoc's, and the line of the input that it names."""

    line: int | None
    message: str


def run(
    arguments: list[str], text: str, reads: Sequence[Path] = (), start: Start | None = None
) -> tuple[str, list[Warned]]:
    """What the bundled pandoc prints, and its warnings. Raises RuntimeError with its message if it fails.

    Within ``remembering``, what it printed for the same arguments, text and files (``reads``) is not asked again.
    """
    memory, start = _Memory.current, start or _started
    if memory is None:
        printed, said = start(arguments, text)
    else:
        printed, said = memory.answer(arguments, text, reads, start)
    warnings: list[Warned] = []
    for message in re.split(r"^\[WARNING\] ", said, flags=re.MULTILINE)[1:]:
        place = re.search(r" at (?:line |.*? line )(\d+) column \d+", message)
        shortened = re.sub(r" at (?:line |\S+ line )\d+ column \d+", "", message)
        warnings.append(Warned(int(place[1]) if place else None, " ".join(shortened.split())))
    return printed, warnings


def _started(arguments: list[str], text: str) -> tuple[str, str]:
    printed, said = _run(arguments, text)
    return printed.decode(), said


def _run(
    arguments: list[str], text: str, folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> tuple[bytes, str]:
    command, variables = [str(_program()), *arguments], {**os.environ, **(environment or {})}
    try:
        done = subprocess.run(
            command, input=text.encode(), capture_output=True, timeout=PATIENCE, cwd=folder, env=variables
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"pandoc can't read this in {PATIENCE} s; is something nested very deeply?") from None
    if done.returncode != 0:
        raise RuntimeError(f"pandoc: {' '.join(done.stderr.decode().split())}")
    return done.stdout, done.stderr.decode()


def _program() -> Path:
    return Path(pypandoc.__file__).parent / "files" / "pandoc"


@contextmanager
def remembering(folder: Path) -> Iterator[None]:
    """Keep pandoc's answers in a folder, to be given again; those not asked for within are forgotten at its end."""
    _Memory.current = _Memory(folder)
    try:
        yield
        _Memory.current.forget_the_unused()
    finally:
        _Memory.current = None


class _Memory:
    """Answers by the hash of all that they depend on: pandoc's version, arguments, input, files read."""

    current: _Memory | None = None

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.used: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)

    def answer(self, arguments: list[str], text: str, reads: Sequence[Path], start: Start) -> tuple[str, str]:
        files = [hashlib.sha256(path.read_bytes()).hexdigest() for path in reads]
        parts = [version("pypandoc_binary"), *arguments, text, *files]
        name = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        self.used.add(name)
        path = self.folder / name
        try:
            printed, said = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # not there, or damaged
            printed, said = start(arguments, text)
            # Chapters are converted in threads, and two may ask the same at once.
            temporary = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
            temporary.write_text(json.dumps([printed, said]), encoding="utf-8")
            temporary.replace(path)
        return str(printed), str(said)

    def forget_the_unused(self) -> None:
        for path in self.folder.iterdir():
            if path.name not in self.used:
                path.unlink(missing_ok=True)


def parse(markdown: str) -> tuple[list[Node], list[Warned]]:
    """The blocks of a Markdown text, in the same reading as Quarto's, and what pandoc finds odd in it."""
    text, warnings = run(["--from", READER, "--to", "json"], markdown)
    blocks: list[Node] = json.loads(text)["blocks"]
    return blocks, warnings


def inlines(markdown: str) -> list[Node]:
    """The inlines of a one-line Markdown text."""
    found: list[Node] = next((block["c"] for block in parse(markdown)[0] if block["t"] in ("Para", "Plain")), [])
    return found


def convert(blocks: list[Node], arguments: list[str], reads: Sequence[Path] = ()) -> str:
    """What pandoc makes of `blocks` with these arguments, which may have it read files."""
    return run(["--from", "json", *arguments], document(blocks), reads)[0]


def packed(blocks: list[Node], said: Metadata, arguments: list[str], folder: Path, moment: datetime.datetime) -> bytes:
    """The file that pandoc makes of `blocks`, what is `said` of the book, and the files in `folder`, as of `moment`.

    Raises RuntimeError if it fails, and if it finds anything odd: it leaves out an image that it can't read.
    """

    def start(arguments: list[str], text: str) -> tuple[str, str]:
        made, said = _run(arguments, text, folder, {"SOURCE_DATE_EPOCH": f"{moment.timestamp():.0f}"})
        return base64.b64encode(made).decode(), said

    files = sorted(path for path in folder.rglob("*") if path.is_file())
    made, warnings = run(["--from=json", *arguments, "--output=-"], document(blocks, said), files, start)
    if warnings:
        raise RuntimeError(f"pandoc: {'; '.join(warning.message for warning in warnings)}")
    return base64.b64decode(made)


def unreadable_formulas(blocks: list[Node], arguments: list[str]) -> list[str]:
    """The TeX of the formulas in `blocks` that pandoc can't convert with these arguments."""
    formulas = [node for node in elements(blocks) if node["t"] == "Math"]
    unreadable = []
    if formulas and run(["--from", "json", *arguments], document([plain(formulas)]))[1]:
        for formula in formulas:
            if run(["--from", "json", *arguments], document([plain([formula])]))[1]:
                unreadable.append(str(formula["c"][1]))
    return unreadable


def document(blocks: list[Node], said: Metadata | None = None) -> str:
    # The version of the tree that the bundled pandoc reads; it refuses one whose first two numbers are others.
    meta = {name: _value(value) for name, value in (said or {}).items() if value}
    return json.dumps({"pandoc-api-version": [1, 23, 1], "meta": meta, "blocks": blocks})


def _value(value: str | list[str]) -> Node:
    if isinstance(value, list):
        return {"t": "MetaList", "c": [_value(item) for item in value]}
    return {"t": "MetaString", "c": value}


def cite(blocks: list[Node], bibliography: list[Path], csl: Path | None) -> list[Node]:
    """`blocks` with citations written out and the reference list in the div `#refs`."""
    arguments = ["--to", "json", "--citeproc", "--metadata", "link-citations=true"]
    arguments += [f"--bibliography={path}" for path in bibliography]
    arguments += [f"--csl={csl}"] if csl else []
    reads = [*bibliography, *([csl] if csl else [])]
    cited: list[Node] = json.loads(convert(blocks, arguments, reads))["blocks"]
    return cited


def bibliography_keys(text: str, suffix: str) -> set[str]:
    """The keys in a bibliography file's text. Raises RuntimeError if pandoc can't read it."""
    reader = {".json": "csljson", ".yaml": "markdown"}.get(suffix, "biblatex")
    if suffix == ".yaml":  # its fences may be missing, as citeproc allows; Markdown would read prose then
        text = "\n".join(["---", re.sub(r"^(?:---|\.\.\.)\s*$", "", text, flags=re.M).strip(), "---", ""])
    entries = json.loads(run(["--from", reader, "--to", "csljson"], text)[0])
    return {str(entry["id"]) for entry in entries}


def walk(tree: Any, visit: Visitor) -> Any:
    """A copy of `tree` in which each element that `visit` answers with a list is replaced by that list.

    Elements come before what they contain; a replacement is not walked again.
    """
    if isinstance(tree, list):
        result: list[Any] = []
        for item in tree:
            replacement = visit(item) if isinstance(item, dict) and "t" in item else None
            if replacement is None:
                result.append(walk(item, visit) if isinstance(item, list | dict) else item)
            else:
                result.extend(replacement)
        return result
    if isinstance(tree, dict):
        return {key: walk(value, visit) if isinstance(value, list | dict) else value for key, value in tree.items()}
    return tree


def elements(tree: Any) -> Iterator[Node]:
    """Every element in `tree`, each before what it contains."""
    waiting = [tree]  # and not by recursion: each element of a long chapter would pass through every level above it
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(reversed(item))
        elif isinstance(item, dict):
            if "t" in item:
                yield item
            waiting.extend(reversed(item.values()))


class Attributes:
    """The identifier, classes and key–value attributes of an element; changes go into the element."""

    def __init__(self, node: Node) -> None:
        self._triple = node["c"][ATTRIBUTES_AT[node["t"]]]

    @property
    def identifier(self) -> str:
        return str(self._triple[0])

    @identifier.setter
    def identifier(self, value: str) -> None:
        self._triple[0] = value

    @property
    def classes(self) -> list[str]:
        classes: list[str] = self._triple[1]
        return classes

    @property
    def values(self) -> dict[str, str]:
        return dict(self._triple[2])

    def set(self, key: str, value: str) -> None:
        self._triple[2][:] = [pair for pair in self._triple[2] if pair[0] != key] + [[key, value]]

    def remove(self, *keys: str) -> None:
        self._triple[2][:] = [pair for pair in self._triple[2] if pair[0] not in keys]


def has_attributes(node: Node) -> bool:
    return node["t"] in ATTRIBUTES_AT


def text_of(tree: Any) -> str:
    """The plain text of inlines or blocks, footnotes left out."""
    if isinstance(tree, list):
        return "".join(text_of(item) for item in tree)
    if not isinstance(tree, dict) or "t" not in tree:
        return ""
    kind: str = tree["t"]
    contents: Any = tree.get("c")
    if kind == "Str":
        return str(contents)
    if kind in ("Space", "SoftBreak", "LineBreak"):
        return " "
    if kind in ("Code", "Math"):
        return str(contents[1])
    if kind == "Quoted":
        left, right = "‘’" if contents[0]["t"] == "SingleQuote" else "“”"
        return f"{left}{text_of(contents[1])}{right}"
    if kind in ("Note", "RawInline", "RawBlock"):
        return ""
    return text_of(contents)


def string(text: str) -> Node:
    return {"t": "Str", "c": text}


def plain(inlines: list[Node]) -> Node:
    return {"t": "Plain", "c": inlines}


def div(blocks: list[Node], identifier: str = "", classes: list[str] | None = None, **values: str) -> Node:
    return {
        "t": "Div",
        "c": [[identifier, classes or [], [[key, value] for key, value in values.items()]], blocks],
    }


def link(inlines: list[Node], target: str, *classes: str) -> Node:
    return {"t": "Link", "c": [["", list(classes), []], inlines, [target, ""]]}


def raw_block(output_format: str, text: str) -> Node:
    return {"t": "RawBlock", "c": [output_format, text]}


def raw_inline(output_format: str, text: str) -> Node:
    return {"t": "RawInline", "c": [output_format, text]}
