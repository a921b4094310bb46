"""The variables of the prose: each is shown somewhere, and in formulas, where Quarto takes them for Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prose import chapters
from rendering import Rendering

FORMULA = re.compile(r"\$\$.*?\$\$|\$[^$\n]+(?:\n[^$\n]+)*\$", re.S)
VARIABLE = re.compile(r"\{\{< var ([\w.]+) >\}\}")
Name = tuple[str, ...]


def names(numbers: dict[str, Any], under: Name = ()) -> Iterator[Name]:
    for name, value in numbers.items():
        if isinstance(value, dict):
            yield from names(value, (*under, name))
        else:
            yield (*under, name)


def alike(name: Name) -> set[Name]:
    """The name, and what it shares with the same measure of another setting, whose name differs in one part within."""
    return {name} | {(*name[:part], "*", *name[part + 1 :]) for part in range(1, len(name) - 1)}


@pytest.mark.slow
def test_every_variable_or_the_same_of_another_setting_is_shown(book: Rendering) -> None:
    variables = yaml.safe_load((book.folder / "_variables.yml").read_text(encoding="utf-8"))
    shown = {name for path in chapters() for name in VARIABLE.findall(path.read_text(encoding="utf-8"))}
    of_settings = set[Name]().union(*(alike(tuple(name.split("."))) for name in shown))
    assert [".".join(name) for name in names(variables) if not alike(name) & of_settings] == []


@pytest.mark.slow
def test_a_variable_in_a_formula_has_nothing_that_markdown_would_take_away(book: Rendering) -> None:
    variables = yaml.safe_load((book.folder / "_variables.yml").read_text(encoding="utf-8"))
    found = {}
    for path in chapters():
        for formula in FORMULA.findall(path.read_text(encoding="utf-8")):
            for name in VARIABLE.findall(formula):
                value = variables
                for part in name.split("."):
                    value = value[part]
                found[name] = str(value)
    assert len(found) > 10
    assert {name: value for name, value in found.items() if re.search(r"[\\*_`$]", value)} == {}
