"""Which keys a book may set, and what they may hold: `_quarto.yml`, front matter and cell options.

A key is one of three things: interpreted (it has a kind here), left to Quarto (it changes the look or the
running of a Quarto render and nothing that this renderer makes), or an error.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qmdbook.located import Keys, Located
from qmdbook.problems import Problem


@dataclass(frozen=True)
class Kind:
    """The values that a key may hold: of one of `types`, and one of `choices` where there are any."""

    says: str
    types: tuple[type, ...] = (object,)
    choices: tuple[Any, ...] = ()

    def holds(self, value: Any) -> bool:
        if self.choices:
            return any(value is choice or (value == choice and type(value) is type(choice)) for choice in self.choices)
        if isinstance(value, bool) and bool not in self.types and object not in self.types:
            return False
        if isinstance(value, list) and self is TEXTS:
            return all(isinstance(item, str) for item in value)
        return isinstance(value, self.types)


TEXT = Kind("text", (str,))
TEXTS = Kind("text or a list of texts", (str, list))
BOOLEAN = Kind("true or false", (bool,))
WHOLE = Kind("a whole number", (int,))
LIST = Kind("a list", (list,))
ANYTHING = Kind("anything")
LEFT_TO_QUARTO = Kind("left to Quarto")


def one_of(*choices: Any) -> Kind:
    return Kind(
        "one of " + ", ".join("true" if c is True else "false" if c is False else str(c) for c in choices),
        choices=choices,
    )


Schema = Mapping[str, "Kind | Schema"]


def left(names: str) -> dict[str, Kind]:
    return dict.fromkeys(names.split(), LEFT_TO_QUARTO)


CELL_DEFAULTS: dict[str, Kind] = {
    "echo": BOOLEAN,
    "warning": BOOLEAN,
    "include": BOOLEAN,
    "output": one_of(True, False, "asis"),
    "code-fold": one_of(True, False, "show"),
    "code-summary": TEXT,
}
CELL: dict[str, Kind] = {
    **CELL_DEFAULTS,
    "label": TEXT,
    "fig-cap": TEXT,
    "fig-alt": TEXT,
    "tbl-cap": TEXT,
}
EXECUTE: Schema = {
    "echo": BOOLEAN,
    "warning": BOOLEAN,
    "include": BOOLEAN,
    "output": one_of(True, False, "asis"),
    **left("cache freeze daemon enabled"),
}
SHARED_BY_FORMATS = left(
    "toc toc-title toc-location link-citations fig-width fig-height fig-format fig-dpi fig-align "
    "date-format highlight-style syntax-highlighting mainfont monofont fontsize linestretch "
    "include-in-header"
)
HTML: Schema = {
    **CELL_DEFAULTS,
    "execute": EXECUTE,
    "toc-depth": WHOLE,
    "number-sections": one_of(True),
    **SHARED_BY_FORMATS,
    **left(
        "citeproc theme css html-math-method code-tools code-copy code-overflow code-line-numbers "
        "code-link grid embed-resources anchor-sections smooth-scroll link-external-icon "
        "link-external-newwindow respect-user-color-scheme page-layout toc-expand axe lightbox "
        "linkcolor backgroundcolor citations-hover footnotes-hover crossrefs-hover "
        "title-block-style title-block-banner callout-appearance callout-icon minimal df-print "
        "fig-responsive canonical-url search other-links code-links format-links"
    ),
}
TYPST: Schema = {
    **CELL_DEFAULTS,
    "execute": EXECUTE,
    "toc-depth": WHOLE,
    "font-paths": TEXTS,
    "citeproc": one_of(True),
    "papersize": one_of("a3", "a4", "a5", "a6", "iso-b5", "jis-b5", "us-letter", "us-legal", "us-executive"),
    **SHARED_BY_FORMATS,
    **left(
        "margin columns section-numbering keep-typ template template-partials "
        "filters bibliographystyle pdf-standard page-numbering mathfont codefont linkcolor "
        "theorem-appearance syntax-definitions output-ext logo brand grid"
    ),
}
FORMATS: Schema = {"html": HTML, "typst": TYPST}
PROJECT: Schema = {
    "project": {
        "type": one_of("book"),
        "output-dir": TEXT,
        "resources": TEXTS,
        "execute-dir": one_of("file"),
        **left("render pre-render post-render preview"),
    },
    "book": {
        "title": TEXT,
        "subtitle": TEXT,
        "author": ANYTHING,
        "date": TEXT,
        "description": TEXT,
        "site-url": TEXT,
        "output-file": TEXT,
        "license": TEXT,
        "favicon": TEXT,
        "chapters": LIST,
        "appendices": LIST,
        **left(
            "repo-url repo-branch repo-subdir repo-actions sidebar navbar page-footer page-navigation "
            "search sharing downloads cover-image cover-image-alt open-graph twitter-card "
            "reader-mode bread-crumbs back-to-top-navigation date-modified issue-url "
            "other-links code-links tools body-footer body-header margin-footer margin-header doi "
            "abstract"
        ),
    },
    "bibliography": TEXTS,
    "csl": TEXT,
    "execute": EXECUTE,
    "format": FORMATS,
    "lang": one_of("en", "en-GB", "en-US"),
    "number-sections": one_of(True),
    "toc-depth": WHOLE,
    **CELL_DEFAULTS,
    **left(
        "toc link-citations citeproc date-format validate-yaml editor tbl-colwidths "
        "fig-width fig-height fig-format fig-dpi filters"
    ),
}
FRONT_MATTER: Schema = {
    "title": TEXT,
    "description": TEXT,
    "execute": EXECUTE,
    "format": FORMATS,
    **CELL_DEFAULTS,
    **left("toc toc-depth editor engine"),
}


def check(located: Located, schema: Schema, problems: list[Problem], keys: Keys = ()) -> None:
    """Every key of `located` against `schema`: unknown keys and wrong values become problems."""
    for key, value in inside(located.values, keys).items():
        here = (*keys, key)
        kind = schema.get(key)
        if kind is None:
            near = difflib.get_close_matches(key, schema, n=1)
            known = (
                f"did you mean `{near[0]}`?"
                if near
                else "known here: "
                + ", ".join(sorted(name for name, kind in schema.items() if kind is not LEFT_TO_QUARTO))
            )
            problems.append(located.problem(here, f"unknown option; {known}"))
        elif isinstance(kind, Kind):
            if not kind.holds(value):
                problems.append(located.problem(here, f"{value!r} is not {kind.says}"))
        elif isinstance(value, dict):
            check(located, kind, problems, here)
        elif not (schema is FORMATS and value == "default"):
            problems.append(located.problem(here, f"{value!r} is not a mapping of options"))


def inside(values: dict[str, Any], keys: Keys) -> dict[str, Any]:
    """The mapping at `keys`, or an empty one where there is none."""
    found: Any = values
    for key in keys:
        found = found.get(str(key)) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def cell_defaults(values: dict[str, Any], output_format: str) -> dict[str, Any]:
    """What `values` (of a project or a chapter) sets for the cells of one output format."""
    layers = [
        values,
        inside(values, ("execute",)),
        inside(values, ("format", output_format)),
        inside(values, ("format", output_format, "execute")),
    ]
    return {key: layer[key] for layer in layers for key in CELL_DEFAULTS if key in layer}
