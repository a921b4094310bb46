"""The fingerprint changes with what a function computes, and with nothing else."""

from __future__ import annotations

import ast
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from epistemics import fingerprint as module
from epistemics.fingerprint import UnknownDefinition, fingerprint, reached, reached_from
from epistemics.runs import CODE, current_code

Edit = Callable[[str, str, str], None]


@pytest.fixture
def edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Edit:
    """Fingerprints are taken of a copy of the package from now on; edit a file of it."""
    package = tmp_path / "epistemics"
    shutil.copytree(module.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(module, "PACKAGE", package)

    def edited(file: str, old: str, new: str) -> None:
        path = package / file
        text, before = path.read_text(), path.stat().st_mtime_ns
        assert text.count(old) == 1, f"{file} holds {old!r} {text.count(old)} times"
        path.write_text(text.replace(old, new))
        os.utime(path, ns=(before + 10**9, before + 10**9))

    return edited


def test_a_copy_of_the_package_has_the_same_fingerprints(edit: Edit) -> None:
    before = current_code()
    edit("training.py", "EPSILON = 1e-8", "EPSILON = 1e-8")
    assert current_code() == before
    assert before["training"] != before["measures"]


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("training.py", "EPSILON = 1e-8  # AdamW's", "# said anew\nEPSILON = 1e-8  # that of AdamW"),
        ("training.py", "def adamw(", "# a comment\n\n\ndef adamw("),
        ("training.py", '"""One AdamW update (', '"""Another docstring ('),
        ("training.py", '"""What was seen of one member at each evaluation."""\n', "\n"),
        ("training.py", "beta1, beta2 = betas", "(beta1,   beta2) = (betas)"),
        ("training.py", "betas: tuple[float, float],\n) -> tuple", "betas: list[float],\n) -> list"),
        ("training.py", '"""[E, N] mean gradient."""', '"""A field said in other words."""'),
        ("configuration.py", '"""Questions a step."""', "# Questions a step."),
        ("geometry.py", "def random_directions(dimensions: int", "def random_directions(dimensions: object"),
    ],
)
def test_comments_docstrings_annotations_and_formatting_do_not_count(edit: Edit, file: str, old: str, new: str) -> None:
    before = current_code()
    edit(file, old, new)
    assert current_code() == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("training.py", "EPSILON = 1e-8", "EPSILON = 1e-7"),  # a constant
        ("training.py", "first = first.lerp(gradient, 1 - beta1)", "first = first.lerp(gradient, beta1)"),
        ("training.py", "held = held + 1 if accuracy >= threshold", "held = held + 1 if accuracy > threshold"),
        ("training.py", "step: int\n    flat: Tensor", "step: int = 0\n    flat: Tensor"),  # a default
        ("training.py", "@dataclass\nclass State", "@dataclass(slots=True)\nclass State"),  # a decorator
        ("tasks.py", "[self.seed, 2, epoch]", "[self.seed, 5, epoch]"),  # a private method of a class
    ],
)
def test_what_only_training_reaches_changes_only_training(edit: Edit, file: str, old: str, new: str) -> None:
    before = current_code()
    edit(file, old, new)
    after = current_code()
    assert after["training"] != before["training"]
    if file == "training.py":
        assert after["measures"] == before["measures"]


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("geometry.py", "eigvalsh(centred.T @ centred)", "eigvalsh(centred.T @ centred * 2)"),
        ("geometry.py", "[seed, 3]", "[seed, 4]"),
        ("abliteration.py", "logits -= np.outer", "logits += np.outer"),
    ],
)
def test_geometry_changes_only_measures(edit: Edit, file: str, old: str, new: str) -> None:
    before = current_code()
    edit(file, old, new)
    after = current_code()
    assert after["measures"] != before["measures"]
    assert after["training"] == before["training"]


def test_the_model_changes_both(edit: Edit) -> None:
    before = current_code()
    edit("model.py", "F.gelu(", "F.relu(")
    after = current_code()
    assert after["training"] != before["training"]
    assert after["measures"] != before["measures"]


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("training.py", "next((s for s, a in zip", "next((s + 1 for s, a in zip"),  # first_touch: not trained with
        ("abliteration.py", "return len(curve) - 1", "return len(curve)"),  # survives: not measured with
        ("store.py", "FORMAT = 2", "FORMAT = 3"),
    ],
)
def test_what_is_not_reached_does_not_count(edit: Edit, file: str, old: str, new: str) -> None:
    before = current_code()
    edit(file, old, new)
    assert current_code() == before


# How uses are found, in a package made for it


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    monkeypatch.setattr(module, "PACKAGE", tmp_path)

    def write(**files: str) -> None:
        for name, text in {"__init__": "VERSION = 1\n", **files}.items():
            path = tmp_path / f"{name.replace('__in__', '/')}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)

    return write


@pytest.mark.parametrize(
    ("importing", "use"),
    [
        ("from epistemics.b import helper", "helper()"),
        ("from epistemics.b import helper as h", "h()"),
        ("from epistemics import b", "b.helper()"),
        ("from epistemics import b as short", "short.helper()"),
        ("import epistemics.b", "epistemics.b.helper()"),
        ("import epistemics.b as short", "short.helper()"),
        ("from epistemics.c import helper", "helper()"),  # that c itself imports
        ("from epistemics import c", "c.helper()"),
    ],
)
def test_every_way_to_import_is_followed(package: Callable[..., None], importing: str, use: str) -> None:
    package(
        a=f"{importing}\n\n\ndef start():\n    return {use}\n",
        b="SIZE = 3\nOTHER = 4\n\n\ndef helper():\n    return SIZE\n",
        c="from epistemics.b import helper\n",
    )
    assert reached("a.start").keys() == {"a.start", "b.helper", "b.SIZE"}


def test_imports_inside_a_function_are_followed(package: Callable[..., None]) -> None:
    package(
        a="def start():\n    from epistemics.b import helper\n\n    return helper()\n",
        b="def helper():\n    return 1\n",
    )
    assert reached("a.start").keys() == {"a.start", "b.helper"}


def test_subpackages_and_the_package_itself(package: Callable[..., None]) -> None:
    package(
        a="from epistemics import VERSION\nfrom epistemics.inner import x\n\n\ndef start():\n    return x.f(VERSION)\n",
        inner__in____init__="",
        inner__in__x="def f(v):\n    return v\n",
    )
    assert reached("a.start").keys() == {"a.start", "VERSION", "inner.x.f"}


def test_functions_that_call_each_other_end(package: Callable[..., None]) -> None:
    package(a="def one():\n    return two()\n\n\ndef two():\n    return one()\n")
    assert reached("a.one").keys() == {"a.one", "a.two"}
    assert fingerprint("a.one") == fingerprint("a.two")


def test_a_name_is_every_statement_that_defines_it(package: Callable[..., None]) -> None:
    package(a="TABLE = {}\nTABLE['x'] = 1\nLEFT, RIGHT = 1, 2\n\n\ndef start():\n    return TABLE, RIGHT\n")
    found = reached("a.start")
    assert found["a.TABLE"] == "TABLE = {}\nTABLE['x'] = 1"
    assert found["a.RIGHT"] == "LEFT, RIGHT = (1, 2)"


def test_the_cells_of_a_chapter_reach_what_they_import(package: Callable[..., None]) -> None:
    package(a="def used():\n    return 1\n\n\ndef idle():\n    return 2\n")
    assert reached_from("from epistemics import a\nimport math\na.used()\n").keys() == {"a.used"}


def test_an_unknown_name_is_refused_with_its_file(package: Callable[..., None]) -> None:
    package(a="")
    with pytest.raises(UnknownDefinition, match=r"a\.nothing: src/epistemics/a\.py does not define it"):
        fingerprint("a.nothing")
    with pytest.raises(UnknownDefinition, match="nowhere: no such module in the package"):
        fingerprint("nowhere.nothing")


def test_experiment_code_uses_nothing_that_reading_can_t_follow() -> None:
    """No attribute or definition is looked up by a text, so that what is reached is what runs."""
    hidden = {"getattr", "globals", "locals", "eval", "exec", "__import__", "import_module", "import_string"}
    for name, source in reached(*CODE.values()).items():
        called = {node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)}
        names = {c.id if isinstance(c, ast.Name) else c.attr for c in called if isinstance(c, ast.Name | ast.Attribute)}
        assert not names & hidden, name
