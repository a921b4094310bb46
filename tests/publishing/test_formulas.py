"""Numbers inside formulas: what Quarto makes of a variable there is Markdown."""

from __future__ import annotations

import re

import pytest
import yaml
from prose import chapters
from rendering import Rendering

FORMULA = re.compile(r"\$\$.*?\$\$|\$[^$\n]+(?:\n[^$\n]+)*\$", re.S)
VARIABLE = re.compile(r"\{\{< var ([\w.]+) >\}\}")


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
