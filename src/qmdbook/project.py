"""What `_quarto.yml` and `_variables.yml` say: the book's title, chapters, bibliography and variables."""

from __future__ import annotations

import datetime
import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from qmdbook import located, schema
from qmdbook.located import Located
from qmdbook.problems import BookError, Problem, read_text

CONFIGURATION = Path("_quarto.yml")
VARIABLES = Path("_variables.yml")


@dataclass(frozen=True)
class Entry:
    """One chapter in the book's order; `path` is relative to the project."""

    path: Path
    line: int | None
    part: str | None
    appendix: bool

    @property
    def page(self) -> Path:
        return self.path.with_suffix(".html")

    @property
    def markdown(self) -> Path:
        """Beside the page, for machines."""
        return self.path.with_suffix(".md")

    @property
    def notebook(self) -> Path:
        """Beside the page, if the chapter has cells."""
        return self.path.with_suffix(".ipynb")

    @property
    def slug(self) -> str:
        return "-".join(self.path.with_suffix("").parts)


@dataclass(frozen=True)
class Project:
    """A book's configuration. Paths are relative to `root`."""

    root: Path
    title: str
    subtitle: str
    author: str
    date: str
    description: str
    site_url: str
    licence: str
    """Its name; empty if it is not said."""
    output_file: str
    entries: tuple[Entry, ...]
    bibliography: tuple[Path, ...]
    favicon: Path | None
    csl: Path | None
    resources: frozenset[Path]
    font_paths: tuple[Path, ...]
    paper: str
    """Typst's name of the PDF's paper; empty for the look's own page."""
    toc_depth: int
    values: dict[str, Any] = field(repr=False)
    variables: dict[str, str] = field(repr=False)

    @property
    def pdf(self) -> Path:
        return Path(f"{self.output_file}.pdf")

    @property
    def epub(self) -> Path:
        return Path(f"{self.output_file}.epub")

    @property
    def moment(self) -> datetime.datetime:
        """The book's date, for files that carry one; without one always the same, as every machine makes the same."""
        try:
            date = datetime.datetime.fromisoformat(self.date)
        except ValueError:
            date = datetime.datetime(2000, 1, 1)
        return date.replace(tzinfo=datetime.UTC)

    def address(self, path: Path) -> str:
        """The whole address of a published file; empty if the site's is not known."""
        return f"{self.site_url.rstrip('/')}/{quote(path.as_posix())}" if self.site_url else ""

    @property
    def long_date(self) -> str:
        """`2025-11-21` as a reader would write it; any other text as it stands."""
        try:
            date = datetime.date.fromisoformat(self.date)
        except ValueError:
            return self.date
        return f"{date.day} {date:%B %Y}"


def read(root: Path, problems: list[Problem]) -> Project:
    """The project in folder `root`.

    Raises BookError where there is no book to go on with; what merely is wrong goes to `problems`.
    """
    path = root / CONFIGURATION
    if not path.is_file():
        raise BookError([Problem(CONFIGURATION, None, f"missing in {root}; a book's folder has one")])
    config = located.read(read_text(root, CONFIGURATION, problems), CONFIGURATION, problems)
    if not config.values:
        raise BookError(problems or [Problem(CONFIGURATION, None, "empty; it says what is in the book")])
    schema.check(config, schema.PROJECT, problems)
    book = schema.inside(config.values, ("book",))
    for keys in (("project", "type"), ("book", "title"), ("book", "author"), ("book", "chapters")):
        if not schema.inside(config.values, keys[:1]).get(keys[1]):
            problems.append(Problem(CONFIGURATION, config.lines.get(keys[:1]), f"{'.'.join(keys)}: missing"))
    typst = schema.inside(config.values, ("format", "typst"))
    if "bibliography" in config.values and "citeproc" not in {**config.values, **typst}:
        message = "with a bibliography, format: typst: needs citeproc: true; else Quarto's PDF has no reference list"
        problems.append(config.problem(("bibliography",), message))
    entries = _entries(root, config, problems)
    if not entries:
        raise BookError(problems or [Problem(CONFIGURATION, config.lines.get(("book",)), "no chapters")])
    if entries[0].path != Path("index.qmd"):
        problems.append(Problem(CONFIGURATION, entries[0].line, "the first chapter must be index.qmd"))
    problems.extend(_forgotten(root, entries))
    html = schema.inside(config.values, ("format", "html"))
    toc_depth = html.get("toc-depth", config.values.get("toc-depth"))
    favicon = next(iter(_files(root, config, ("book", "favicon"), problems)), None)
    return Project(
        root=root,
        title=str(book.get("title", "")),
        subtitle=str(book.get("subtitle", "")),
        author=_author(book.get("author")),
        date=str(book.get("date", "")),
        description=str(book.get("description", "")),
        site_url=str(book.get("site-url", "")),
        licence=str(book.get("license", "")),
        output_file=str(book.get("output-file", "book")),
        entries=entries,
        bibliography=_files(root, config, ("bibliography",), problems),
        favicon=favicon,
        csl=next(iter(_files(root, config, ("csl",), problems)), None),
        resources=_resources(root, config, problems) | ({favicon} if favicon else set()),
        font_paths=_files(root, config, ("format", "typst", "font-paths"), problems),
        paper=str(typst.get("papersize", "")),
        toc_depth=toc_depth if isinstance(toc_depth, int) else 3,
        values=config.values,
        variables=_variables(root, problems),
    )


def _author(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("name", ""))
    if isinstance(value, list):
        return ", ".join(_author(item) for item in value)
    return str(value or "")


def _texts(value: Any) -> list[str]:
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]


def _files(root: Path, config: Located, keys: tuple[str, ...], problems: list[Problem]) -> tuple[Path, ...]:
    value = schema.inside(config.values, keys[:-1]).get(keys[-1])
    paths = [Path(text) for text in _texts(value)]
    for path in paths:
        if not (root / path).exists():
            problems.append(config.problem(keys, f"no file {path}"))
    return tuple(path for path in paths if (root / path).exists())


def _resources(root: Path, config: Located, problems: list[Problem]) -> frozenset[Path]:
    found: set[Path] = set()
    for pattern in _texts(schema.inside(config.values, ("project",)).get("resources")):
        if not pattern.startswith("/"):
            message = f"write /{pattern}: without the slash Quarto publishes what matches in any folder, .venv included"
            problems.append(config.problem(("project", "resources"), message))
        matches = [Path(match) for match in glob.glob(pattern.lstrip("/"), root_dir=root, recursive=True)]
        found.update(match for match in matches if (root / match).is_file())
        if not matches:
            problems.append(config.problem(("project", "resources"), f"{pattern} matches no file"))
    return frozenset(found)


def _entries(root: Path, config: Located, problems: list[Problem]) -> tuple[Entry, ...]:
    entries: list[Entry] = []

    def add(items: Any, keys: tuple[str | int, ...], part: str | None) -> None:
        for position, item in enumerate(items if isinstance(items, list) else []):
            here = (*keys, position)
            if isinstance(item, dict) and part is None and set(item) == {"part", "chapters"}:
                if str(item["part"]).endswith(".qmd"):
                    problems.append(config.problem((*here, "part"), "give a part's title, not a file"))
                add(item["chapters"], (*here, "chapters"), str(item["part"]))
            elif not (isinstance(item, str) and item.endswith(".qmd")):
                problems.append(config.problem(here, f"{item!r} is neither a .qmd file nor `part:` with `chapters:`"))
            elif not (root / item).is_file():
                problems.append(config.problem(here, f"no file {item}"))
            elif Path(item) in [entry.path for entry in entries]:
                problems.append(config.problem(here, f"{item} is in the book twice"))
            else:
                entries.append(Entry(Path(item), config.lines.get(here), part, keys[1] == "appendices"))

    book = schema.inside(config.values, ("book",))
    add(book.get("chapters"), ("book", "chapters"), None)
    add(book.get("appendices"), ("book", "appendices"), None)
    return tuple(entries)


def _forgotten(root: Path, entries: Sequence[Entry]) -> Iterator[Problem]:
    """A problem for each .qmd file beside the chapters that is none of them. Quarto passes over those with a _."""
    listed = {entry.path for entry in entries}
    for folder in sorted({path.parent for path in listed}):
        for file in sorted((root / folder).glob("[!_.]*.qmd")):
            if (path := folder / file.name) not in listed:
                message = f"not in the book: list it in {CONFIGURATION}, or begin its name with _ if it is a draft"
                yield Problem(path, None, message)


def _variables(root: Path, problems: list[Problem]) -> dict[str, str]:
    path = root / VARIABLES
    if not path.is_file():
        return {}
    already = len(problems)
    found = located.read(read_text(root, VARIABLES, problems), VARIABLES, problems)
    if len(problems) > already and not found.values:
        raise BookError(problems)  # and not one problem more for each variable that is used
    variables: dict[str, str] = {}

    def add(values: dict[str, Any], keys: tuple[str, ...]) -> None:
        for key, value in values.items():
            here = (*keys, key)
            if key.isdigit():
                problems.append(found.problem(here, "Quarto takes a whole number in a name for a place in a list"))
            elif isinstance(value, dict):
                add(value, here)
            elif isinstance(value, str | int) and not isinstance(value, bool) and "\n" not in str(value):
                variables[".".join(here)] = str(value)
            else:
                problems.append(found.problem(here, f"{value!r} is not one line of text; put it in quotes"))

    add(found.values, ())
    return variables
