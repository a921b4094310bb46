"""The verb that begins an experiment with a chapter of its own: its files, and its line in each of two lists."""

from __future__ import annotations

import argparse
import ast
import keyword
import re
from pathlib import Path

from epistemics.declared.experiments import NAME, NAME_IS, fit_name
from epistemics.declared.project import Project
from epistemics.store.files import write_atomically

WRITTEN = Path(__file__).parent / "my_experiment"
"""The files as they are written, but for the name."""
ORDER = Path("_quarto.yml")
CONTENTS = Path("src/epistemics/chapters/contents.py")
LONGEST = 40
LABELS = ("sec", "fig", "tbl")


class CannotBegin(ValueError):
    """An experiment can't be begun under a name; the message says why, and what would be right."""


def new(project: Project, options: argparse.Namespace) -> int:
    """Write the files and the lines of an experiment with a chapter, if nothing is in their way; say what is next."""
    name: str = options.name
    written = files(project.folder, name)
    lists = {path: _line_in(project.folder, path, name) for path in (ORDER, CONTENTS)}
    for path, text in (written | lists).items():
        (project.folder / path).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(project.folder / path, text.encode())
    for path in written:
        print(f"{path.as_posix()} is written")
    for path in lists:
        print(f"{path.as_posix()} has its line")
    print(
        f"""
see it:  epistemics render --profile smoke
then:    say in experiments/{name}.yaml what is asked,
         and in {CONTENTS.as_posix()} which entries of the log it follows"""
    )
    return 0


def files(folder: Path, name: str) -> dict[Path, str]:
    """What is written of an experiment called so, by path in the project.

    Raises:
        CannotBegin: if the name is no fit one, or something in the project has it.
    """
    from epistemics.publishing.variables import PROFILE

    if not NAME.fullmatch(name):
        raise CannotBegin(f"{name!r} is no name of an experiment: it must be of {NAME_IS}; try {fit_name(name)}")
    if len(name) > LONGEST:
        raise CannotBegin(f"{name!r} has {len(name)} letters; at most {LONGEST} stand well in tables and labels")
    module = name.replace("-", "_")
    if keyword.iskeyword(module):
        raise CannotBegin(f"{name!r} is a word of Python's, and no module can be called so; try {name}-runs")
    if module == PROFILE:
        raise CannotBegin(f"{name!r} is taken: the book has a variable called so; choose another name")
    package = CONTENTS.parent / module
    places = {
        Path("experiments") / f"{name}.yaml": "experiment.yaml",
        package / "__init__.py": "__init__.py",
        package / "chapter.py": "chapter.py",
        package / "figures.py": "figures.py",
        Path("chapters") / f"{name}.qmd": "chapter.qmd",
    }
    taken = [path.as_posix() for path in (*places, package, package.with_suffix(".py")) if (folder / path).exists()]
    if taken:
        raise CannotBegin(f"{name!r} is taken: there is {', '.join(taken)}; choose another name")
    for path in (*sorted(folder.glob("*.qmd")), *sorted((folder / "chapters").glob("*.qmd"))):
        for label in (f"{kind}-{name}" for kind in LABELS):
            if re.search(rf"(?:#|label: ){label}(?![\w-])", path.read_text(encoding="utf-8")):
                place = path.relative_to(folder).as_posix()
                raise CannotBegin(f"{name!r} is taken: {place} has the label {label}; choose another name")
    texts = {path: (WRITTEN / template).read_text(encoding="utf-8") for path, template in places.items()}
    texts[package / "__init__.py"] = ""
    return {path: _named(text, name) for path, text in texts.items()}


def _named(text: str, name: str) -> str:
    title = name.replace("-", " ")
    for old, new in {
        "my-experiment": name,
        "my_experiment": name.replace("-", "_"),
        "My experiment": title[0].upper() + title[1:],
        "my experiment": title,
    }.items():
        text = text.replace(old, new)
    return text


def _line_in(folder: Path, path: Path, name: str) -> str:
    """One of the two lists with the chapter's line, before the last chapter that follows the log.

    Raises:
        CannotBegin: if the list is not there, or not as it is expected.
    """
    try:
        contents, text = ((folder / file).read_text(encoding="utf-8") for file in (CONTENTS, path))
    except FileNotFoundError as error:
        missing = Path(error.filename).relative_to(folder).as_posix()
        raise CannotBegin(f"{missing} is not there, and a chapter needs its line in it") from error
    following = _following(contents)
    if not following:
        raise CannotBegin(f"{CONTENTS.as_posix()}: in CHAPTERS is no chapter that follows the log, to stand before")
    last = following[-1]
    lines = text.splitlines(keepends=True)
    if path == CONTENTS:
        place, line = last.lineno - 1, f'    Chapter("chapters/{name}.qmd", (7,), "What does it ask?"),\n'
    else:
        before = ast.literal_eval(last.args[0])
        found = [number for number, own in enumerate(lines) if re.match(rf"\s*- {re.escape(before)}\s*(#|$)", own)]
        if len(found) != 1:
            raise CannotBegin(f"{path.as_posix()}: «- {before}», before which the chapter goes, must be there once")
        place = found[0]
        line = f"{lines[place].partition('-')[0]}- chapters/{name}.qmd\n"
    return "".join([*lines[:place], line, *lines[place:]])


def _following(contents: str) -> list[ast.Call]:
    """The entries of the list of chapters that follow entries of the log, in their order."""
    try:
        tree = ast.parse(contents)
    except SyntaxError as error:
        raise CannotBegin(f"{CONTENTS.as_posix()}:{error.lineno}: {error.msg}, so it can't be read") from error
    listed = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["CHAPTERS"]
    ]
    entries = listed[0].elts if listed and isinstance(listed[0], ast.Tuple) else []
    return [entry for entry in entries if isinstance(entry, ast.Call) and len(entry.args) > 1]
