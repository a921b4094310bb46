"""The fingerprint changes with what a function computes, and with nothing else."""

from __future__ import annotations

import ast
import os
import shutil
import symtable
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from epistemics.lab.status import current_code
from epistemics.science.configuration import Configuration
from epistemics.store import fingerprint as module
from epistemics.store.fingerprint import UnknownDefinition, fingerprint, reached, reached_from
from epistemics.study import NAMES, PARTS, lines

Edit = Callable[[str, str, str], None]
Code = Callable[..., dict[str, str]]

_, *MEASURES = PARTS
CUTS = ("geometry", "abliteration")
"""The families that are measured of the directions that tell answers apart."""


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


@pytest.fixture
def code(configuration: Callable[..., Configuration]) -> Code:
    """What gives the present fingerprints of a run: of addition, and else as most are."""
    return lambda **settings: current_code(configuration(**settings))


def test_a_copy_of_the_package_has_the_same_fingerprints(edit: Edit, code: Code) -> None:
    before = code()
    edit("science/training.py", "EPSILON = 1e-8", "EPSILON = 1e-8")
    assert code() == before
    assert len(set(before.values())) == len(PARTS)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("science/training.py", "EPSILON = 1e-8  # AdamW's", "# said anew\nEPSILON = 1e-8  # that of AdamW"),
        ("science/training.py", "def adamw(", "# a comment\n\n\ndef adamw("),
        ("science/training.py", '"""One AdamW update (', '"""Another docstring ('),
        (
            "science/grokking.py",
            '"""What was seen of one member at each evaluation, of questions without a flag."""\n',
            "\n",
        ),
        ("science/training.py", "beta1, beta2 = betas", "(beta1,   beta2) = (betas)"),
        ("science/training.py", "betas: tuple[float, float],\n) -> tuple", "betas: list[float],\n) -> list"),
        ("science/training.py", '"""[n, S − 1], the table, for S positions."""', '"""A field said in other words."""'),
        ("science/configuration.py", '"""Questions a step."""', "# Questions a step."),
        ("science/geometry.py", "def random_directions(dimensions: int", "def random_directions(dimensions: object"),
    ],
)
def test_comments_docstrings_annotations_and_formatting_do_not_count(
    edit: Edit, file: str, old: str, new: str, code: Code
) -> None:
    before = code()
    edit(file, old, new)
    assert code() == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("science/training.py", "EPSILON = 1e-8", "EPSILON = 1e-7"),  # a constant
        ("science/training.py", "first = first.lerp(gradient, 1 - beta1)", "first = first.lerp(gradient, beta1)"),
        ("science/grokking.py", "held = held + 1 if accuracy >= threshold", "held = held + 1 if accuracy > threshold"),
        ("science/training.py", "step: int\n    flat: Tensor", "step: int = 0\n    flat: Tensor"),  # a default
        ("science/training.py", "@dataclass\nclass State", "@dataclass(slots=True)\nclass State"),  # a decorator
        ("science/tasks.py", "[self.seed, 2, epoch]", "[self.seed, 5, epoch]"),  # a private method of a class
    ],
)
def test_what_only_training_reaches_changes_only_training(
    edit: Edit, file: str, old: str, new: str, code: Code
) -> None:
    before = code()
    edit(file, old, new)
    after = code()
    assert after["training"] != before["training"]
    if file == "science/training.py":  # the noise is that of training's own gradient, but not of its optimizer
        assert {part: after[part] for part in MEASURES} == {part: before[part] for part in MEASURES}


@pytest.mark.parametrize(
    ("file", "old", "new", "families"),
    [
        ("science/geometry.py", "eigvalsh(centred.T @ centred)", "eigvalsh(centred.T @ centred * 2)", ["geometry"]),
        ("science/geometry.py", "contrasts = np.where(counts > 0", "contrasts = np.where(counts > 1", [*CUTS]),
        ("science/geometry.py", "[seed, 3]", "[seed, 4]", ["abliteration"]),
        ("science/abliteration.py", "logits -= np.outer", "logits += np.outer", ["abliteration"]),
        ("science/noise.py", "DRAWS = 16", "DRAWS = 8", ["noise"]),
    ],
)
def test_a_change_of_a_measure_changes_its_family_alone(
    edit: Edit, code: Code, file: str, old: str, new: str, families: list[str]
) -> None:
    before = code()
    edit(file, old, new)
    after = code()
    assert [part for part in PARTS if after[part] != before[part]] == families


def test_the_network_changes_all(edit: Edit, code: Code) -> None:
    before = code()
    edit("science/transformer.py", "F.gelu(", "F.relu(")
    after = code()
    assert not set(before.values()) & set(after.values())


@pytest.mark.parametrize(
    ("file", "old", "new", "stale"),
    [
        # a line that a run does not use: another, one that is there, one that goes, one in another place
        ("science/operations.py", "OPERATIONS = {", 'OPERATIONS = {\n    "max": Operation(max),', []),
        ("science/operations.py", "a - b)", "b - a)", []),
        ("science/operations.py", '    "sub": Operation(lambda a, b, p: a - b),\n', "", []),
        ("science/operations.py", "result * square % p", "result + square % p", []),  # only "div" reaches it
        ("science/configuration.py", "NETWORKS = {", 'NETWORKS = {"mlp": "science.geometry.mean_share",', []),
        ("science/configuration.py", '"""Which of ``conf', '"""Of."""\n    depth: int = 3\n    """Which of ``conf', []),
        # a default: it is written in each record, which is damaged where it is not the present one
        ("science/configuration.py", "embedding_scale: float = 0.02", "embedding_scale: float = 0.03", []),
        # one that it does
        ("science/operations.py", "a + b)", "b + a)", [*PARTS]),
        ("science/operations.py", "    divides: bool = False", "    divides: bool = True", [*PARTS]),
        ("science/configuration.py", "weight_decay: float\n", "weight_decay: float = 1.0\n", [*PARTS]),
        ("science/training.py", "own.copy_(new)", "own.copy_(new + 0)", ["training"]),  # which a text names
    ],
)
def test_of_a_table_the_lines_that_a_run_uses_count(
    edit: Edit, code: Code, file: str, old: str, new: str, stale: list[str]
) -> None:
    before = code()
    edit(file, old, new)
    after = code()
    assert [part for part in PARTS if after[part] != before[part]] == stale


def test_runs_that_use_other_lines_have_other_code(code: Code) -> None:
    others: list[dict[str, Any]] = [{"operations": ("mul",)}, {"operations": ("add", "mul")}, {"embedding_scale": 1.0}]
    codes = {code()["training"], *(code(**settings)["training"] for settings in others)}
    assert len(codes) == 4
    assert code(seed=9, weight_decay=0.1) == code()


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("science/grokking.py", "next((s for s, a in zip", "next((s + 1 for s, a in zip"),  # first_touch
        ("science/abliteration.py", "return len(curve) - 1", "return len(curve)"),  # survives
        ("store/record.py", "FORMAT = 3", "FORMAT = 4"),
    ],
)
def test_what_is_not_reached_does_not_count(edit: Edit, file: str, old: str, new: str, code: Code) -> None:
    before = code()
    edit(file, old, new)
    assert code() == before


# How uses are found, in a package made for it


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    monkeypatch.setattr(module, "PACKAGE", tmp_path)

    def write(**files: str) -> None:
        module._parsed.cache_clear()  # written within one tick of the clock
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


def test_a_name_is_every_statement_that_defines_it(package: Callable[..., None]) -> None:
    package(
        a="TABLE = {}\nTABLE['x'] = 1\nTABLE.update(y=2)\nLEFT, RIGHT = 1, 2\ndef start():\n    return TABLE, RIGHT\n",
    )
    found = reached("a.start")
    assert found["a.TABLE"] == "TABLE = {}\nTABLE['x'] = 1\nTABLE.update(y=2)"
    assert found["a.RIGHT"] == "LEFT, RIGHT = (1, 2)"


# What a definition is called, and where it lies, does not count

AS_IT_WAS = {
    "a": """
        from epistemics.b import halved
        from epistemics import c

        def start(x):
            return halved(x) + c.SHIFT + odd(5)

        def odd(n):
            return n != 0 and even(n - 1)

        def even(n):
            return n == 0 or odd(n - 1)
    """,
    "b": """
        from epistemics.c import FACTOR, Options

        def halved(x, options: Options = None):
            return x * FACTOR
    """,
    "c": """
        SHIFT, FACTOR = 1, 0.5

        class Options:
            def scaled(self):
                return self.size * FACTOR
    """,
}


@pytest.fixture
def of_start(package: Callable[..., None]) -> Callable[..., str]:
    """The fingerprint of ``start`` in a package of these modules, in which these texts are replaced."""

    def taken(modules: dict[str, str], *replacements: tuple[str, str]) -> str:
        text = {name: dedent(module) for name, module in modules.items()}
        for old, new in replacements:
            assert any(old in module for module in text.values()), old
            text = {name: module.replace(old, new) for name, module in text.items()}
        package(**text)
        return fingerprint("a.start")

    return taken


@pytest.mark.parametrize(
    "replacements",
    [
        [("halved", "half_of")],
        [("FACTOR", "SHARE")],
        [("SHIFT", "OFFSET")],
        [("odd", "is_odd"), ("even", "is_even")],
        [("Options", "Settings")],
        [("import halved", "import halved as h"), ("return halved(", "return h(")],
        [("from epistemics import c\n", "import epistemics.c\n"), ("+ c.", "+ epistemics.c.")],
        [("from epistemics import c\n", ""), ("return halved", "from epistemics import c\n    return halved")],
    ],
)
def test_a_name_does_not_count(of_start: Callable[..., str], replacements: list[tuple[str, str]]) -> None:
    assert of_start(AS_IT_WAS, *replacements) == of_start(AS_IT_WAS)


def test_a_place_does_not_count(of_start: Callable[..., str]) -> None:
    before = of_start(AS_IT_WAS)
    renamed = {"a": AS_IT_WAS["a"], "elsewhere": AS_IT_WAS["b"], "rooms__in__inner": AS_IT_WAS["c"]}
    moves = [
        ("epistemics.b ", "epistemics.elsewhere "),
        ("epistemics.c ", "epistemics.rooms.inner "),
        ("from epistemics import c", "from epistemics.rooms import inner as c"),
    ]
    assert of_start(renamed, *moves) == before
    together = "\n".join(dedent(AS_IT_WAS[name]) for name in "cba")
    gone = [(line, "") for line in together.splitlines() if line.startswith("from epistemics")]
    assert of_start({"a": together}, *gone, ("c.SHIFT", "SHIFT")) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SHIFT, FACTOR = 1, 0.5", "SHIFT, FACTOR = 1, 0.6"),  # a constant, three imports away
        ("SHIFT, FACTOR = 1, 0.5", "FACTOR, SHIFT = 1, 0.5"),  # which of the two is which
        ("return n == 0 or", "return n == 1 or"),  # one of two that call each other
        ("n != 0 and even", "n != 0 and odd"),  # what a hole is filled with
        ("return self.size * FACTOR", "return self.size"),  # a class that only an annotation names
        ("+ c.SHIFT", "+ c.FACTOR"),
    ],
)
def test_what_it_computes_counts(of_start: Callable[..., str], old: str, new: str) -> None:
    assert of_start(AS_IT_WAS, (old, new)) != of_start(AS_IT_WAS)


def test_two_functions_that_swap_their_names_are_a_change(of_start: Callable[..., str]) -> None:
    modules = {"a": "def start():\n    return f() - g()\n\n\ndef f():\n    return 1\n\n\ndef g():\n    return 2\n"}
    before = of_start(modules)
    assert of_start(modules, ("def f", "def x"), ("def g", "def f"), ("def x", "def g")) != before


ALIKE = {
    "a": """
        from math import log
        from epistemics.b import A, B, T, raising

        def start():
            try:
                raising()
            except A:
                return log(T[0])
    """,
    "b": """
        class A(Exception):
            pass

        class B(Exception):
            pass

        T = [0]
        T[0] += 1
        if T:
            T.append(2)

        def raising():
            raise A
    """,
}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("except A:", "except B:"),  # two definitions that look alike are not one
        ("raise A", "raise B"),
        ("import log", "import log2 as log"),  # what a name is outside of the package
        ("T[0] += 1", "T[0] += 2"),  # what changes a definition after it was made
        ("T.append(2)", "T.append(3)"),
    ],
)
def test_what_looks_alike_is_told_apart(of_start: Callable[..., str], old: str, new: str) -> None:
    assert of_start(ALIKE, (old, new)) != of_start(ALIKE)


def test_a_class_s_own_name_is_not_the_module_s(of_start: Callable[..., str]) -> None:
    modules = {"a": "A = 3\nC = 3\n\n\nclass start:\n    A = 7\n    C = 8\n    size = A\n"}
    assert of_start(modules, ("size = A", "size = C")) != of_start(modules)


def test_another_name_for_what_is_outside_does_not_count(of_start: Callable[..., str]) -> None:
    assert of_start(ALIKE, ("import log", "import log as ln"), ("log(T", "ln(T")) == of_start(ALIKE)


def test_an_annotation_of_what_is_reached_anyway_does_not_count(of_start: Callable[..., str]) -> None:
    assert of_start(ALIKE, ("def start():", "def start(x: A = None):")) == of_start(
        ALIKE, ("def start():", "def start(x=None):")
    )


def test_no_module_imports_two_things_by_one_name() -> None:
    """Imports inside functions are read as the module's: one name for two things would be taken for one of them."""
    for path in sorted(module.PACKAGE.rglob("*.py")):
        bound: dict[str, set[str]] = {}
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for alias in node.names if isinstance(node, ast.Import | ast.ImportFrom) else []:
                assert alias.name != "*", path
                whole = f"{getattr(node, 'module', None) or ''}.{alias.name}"
                bound.setdefault(alias.asname or alias.name, set()).add(whole)
        assert {name for name, things in bound.items() if len(things) > 1} == set(), path


def test_a_name_with_two_definitions_is_both(of_start: Callable[..., str]) -> None:
    modules = {
        "a": """
            import sys

            if sys.platform == "linux":
                def helper():
                    return 1
            else:
                def helper():
                    return 2

            def start():
                return helper()
        """
    }
    assert of_start(modules, ("return 2", "return 3")) != of_start(modules)
    assert of_start(modules, ("helper", "other")) == of_start(modules)


# A local name that is spelled like a definition is not a use of it


@pytest.mark.parametrize(
    ("start", "uses"),
    [
        ("def start(SIZE):\n    return SIZE", False),
        ("def start(*SIZE):\n    return SIZE", False),
        ("def start():\n    SIZE = 3\n    return SIZE", False),
        ("def start():\n    for SIZE in (1, 2):\n        pass\n    return SIZE", False),
        ("def start():\n    return [SIZE for SIZE in (1, 2)]", False),
        ("def start():\n    return [x for x in SIZE]", True),
        ("def start():\n    return [SIZE for SIZE in SIZE]", True),
        ("def start():\n    return [x for x in (1, 2) for y in SIZE]", True),
        ("def start():\n    return (lambda SIZE: SIZE)(1)", False),
        ("def start():\n    return (lambda x=SIZE: x)()", True),
        ("def start():\n    return (lambda SIZE: SIZE)(SIZE)", True),
        ("def start(SIZE=SIZE):\n    return SIZE", True),
        ("def start(key=lambda SIZE: SIZE):\n    return SIZE", True),
        ("def start():\n    global SIZE\n    SIZE = 3\n    return SIZE", True),
        ("def start(SIZE):\n    def inner():\n        return SIZE\n    return inner", False),
        ("def start(SIZE):\n    def inner():\n        global SIZE\n        return SIZE\n    return inner", True),
        ("def start():\n    def inner(SIZE):\n        return SIZE\n    return inner(SIZE)", True),
        ("def start():\n    try:\n        pass\n    except ValueError as SIZE:\n        return SIZE", False),
        ("def start(x):\n    match x:\n        case [SIZE, *_]:\n            return SIZE", False),
        ("def start():\n    if (SIZE := 3):\n        return SIZE", False),
        ("def start():\n    import SIZE\n    return SIZE", False),
        ("class start:\n    SIZE = 3\n    def size(self):\n        return SIZE", True),
        ("class start:\n    SIZE = 3\n    def size(self):\n        return self.SIZE", False),
    ],
)
def test_shadowed_names(package: Callable[..., None], start: str, uses: bool) -> None:
    package(a=f"from epistemics.b import SIZE\n\n\n{start}\n", b="SIZE = 7\n")
    assert ("b.SIZE" in reached("a.start")) == uses


def test_scopes_are_python_s_own() -> None:
    """Every definition of the package, against the compiler's table of symbols."""
    for path in sorted(module.PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(module.PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip(".")
        read = module._Source(module.NOTHING_REDUCED).module(name)
        for definition, found in read.definitions.items():
            table = symtable.symtable(found.source, str(path), "exec")
            bound = {read.bound(used) for used in _global_names(table)} - {None, f"{name}.{definition}".lstrip(".")}
            otherwise = {used for used in found.uses if used.rpartition(".")[0] in read.modules.values()}
            inside = [n for n in ast.walk(ast.parse(found.source)) if isinstance(n, ast.ImportFrom)]
            imported = {read.bound(a.asname or a.name) for n in inside for a in n.names}  # local to the compiler
            assert bound - set(found.uses) == set(), f"{path.name}: {definition}"
            assert set(found.uses) - bound - otherwise - imported == set(), f"{path.name}: {definition}"


def _global_names(table: symtable.SymbolTable) -> set[str]:
    """Names that are read from the module in a table or any table in it."""
    at_top = table.get_type() == "module"
    names = {s.get_name() for s in table.get_symbols() if s.is_referenced() and (at_top or s.is_global())}
    return names.union(*(_global_names(child) for child in table.get_children()))


def test_the_cells_of_a_chapter_reach_what_they_import(package: Callable[..., None]) -> None:
    package(a="def used():\n    return 1\n\n\ndef idle():\n    return 2\n")
    assert reached_from("from epistemics import a\nimport math\nshown = a.used()\nshown\n").keys() == {"a.used"}


def test_an_unknown_name_is_refused_with_its_file(package: Callable[..., None]) -> None:
    package(a="")
    with pytest.raises(UnknownDefinition, match=r"a\.nothing: src/epistemics/a\.py does not define it"):
        fingerprint("a.nothing")
    with pytest.raises(UnknownDefinition, match="nowhere: no such module in the package"):
        fingerprint("nowhere.nothing")


@pytest.mark.parametrize("settings", [{name: value} for name in ("network", "gradient") for value in NAMES[name]])
def test_experiment_code_uses_nothing_that_reading_can_t_follow(
    configuration: Callable[..., Configuration], settings: dict[str, str]
) -> None:
    """No attribute or definition is looked up by a text, so that what is reached is what runs. The one exception is
    what the lines of a run name, which is followed. And a table is looked up by the names of its lines alone: what
    depends on the others besides could not be seen.
    """
    c = configuration(operations=NAMES["operations"], **settings)
    used = {name.rpartition(".")[2] for name in lines(c)} - {"Configuration"}
    hidden = {"getattr", "globals", "locals", "eval", "exec", "__import__", "import_module", "import_string"}
    for name, source in reached(*PARTS.values(), lines=lines(c)).items():
        if name == "science.named.named":
            continue
        tree = ast.parse(source)
        looked_up = {node.value for node in ast.walk(tree) if isinstance(node, ast.Subscript)}
        looked_up |= {node.comparators[0] for node in ast.walk(tree) if isinstance(node, ast.Compare)}  # is it there?
        looked_up |= {
            node.args[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and node.args and "join" in ast.unparse(node.func)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in used:
                assert node in looked_up, f"{name}: {node.id}"
        calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
        for call in calls:
            if ast.unparse(call.func) == "named":
                (entry,) = call.args
                assert isinstance(entry, ast.Subscript)
                assert ast.unparse(entry.value) in used, ast.unparse(call)
        called = {call.func for call in calls}
        names = {c.id if isinstance(c, ast.Name) else c.attr for c in called if isinstance(c, ast.Name | ast.Attribute)}
        assert not names & hidden, name


# Lines of tables

TABLES = {
    "a": """
        from epistemics.b import TABLE, Options, pick

        def start(options: Options):
            return pick(TABLE[options.name], options)
    """,
    "b": """
        TABLE = {"one": "c.first", "two": "c.second", "three": lambda x: x + 3}

        class Options:
            name: str
            size: int = 1
            shift: int = 2

            def twice(self):
                return 2 * self.size

        def pick(one, options):
            return one
    """,
    "c": "def first(x):\n    return x + 1\n\n\ndef second(x):\n    return x + 2\n",
}


@pytest.mark.parametrize(
    ("old", "new", "counts"),
    [
        ("return x + 1", "return x + 9", True),  # what the line names as text
        ("return x + 2", "return x + 9", False),
        ("lambda x: x + 3", "lambda x: x + 9", False),
        ('{"one": "c.first", "two": "c.second"', '{"two": "c.second", "one": "c.first"', False),
        ('"one": "c.first"', '"one": "c.second"', True),
        ("shift: int = 2", "shift: int = 3", False),
        ("size: int = 1", "size: int = 3", True),
        ("return 2 * self.size", "return 3 * self.size", True),
        ("name: str\n", "name: str\n            more: str\n", True),  # without a default everyone says it
    ],
)
def test_lines_that_are_not_asked_for_do_not_count(
    package: Callable[..., None], old: str, new: str, counts: bool
) -> None:
    asked = {"b.TABLE": ("one",), "b.Options": ("size",)}
    package(**{name: dedent(text) for name, text in TABLES.items()})
    before = fingerprint("a.start", lines=asked)
    assert sum(text.count(old) for text in TABLES.values()) == 1
    package(**{name: dedent(text.replace(old, new)) for name, text in TABLES.items()})
    assert (fingerprint("a.start", lines=asked) != before) == counts
    assert reached("a.start", lines=asked).keys() == {
        "a.start", "b.TABLE", "b.Options", "b.pick", "c.second" if '"one": "c.second"' in new else "c.first",
    }  # fmt: skip


def test_a_moved_definition_that_a_line_names_is_the_same(package: Callable[..., None]) -> None:
    package(**{name: dedent(text) for name, text in TABLES.items()})
    before = fingerprint("a.start", lines={"b.TABLE": ("one",)})
    moved = {"a": TABLES["a"], "b": TABLES["b"].replace('"c.', '"d.'), "d": TABLES["c"]}
    package(**{name: dedent(text) for name, text in moved.items()})
    assert fingerprint("a.start", lines={"b.TABLE": ("one",)}) == before


@pytest.mark.parametrize("name", ["b.pick", "b.FILLED", "b.COMPUTED"])
def test_what_has_no_lines_is_refused_by_name(package: Callable[..., None], name: str) -> None:
    package(
        a="from epistemics.b import FILLED, COMPUTED, pick\n\n\ndef start():\n    return pick, FILLED, COMPUTED\n",
        b="def pick():\n    return 1\n\n\nFILLED = {}\nFILLED['x'] = 1\nCOMPUTED = {str(1): 2}\n",
    )
    with pytest.raises(UnknownDefinition, match=rf"{name} has no lines"):
        fingerprint("a.start", lines={name: ("x",)})
    with pytest.raises(UnknownDefinition, match=r"b\.nothing"):
        fingerprint("a.start", lines={"b.nothing": ("x",)})


def test_a_line_that_is_not_there_is_not_no_line(package: Callable[..., None]) -> None:
    """A slip in a name would else make results hang on nothing, and be fresh for ever."""
    package(**{name: dedent(text) for name, text in TABLES.items()})
    asked: list[dict[str, tuple[str, ...]]] = [
        {"b.TABLE": ()}, {"b.TABLE": ("won",)}, {"b.TABLE": ("tow",)}, {"b.Options": ()}, {"b.Options": ("sise",)},
    ]  # fmt: skip
    assert len({fingerprint("a.start", lines=lines) for lines in asked}) == len(asked)
    with pytest.raises(UnknownDefinition, match=r"b\.TABLE: its lines are asked for as 'one'"):
        fingerprint("a.start", lines={"b.TABLE": "one"})


def test_without_lines_what_a_table_names_counts_where_it_is_looked_up(package: Callable[..., None]) -> None:
    modules = {
        "a": """
            from epistemics.b import TABLE
            from epistemics.c import named

            def start(name):
                return named(TABLE[name])

            def names():
                return list(TABLE)
        """,
        "b": 'TABLE = {"one": "d.first"}\n',
        "c": "def named(text):\n    return text\n",
        "d": "def first():\n    return 1\n",
    }
    package(**{name: dedent(text) for name, text in modules.items()})
    before = fingerprint("a.start"), fingerprint("a.names")
    assert "d.first" in reached("a.start")
    assert "d.first" not in reached("a.names")
    package(**{name: dedent(text.replace("return 1", "return 2")) for name, text in modules.items()})
    assert fingerprint("a.start") != before[0]
    assert fingerprint("a.names") == before[1]
