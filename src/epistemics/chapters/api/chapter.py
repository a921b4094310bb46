"""The package's public names as a page prints them: signature, what the docstring says, and a link to the source."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from itertools import groupby

from epistemics.analysis.package import Documented, documented
from epistemics.analysis.provenance_line import published, source_page
from epistemics.analysis.tables import Table, table_of
from epistemics.chapters.contents import Share
from epistemics.declared.project import Project

SECTION = re.compile(r"^(Args|Returns|Raises):\n((?: {4}.*\n|\n)*)", re.M)
ENTRY = re.compile(r"^ {4}(\S.*?): (.*(?:\n {8}.*)*)", re.M)
TITLES = {"Args": "", "Returns": "Returns: ", "Raises": "Raises "}


def shown(room: str) -> None:
    """Print the public names of one room, such as ``science``, as Markdown, module by module."""
    own = [one for one in documented() if one.module.split(".")[1] == room]
    for (module, about), names in groupby(own, key=lambda one: (one.module, one.about)):
        page = source_page(module).as_posix()
        sys.stdout.write(f"\n**[{module.removeprefix('epistemics.')}](../{page})**: {about}\n")
        for one in names:
            sys.stdout.write("\n".join(["", *markdown(one), ""]))


def markdown(one: Documented) -> Iterator[str]:
    """One name, line by line."""
    page = source_page(one.module).as_posix()
    yield from ("```python", one.signature, "```", "")
    text = SECTION.sub("", one.text + "\n").strip()
    yield f"{text} [Source](../{page}#{one.name})"
    bullets = [*_listed(one.text + "\n"), *(f"`{field}` \u2003{says}" for field, says in one.fields if says)]
    if plain := ", ".join(f"`{field}`" for field, says in one.fields if not says):
        bullets.insert(0, plain)
    if bullets:
        yield ""
        yield from (f"- {bullet}" for bullet in bullets)


def _listed(text: str) -> Iterator[str]:
    """What a docstring says of arguments, of what is returned and what is raised."""
    for title, body in SECTION.findall(text):
        entries = ENTRY.findall(body) if title != "Returns" else []
        if not entries:
            yield TITLES[title] + " ".join(body.split())
        for names, says in entries:
            yield f"{TITLES[title]}`{names}`: {' '.join(says.split())}"


def names() -> Table:
    """One row for each public name: its module, how it is called, and the first paragraph of what is said of it."""
    return table_of(
        [
            {
                "name": one.name,
                "module": one.module,
                "signature": " ".join(one.signature.split()),
                "says": " ".join(one.text.split("\n\n")[0].split()),
            }
            for one in documented()
        ]
    )


def share(_: Project) -> Share:
    """What the chapter gives to its prose and to readers; see ``contents``."""
    return {}, published(__name__, {"names": names()})
