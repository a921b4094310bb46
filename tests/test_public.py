"""The public names: there when they are asked for and not before, each documented, each on the page of the book."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module

import pytest
from prose import PROJECT

import epistemics
from epistemics.analysis.package import Documented, documented, needed
from epistemics.chapters.api.chapter import markdown


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, epistemics; print({'torch', 'numpy', 'matplotlib'} & {*sys.modules})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


@pytest.mark.parametrize("name", epistemics.__all__)
def test_a_public_name_is_what_its_module_defines(name: str) -> None:
    value = getattr(epistemics, name)
    assert value is getattr(import_module(epistemics.PUBLIC[name]), name)
    assert value.__module__ == epistemics.PUBLIC[name]


def test_another_name_is_refused_and_the_public_ones_are_offered() -> None:
    with pytest.raises(ImportError, match="cannot import name 'trian'"):
        exec("from epistemics import trian")
    assert set(epistemics.__all__) <= set(dir(epistemics))


def test_the_page_has_every_public_name_with_its_documentation() -> None:
    page = (PROJECT / "chapters/api.qmd").read_text(encoding="utf-8")
    assert sorted(re.findall(r'api\.shown\("(\w+)"\)', page)) == sorted(
        {m.split(".")[1] for m in epistemics.PUBLIC.values()}
    )
    assert [one.name for one in documented() if not one.text] == []


def test_a_name_as_it_is_printed() -> None:
    text = """Cut.

More.

Args:
    states: [n, d],
        float64.

Returns:
    [n, d].

Raises:
    ValueError: if none."""
    one = Documented(
        "cut",
        "epistemics.science.a",
        "",
        "cut(states: Array) -> Array",
        text,
        (("y: int", ""), ("x: int", "steps"), ("z: int", "")),
    )
    assert "\n".join(markdown(one)) == (
        "```python\ncut(states: Array) -> Array\n```\n\n"
        "Cut.\n\nMore. [Source](../data/source/epistemics.science.a.html#cut)\n\n"
        "- `y: int`, `z: int`\n- `states`: [n, d], float64.\n"
        "- Returns: [n, d].\n- Raises `ValueError`: if none.\n- `x: int` \u2003steps"
    )


def test_what_is_read_without_brackets_is_shown_without() -> None:
    """A property, also one that is computed once."""
    (run,) = [one for one in documented() if one.name == "Run"]
    names = {field.partition(":")[0] for field, _ in run.fields}
    assert {"key", "label", "named"} <= names


def test_an_arrow_that_follows_from_others_is_not_needed() -> None:
    imports = {"cli": ["lab", "store", "book"], "lab": ["science", "store"], "science": [], "store": [], "book": []}
    assert needed(imports) == imports | {"cli": ["lab", "book"]}
