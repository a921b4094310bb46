"""What the package says of itself, read from its source and never run: its public names, and its rooms.

A chapter that shows it depends on what no fingerprint sees, docstrings, annotations and the imports of every module;
``publishing.chapter_keys`` knows that.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from epistemics import PUBLIC
from epistemics.store.fingerprint import PACKAGE

LINE = 62
"""The longest signature that stands on one line: no more fits a printed page."""

SECTION = re.compile(r"^(?:Args|Returns|Raises):$", re.M)


@dataclass(frozen=True)
class Documented:
    """A function or class, with what its source says of it."""

    name: str
    module: str
    """As ``epistemics.science.training``."""
    about: str
    """The first paragraph of the module's docstring."""
    signature: str
    """As Python, without the body."""
    text: str
    """Its own docstring."""
    fields: tuple[tuple[str, str], ...] = ()
    """Of a class: each public field, property or method as it is declared, and what is said of it."""


@dataclass(frozen=True)
class Room:
    """A package or module at the top of ``epistemics``, such as ``lab``, or an import package beside it."""

    name: str
    is_beside: bool
    """Whether it is a package of its own, beside ``epistemics``."""
    says: str
    """The beginning of its docstring."""
    imports: tuple[str, ...]
    """The other rooms that its modules import, sorted."""


def documented() -> list[Documented]:
    """Every public name, in the order in which the package lists them."""
    trees = {module: _tree(PACKAGE.parent.joinpath(*module.split("."))) for module in {*PUBLIC.values()}}
    return [_documented(name, module, trees[module]) for name, module in PUBLIC.items()]


def _documented(name: str, module: str, tree: ast.Module) -> Documented:
    about = _on_a_line(_text(tree).split("\n\n")[0])
    node = next(node for node in tree.body if getattr(node, "name", None) == name)
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(ast.unparse(base) for base in node.bases)
        head = f"class {name}({bases})" if bases else f"class {name}"
        return Documented(name, module, about, head, _text(node), tuple(_fields(node)))
    assert isinstance(node, ast.FunctionDef), f"{module}.{name} is neither a function nor a class"
    return Documented(name, module, about, _signature(node), _text(node))


def _tree(path: Path) -> ast.Module:
    """Of a package or a module, given by its path without an ending."""
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8"))


def _text(node: ast.Module | ast.ClassDef | ast.FunctionDef) -> str:
    return ast.get_docstring(node) or ""


def _on_a_line(text: str) -> str:
    return " ".join(text.split())


def _signature(node: ast.FunctionDef) -> str:
    arguments = _arguments(node)
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    whole = f"{node.name}({', '.join(arguments)}){returns}"
    if len(whole) <= LINE:
        return whole
    return f"{node.name}(\n" + "".join(f"    {argument},\n" for argument in arguments) + f"){returns}"


def _arguments(node: ast.FunctionDef) -> list[str]:
    """Each as it is written, with spaces around the sign before a default."""
    parts, depth = [""], 0
    for character in re.sub(r"(?<=[\w\]])=", " = ", ast.unparse(node.args)):
        depth += (character in "([{") - (character in ")]}")
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def _fields(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for position, statement in enumerate(node.body):
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name)) if not name.startswith("_"):
                match node.body[position + 1 : position + 2]:
                    case [ast.Expr(value=ast.Constant(value=str(says)))]:
                        pass
                    case _:
                        says = ""
                yield f"{name}: {ast.unparse(statement.annotation)}", _on_a_line(says)
            case ast.FunctionDef(name=name) if not name.startswith("_"):
                is_property = any(ast.unparse(decorator).endswith("property") for decorator in statement.decorator_list)
                arguments = "" if is_property else f"({', '.join(_arguments(statement)[1:])})"
                returns = ast.unparse(statement.returns) if statement.returns else "None"
                sign = ": " if is_property else " -> "
                yield f"{name}{arguments}{sign}{returns}", _on_a_line(SECTION.split(_text(statement))[0])


def rooms() -> list[Room]:
    """Every room of ``src``, sorted by name."""
    inside = [path.with_suffix("") for path in PACKAGE.iterdir() if path.suffix == ".py" or _is_package(path)]
    beside = [path for path in PACKAGE.parent.iterdir() if path != PACKAGE and _is_package(path)]
    found = [path for path in (*inside, *beside) if not path.name.startswith("_")]
    return [_room(path) for path in sorted(found, key=lambda path: path.name)]


def _is_package(path: Path) -> bool:
    return (path / "__init__.py").is_file()


def _room(path: Path) -> Room:
    files = path.rglob("*.py") if path.is_dir() else [path.with_suffix(".py")]
    imports = {room for file in files for module in _imported(file) if (room := _room_of(module))}
    first = re.split(r"(?<=[.:])\s", _on_a_line(_text(_tree(path))), maxsplit=1)[0]
    return Room(path.name, path.parent != PACKAGE, first.rstrip(".:"), tuple(sorted(imports - {path.name, ""})))


def _imported(file: Path) -> Iterator[str]:
    """The modules that a file imports, as they are named there; code in a text of it is none of its own."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        match node:
            case ast.ImportFrom(module=str(module), level=0):
                yield module
            case ast.Import(names=names):
                yield from (alias.name for alias in names)


def _room_of(module: str) -> str:
    """The room in which a module lies; none for one from elsewhere, and for the package itself."""
    package, _, inside = module.partition(".")
    if package == PACKAGE.name:
        return inside.partition(".")[0]
    return package if _is_package(PACKAGE.parent / package) else ""


def needed(imports: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The arrows without those that follow from others: where a leads to b and b to c, a → c says nothing new.

    Args:
        imports: room → the rooms that it imports; no circles.
    """

    def below(room: str) -> set[str]:
        return {further for one in imports[room] for further in (one, *below(one))}

    return {
        room: [one for one in own if not any(one in below(other) for other in own)] for room, own in imports.items()
    }
