"""The hash of the source that a function reaches inside this package.

Definitions at the top level of a module (functions, classes, constants) are the nodes, the names that they use
are the edges, and a fingerprint hashes every node reached. Comments, formatting, docstrings and annotations do not
count. The source is read, never imported, so asking costs milliseconds and no torch.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent


class UnknownDefinition(KeyError):
    """A name that no module of the package defines."""


def fingerprint(*names: str) -> str:
    """16 hexadecimal digits over all that the definitions reach, given as ``module.name`` (``training.train``).

    Raises:
        UnknownDefinition: if the package defines no such name.
    """
    return source_hash("".join(f"{name}\0{digest}\0" for name, digest in sorted(definitions(*names).items())))


def definitions(*names: str) -> dict[str, str]:
    """``module.name`` → hash of the normalised source of every definition reached."""
    return {name: source_hash(source) for name, source in reached(*names).items()}


def source_hash(source: str) -> str:
    """16 hexadecimal digits."""
    return hashlib.sha256(source.encode()).hexdigest()[:16]


def path_to(root: str, name: str) -> list[str]:
    """A shortest way from one definition to another that it reaches, both included; empty if there is none."""
    ways = {root: [root]}
    waiting = [root]
    while waiting and name not in ways:
        current = waiting.pop(0)
        for used in sorted(uses_of(current)):
            if used not in ways:
                ways[used] = [*ways[current], used]
                waiting.append(used)
    return ways.get(name, [])


def uses_of(name: str) -> set[str]:
    """What one definition uses directly, as the names under which these are defined."""
    module_name, _, definition = _defining(name).rpartition(".")
    return {_defining(used) for used in _module(module_name).definitions[definition][1]}


def _defining(name: str) -> str:
    """The name of a definition where it is defined, not where it is imported."""
    while True:
        module_name, _, definition = name.rpartition(".")
        module = _module(module_name)
        if definition in module.definitions:
            return name
        if definition not in module.imported:
            file = f"src/epistemics/{module_name.replace('.', '/')}.py"
            raise UnknownDefinition(f"{name}: {file} does not define it")
        name = module.imported[definition]


def reached(*names: str) -> dict[str, str]:
    """``module.name`` → normalised source of every definition that the named ones reach, themselves included."""
    return _followed(list(names))


def reached_from(code: str) -> dict[str, str]:
    """The same for a piece of code outside the package, such as the cells of a chapter.

    Raises:
        SyntaxError: if it is not Python.
        UnknownDefinition: if it imports from the package what is not there.
    """
    module = _Module("", ast.parse(code))
    return _followed(sorted(module.uses))


def _followed(waiting: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    while waiting:
        name = _defining(waiting.pop())
        if name in found:
            continue
        module_name, _, definition = name.rpartition(".")
        found[name], uses = _module(module_name).definitions[definition]
        waiting += sorted(uses - found.keys())
    return found


class _Module:
    """One module's definitions: name → (normalised source, the ``module.name`` that it uses)."""

    def __init__(self, name: str, tree: ast.Module) -> None:
        self.name = name
        self.modules: dict[str, str] = {}  # local name, which may be dotted → module of the package
        self.imported: dict[str, str] = {}  # local name → module.name in the package
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "epistemics":
                inside = (node.module or "").partition(".")[2]
                for alias in node.names:
                    self._import(inside, alias.name, alias.asname or alias.name)
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    package, _, inside = alias.name.partition(".")
                    if package == "epistemics":
                        self.modules[alias.asname or alias.name] = inside
        nodes = _definitions(tree)
        self.definitions = {name: (_normalised(parts), self._uses(parts, set(nodes))) for name, parts in nodes.items()}
        self.uses = self._uses(tree.body, set())
        """What the module's code uses of the package as a whole."""

    def _import(self, inside: str, name: str, local: str) -> None:
        full = f"{inside}.{name}".lstrip(".")
        if _path(full) is not None:
            self.modules[local] = full
        else:
            self.imported[local] = full

    def _uses(self, parts: list[ast.stmt], own: set[str]) -> set[str]:
        uses = set()
        # Annotations are not hashed, but followed: they name the classes whose methods a function calls.
        for node in (inner for part in parts for inner in ast.walk(part)):
            if isinstance(node, ast.Name):
                if node.id in own:
                    uses.add(f"{self.name}.{node.id}".lstrip("."))
                elif node.id in self.imported:
                    uses.add(self.imported[node.id])
            elif isinstance(node, ast.Attribute) and (module := ast.unparse(node.value)) in self.modules:
                uses.add(f"{self.modules[module]}.{node.attr}")
        return uses


def _path(module: str) -> Path | None:
    """Where a module of the package lies, or None."""
    base = PACKAGE.joinpath(*module.split(".")) if module else PACKAGE
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _module(name: str) -> _Module:
    path = _path(name)
    if path is None:
        raise UnknownDefinition(f"{name}: no such module in the package")
    return _parsed(name, path, path.stat().st_mtime_ns)


@cache
def _parsed(name: str, path: Path, _modified: int) -> _Module:
    return _Module(name, ast.parse(path.read_text(encoding="utf-8")))


def _definitions(tree: ast.Module) -> dict[str, list[ast.stmt]]:
    """Top-level name → the statements that define it."""
    found: dict[str, list[ast.stmt]] = {}
    for node in tree.body:
        names: list[str] = []
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Assign):
            names = [n.id for target in node.targets for n in ast.walk(target) if isinstance(n, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names = [node.target.id]
        for name in names:
            found.setdefault(name, []).append(node)
    return found


class _Normaliser(ast.NodeTransformer):
    """Drops annotations and docstrings (and with them, a field's documentation)."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self._body(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._body(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def _body(self, node: ast.FunctionDef | ast.ClassDef) -> ast.AST:
        self.generic_visit(node)
        node.body = [
            statement
            for statement in node.body
            if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        ] or [ast.Pass()]
        return node


def _without_annotations(node: ast.stmt) -> ast.stmt:
    copied = ast.parse(ast.unparse(node)).body[0]
    normal = _Normaliser().visit(copied)
    assert isinstance(normal, ast.stmt)
    return normal


def _normalised(parts: list[ast.stmt]) -> str:
    return "\n".join(ast.unparse(_without_annotations(part)) for part in parts)
