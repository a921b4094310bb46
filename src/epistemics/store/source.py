"""The source of one module, read and never imported: what it defines, in normal form, and what each definition uses.

A definition is a name at the top level of a module, with every statement that defines it. Its source is kept without
comments, docstrings and annotations; in its form, each name that is bound to a definition of the package is a hole.
"""

from __future__ import annotations

import ast
import pickle
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

LOOKUP = "named"
"""What the function is called that gives a definition for its name as text."""
HOLE, ITSELF, BESIDE = "⟨⟩", "⟨itself⟩", "⟨beside⟩"
"""In a form: a name of the package, the definition's own, and another that the same statement defines. Python can
spell no name so."""


@dataclass(frozen=True)
class Definition:
    """One name at the top level of a module."""

    source: str
    """Its statements without comments, docstrings and annotations."""
    form: str
    """The same with holes."""
    uses: tuple[str, ...]
    """What fills the holes, in their order, as ``module.name``."""
    annotated: tuple[str, ...]
    """What its annotations name too. They are no part of what it computes, but say whose methods it calls."""
    looked_up: tuple[str, ...]
    """The tables of which it looks an entry up by ``named(TABLE[…])``, which may be any that they name as text."""


class Module:
    """What a module defines, and what it imports from its package.

    Args:
        name: inside the package, with dots; empty for code that is no module.
        text: its source.
        package: the import package's name.
        is_module: whether a dotted name inside the package is a module of it.

    Raises:
        SyntaxError: if the text is not Python.
    """

    def __init__(self, name: str, text: str, package: str, is_module: Callable[[str], bool]) -> None:
        tree = ast.parse(text)
        self.name = name
        self.package = package
        self.is_module = is_module
        self.modules: dict[str, str] = {}
        """Local name, which may be dotted → module of the package."""
        self.imported: dict[str, str] = {}
        """Local name → ``module.name`` of the package."""
        self.outside: dict[str, str] = {}
        """Local name → what it is outside of the package: ``np`` is ``numpy``."""
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom) and self.is_own_import(node):
                self._import(node, is_module)
        for statement in tree.body:
            if isinstance(statement, ast.Import | ast.ImportFrom) and not self.is_own_import(statement):
                self.outside |= _outside(statement)
        self.own: set[str] = set()
        self.uses = tuple(_Holes(self, None).filled(tree.body)[1])
        """What the code uses of the package besides its own definitions."""
        self._statements = _statements(tree)
        self.own |= self._statements.keys()
        self.definitions = {name: self._read(name, parts) for name, parts in self._statements.items()}
        self._reduced: dict[tuple[str, frozenset[str]], Definition] = {}

    def with_lines(self, name: str, lines: Collection[str]) -> Definition:
        """A definition of which some lines alone count: entries of a table, or fields of a class that have a default.

        An entry that names a definition of the package as text (``"science.network.Network"``) uses it.

        Raises:
            TypeError: if the definition is neither.
        """
        if isinstance(lines, str):
            raise TypeError(f"{self.name}.{name}: its lines are asked for as {lines!r}, which is no list of them")
        asked = name, frozenset(lines)
        if asked not in self._reduced:
            kept = [_reduced(part, asked[1]) for part in _copied(self._statements[name])]
            if len(kept) != 1 or kept[0] is None:
                raise TypeError(f"{self.name}.{name} has no lines: it is no class, nor one table written out")
            self._reduced[asked] = self._read(name, [kept[0]], follows_texts=True)
        return self._reduced[asked]

    def texts(self, name: str) -> tuple[str, ...]:
        """The definitions of the package that an own one names as texts, in the order of their lines."""
        return tuple(_Holes(self, name, follows_texts=True).filled(self._statements[name])[1])

    def bound(self, name: str) -> str | None:
        """The ``module.name`` that a name is bound to at the module's top level; None if that is not in the package."""
        module, _, last = name.rpartition(".")
        if module:
            return f"{self.modules[module]}.{last}".lstrip(".") if module in self.modules else None
        return f"{self.name}.{last}".lstrip(".") if last in self.own else self.imported.get(last)

    def is_own_import(self, node: ast.Import | ast.ImportFrom) -> bool:
        """Whether a statement imports from the package, and nothing else."""
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        return all(name.split(".")[0] == self.package for name in names)

    def _import(self, node: ast.Import | ast.ImportFrom, is_module: Callable[[str], bool]) -> None:
        for alias in node.names:
            local = alias.asname or alias.name
            if isinstance(node, ast.Import):
                self.modules[local] = alias.name.partition(".")[2]
                continue
            full = f"{(node.module or '').partition('.')[2]}.{alias.name}".lstrip(".")
            (self.modules if is_module(full) else self.imported)[local] = full

    def _read(self, name: str, parts: list[ast.stmt], *, follows_texts: bool = False) -> Definition:
        normal = [_Normaliser().visit(part) for part in _copied(parts)]
        source = "\n".join(ast.unparse(part) for part in normal)
        form, uses = _Holes(self, name, follows_texts).filled(normal)
        _, everything = _Holes(self, name, follows_texts).filled(parts)
        return Definition(source, form, tuple(uses), tuple(dict.fromkeys(everything)), self._looked_up(parts))

    def _looked_up(self, parts: list[ast.stmt]) -> tuple[str, ...]:
        found = []
        for node in (inner for part in parts for inner in ast.walk(part)):
            match node:
                case ast.Call(func=ast.Name(id=function), args=[ast.Subscript(value=ast.Name(id=table))]):
                    looked_up, by = self.bound(table), self.bound(function) or ""
                    if looked_up and by.rpartition(".")[2] == LOOKUP:
                        found.append(looked_up)
        return tuple(dict.fromkeys(found))


def _copied(parts: list[ast.stmt]) -> list[ast.stmt]:
    """As ``copy.deepcopy``, in a fifth of the time: most of what reading the package takes is this."""
    copies: list[ast.stmt] = pickle.loads(pickle.dumps(parts))
    return copies


def _reduced(statement: ast.stmt, lines: frozenset[str]) -> ast.stmt | None:
    """The same with these lines and no others; None if it has none.

    Entries are put in order, for where one stands does not count. One that is not there is in its place, so that a slip
    in a name is no definition without lines.
    """
    match statement:
        case ast.ClassDef():
            known = {part.target.id for part in statement.body if _is_field(part)}  # type: ignore[attr-defined]
            body = [part for part in statement.body if not (_is_field(part) and _is_other_field(part, lines))]
            statement.body = [
                *body,
                *(ast.Assign([_absent(name)], _absent(name), lineno=0) for name in sorted(lines - known)),
            ]
        case ast.Assign(value=ast.Dict() as table) | ast.AnnAssign(value=ast.Dict() as table):
            if not all(isinstance(key, ast.Constant) and isinstance(key.value, str) for key in table.keys):
                return None
            entries = {key.value: (key, value) for key, value in zip(table.keys, table.values, strict=True)}  # type: ignore[union-attr]
            kept = [entries.get(name, (ast.Constant(name), _absent(name))) for name in sorted(lines)]
            table.keys, table.values = [key for key, _ in kept], [value for _, value in kept]
        case _:
            return None
    return statement


def _absent(name: str) -> ast.Name:
    return ast.Name(f"⟨no {name}⟩", ast.Load())


def _is_field(part: ast.stmt) -> bool:
    return isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)


def _is_other_field(part: ast.stmt, lines: Collection[str]) -> bool:
    """Whether a field has a default and is none of these."""
    match part:
        case ast.AnnAssign(target=ast.Name(id=field), value=value):
            return value is not None and field not in lines
    return False


def _statements(tree: ast.Module) -> dict[str, list[ast.stmt]]:
    """Top-level name → the statements that define it, or change it: ``TABLE["x"] = 1``, ``TABLE.update(x=1)``."""
    own = {name for node in tree.body for name in _defined_by(node)}
    found: dict[str, list[ast.stmt]] = {}
    for node in tree.body:
        for name in dict.fromkeys([*_defined_by(node), *_changed_by(node)]):
            if name in own:
                found.setdefault(name, []).append(node)
    return found


def _defined_by(node: ast.AST) -> Iterator[str]:
    """The names that a statement binds at its own level; an ``if`` or ``try`` binds what the statements in it do."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name
        case ast.Name(ctx=ast.Store()):
            yield node.id
        case ast.Lambda() | ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            pass
        case _:
            for inner in ast.iter_child_nodes(node):
                yield from _defined_by(inner)


def _changed_by(node: ast.stmt) -> Iterator[str]:
    """The names that a statement may change: all that it mentions, but for those that it only reads for another."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.Import() | ast.ImportFrom():
            return
        case ast.Assign() | ast.AnnAssign():
            parts: list[ast.AST] = [*node.targets] if isinstance(node, ast.Assign) else [node.target]
        case _:
            parts = [node]
    yield from (inner.id for part in parts for inner in ast.walk(part) if isinstance(inner, ast.Name))


def _outside(node: ast.Import | ast.ImportFrom) -> dict[str, str]:
    if isinstance(node, ast.ImportFrom):
        return {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return {alias.asname: alias.name for alias in node.names if alias.asname}


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


class _Holes(ast.NodeTransformer):
    """Makes a hole of each name that is bound to a definition of the package, and of no other that is spelled so."""

    def __init__(self, module: Module, itself: str | None, follows_texts: bool = False) -> None:
        self.module = module
        self.itself = itself
        self.follows_texts = follows_texts
        self.scopes: list[dict[str, bool] | frozenset[str]] = []
        """Of the functions around, the outermost first: name → whether it is the function's own (or, by ``global``,
        not). Of a class, the names that it binds, which its functions don't see."""
        self.uses: list[str] = []

    def filled(self, parts: list[ast.stmt]) -> tuple[str, list[str]]:
        """The form of some statements, and what fills its holes."""
        visited = [self.visit(part) for part in _copied(parts)]
        return "\n".join(ast.unparse(part) for part in visited if part is not None), self.uses

    def visit_Name(self, node: ast.Name) -> ast.AST:
        stored = not isinstance(node.ctx, ast.Load)
        if self._is_local(node.id):
            return node
        if self.scopes and isinstance(self.scopes[-1], frozenset) and node.id in self.scopes[-1]:
            if not stored:  # the class's own, or before it has that name, the module's: both count
                self._hole(node.id)
            return node
        if node.id == self.itself:
            return ast.Name(ITSELF)
        if stored and not self.scopes:
            return ast.Name(BESIDE) if node.id in self.module.own else node
        outside = self.module.outside.get(node.id)
        return self._hole(node.id) or (ast.Name(f"⟨{outside}⟩") if outside else node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if self.follows_texts and isinstance(node.value, str):
            module, _, name = node.value.rpartition(".")
            if module and name.isidentifier() and self.module.is_module(module):
                self.uses.append(node.value)
                return ast.Name(HOLE)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        dotted = ast.unparse(node)
        hole = None if self._is_local(dotted.partition(".")[0]) else self._hole(dotted)
        return hole or self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> ast.AST | None:
        return None if self.module.is_own_import(node) else node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        return None if self.module.is_own_import(node) else node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        names = frozenset(name for statement in node.body for name in _defined_by(statement))
        return self._definition(node, names)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._definition(node, self._names_of(node))

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._definition(node, self._names_of(node))

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        names = self._names_of(node)
        node.args = self.visit(node.args)
        self.scopes.append(names)
        node.body = self.visit(node.body)
        self.scopes.pop()
        return node

    def visit_ListComp(self, node: ast.ListComp) -> ast.AST:
        return self._comprehension(node)

    def visit_SetComp(self, node: ast.SetComp) -> ast.AST:
        return self._comprehension(node)

    def visit_DictComp(self, node: ast.DictComp) -> ast.AST:
        return self._comprehension(node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> ast.AST:
        return self._comprehension(node)

    def _definition(
        self, node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, scope: dict[str, bool] | frozenset[str]
    ) -> ast.AST:
        if not self.scopes and node.name == self.itself:
            node.name = ITSELF
        body, node.body = node.body, []
        self.generic_visit(node)  # decorators, defaults, bases: they are evaluated outside
        self.scopes.append(scope)
        node.body = [visited for statement in body if (visited := self.visit(statement)) is not None]
        self.scopes.pop()
        return node

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> ast.AST:
        first = node.generators[0]
        outside = self.visit(first.iter)  # the one part that is evaluated outside
        first.iter = ast.Constant(None)
        targets = [name for generator in node.generators for name in _defined_by(generator.target)]
        self.scopes.append(dict.fromkeys(targets, True))
        self.generic_visit(node)
        self.scopes.pop()
        first.iter = outside
        return node

    def _is_local(self, name: str) -> bool:
        for scope in reversed(self.scopes):
            if isinstance(scope, dict) and name in scope:
                return scope[name]
        return False

    def _hole(self, name: str) -> ast.Name | None:
        bound = self.module.bound(name)
        if bound is None:
            return None
        self.uses.append(bound)
        return ast.Name(HOLE)

    def _names_of(self, function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> dict[str, bool]:
        """The function's own names, and those that it declares global."""
        a = function.args
        arguments = [*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg]
        found = {argument.arg: True for argument in arguments if argument is not None}
        body = function.body if isinstance(function.body, list) else [function.body]
        for statement in body:
            for name, is_own in self._names_in(statement):
                found[name] = is_own and found.get(name, True)  # `global` holds for the whole function
        return found

    def _names_in(self, node: ast.AST) -> Iterator[tuple[str, bool]]:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name, True
                return
            case ast.Lambda():
                return
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                walrus = [inner for inner in ast.walk(node) if isinstance(inner, ast.NamedExpr)]
                yield from ((inner.target.id, True) for inner in walrus)
                return
            case ast.Global():
                yield from ((name, False) for name in node.names)
            case ast.Name(ctx=ast.Store() | ast.Del()):
                yield node.id, True
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name, True
            case ast.MatchMapping(rest=str(name)):
                yield name, True
            case ast.Import() | ast.ImportFrom() if not self.module.is_own_import(node):
                yield from ((alias.asname or alias.name.partition(".")[0], True) for alias in node.names)
        for inner in ast.iter_child_nodes(node):
            yield from self._names_in(inner)
