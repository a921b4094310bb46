"""The hash of what a function computes: of its source, and of all that this reaches inside the package.

Definitions at the top level of a module (functions, classes, constants) are the nodes, the names that they use are the
edges. A definition counts as its source in which each name of the package is a hole, filled with what the name is bound
to. So neither where a definition lies counts nor what it is called, nor do comments, formatting, docstrings and
annotations. The source is read, never imported: asking costs milliseconds and no torch.

A table may have lines that not everyone uses. Whoever says which are used gets a fingerprint in which the others don't
count, so they can be added and changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from epistemics.store.source import Definition, Module

PACKAGE = Path(__file__).parents[1]

Lines = Mapping[str, Collection[str]]
"""Of a table, or of a class, by ``module.name``: the entries, or the fields with a default, that alone count."""
NOTHING_REDUCED: Lines = MappingProxyType({})
"""Every definition counts as a whole, with what its tables name as text where it looks them up."""


class UnknownDefinition(KeyError):
    """A name that no module of the package defines."""

    def __str__(self) -> str:
        return str(self.args[0])


def fingerprint(*names: str, lines: Lines = NOTHING_REDUCED) -> str:
    """16 hexadecimal digits over all that the definitions reach, given as ``module.name``.

    The definitions are numbered in the order in which they are met from the first on, which no name or place decides,
    and each counts as its form with the numbers of what fills its holes. Those that annotations alone lead to follow.

    Raises:
        UnknownDefinition: if the package defines no such name, or not with lines.
    """
    source = _Source(lines)
    return _hash_of([source.defining(name) for name in names], source)


def code_fingerprint(code: str) -> str:
    """The same for a piece of code outside the package, such as the cells of a chapter.

    Raises:
        SyntaxError, UnknownDefinition: as ``reached_from``.
    """
    module = Module("", code, "epistemics", _is_module)
    source = _Source(NOTHING_REDUCED)
    source.definitions[""] = Definition(code, code, module.uses, (), ())
    return _hash_of([""], source)


class _Source:
    """The package as it lies there now, each module looked at once; of some tables, the lines that are asked for."""

    def __init__(self, lines: Lines) -> None:
        self.definitions: dict[str, Definition] = {}
        self._modules: dict[str, Module] = {}
        self._defining: dict[str, str] = {}
        self._lines = {self.defining(name): own for name, own in lines.items()}

    def read(self, name: str) -> Definition:
        """A definition, by the name under which it is defined."""
        if name not in self.definitions:
            module_name, _, last = name.rpartition(".")
            module = self.module(module_name)
            own = self._lines.get(name)
            try:
                self.definitions[name] = module.definitions[last] if own is None else module.with_lines(last, own)
            except TypeError as error:
                raise UnknownDefinition(str(error)) from None
        return self.definitions[name]

    def beside(self, definition: Definition) -> tuple[str, ...]:
        """What else may run where a definition is used, besides what it spells: without lines, all that it looks up."""
        if self._lines:  # then the tables' own lines say which
            return definition.annotated
        tables = [self.defining(table).rpartition(".") for table in definition.looked_up]
        return (
            *definition.annotated,
            *(text for module, _, name in tables for text in self.module(module).texts(name)),
        )

    def defining(self, name: str) -> str:
        """The name of a definition where it is defined, not where it is imported."""
        if name not in self._defining:
            module_name, _, last = name.rpartition(".")
            module = self.module(module_name)
            if last in module.definitions:
                self._defining[name] = name
            elif last in module.imported:
                self._defining[name] = self.defining(module.imported[last])
            else:
                file = _path(module_name)
                assert file is not None
                where = f"src/epistemics/{file.relative_to(PACKAGE).as_posix()}"
                raise UnknownDefinition(f"{name}: {where} does not define it")
        return self._defining[name]

    def module(self, name: str) -> Module:
        """A module, by its name inside the package."""
        if name not in self._modules:
            path = _path(name)
            if path is None:
                raise UnknownDefinition(f"{name}: no such module in the package")
            self._modules[name] = _parsed(name, path, path.stat().st_mtime_ns)
        return self._modules[name]


def _hash_of(roots: list[str], source: _Source) -> str:
    met = _met(roots, source)
    numbers = {name: number for number, name in enumerate(met)}
    filled = [(d.form, [numbers[source.defining(used)] for used in d.uses]) for d in map(source.read, met)]
    return source_hash(repr((len(roots), filled)))


def _met(roots: list[str], source: _Source) -> list[str]:
    """All that some definitions reach, in the order in which it is met, what annotations or tables lead to last."""
    met = dict.fromkeys(roots)
    for follows in (lambda d: d.uses, lambda d: (*d.uses, *source.beside(d))):
        waiting = list(met)
        while waiting:
            new = dict.fromkeys(source.defining(used) for used in follows(source.read(waiting.pop(0))))
            waiting += [name for name in new if name not in met]
            met |= new
    return list(met)


def definitions(*names: str, lines: Lines = NOTHING_REDUCED) -> dict[str, str]:
    """``module.name`` → hash of the normalised source of every definition reached."""
    return {name: source_hash(source) for name, source in reached(*names, lines=lines).items()}


def source_hash(source: str) -> str:
    """16 hexadecimal digits."""
    return hashlib.sha256(source.encode()).hexdigest()[:16]


def path_to(root: str, name: str, lines: Lines = NOTHING_REDUCED) -> list[str]:
    """A shortest way from one definition to another that it reaches, both included; empty if there is none."""
    source, ways = _Source(lines), {root: [root]}
    waiting = [root]
    while waiting and name not in ways:
        current = waiting.pop(0)
        for used in sorted(_used(source, current)):
            if used not in ways:
                ways[used] = [*ways[current], used]
                waiting.append(used)
    return ways.get(name, [])


def uses_of(name: str) -> set[str]:
    """What one definition uses directly, as the names under which these are defined."""
    return _used(_Source(NOTHING_REDUCED), name)


def _used(source: _Source, name: str) -> set[str]:
    definition = source.read(source.defining(name))
    return {source.defining(used) for used in (*definition.uses, *source.beside(definition))}


def reached(*names: str, lines: Lines = NOTHING_REDUCED) -> dict[str, str]:
    """``module.name`` → normalised source of every definition that the named ones reach, themselves included."""
    source = _Source(lines)
    return {name: source.read(name).source for name in _met([source.defining(name) for name in names], source)}


def reached_from(code: str) -> dict[str, str]:
    """The same for a piece of code outside the package, such as the cells of a chapter.

    Raises:
        SyntaxError: if it is not Python.
        UnknownDefinition: if it imports from the package what is not there.
    """
    return reached(*sorted(set(Module("", code, "epistemics", _is_module).uses)))


def _path(module: str) -> Path | None:
    """Where a module of the package lies, or None."""
    base = PACKAGE.joinpath(*module.split(".")) if module else PACKAGE
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _is_module(name: str) -> bool:
    return _path(name) is not None


@cache
def _parsed(name: str, path: Path, _modified: int) -> Module:
    return Module(name, path.read_text(encoding="utf-8"), "epistemics", _is_module)
