"""The key of all that a chapter's output depends on besides its text."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from epistemics.declared.experiments import CLAIMS, experiment_names, load_experiment
from epistemics.declared.project import Project
from epistemics.lab.status import status
from epistemics.store.fingerprint import reached_from, uses_of
from epistemics.store.store import Store

LOAD_RESULTS = "analysis.stored_runs.load_results"


def chapter_key(project: Project, states: tuple[str, ...] = ("stale",)) -> Callable[[Path, list[str]], str]:
    """A function from a chapter's path and code cells to what its output depends on besides them.

    That is the source that the cells reach in this package, the experiment files and results that they load, and the
    log's claims where they are read. Two equal keys promise equal outputs; a change of prose changes none.

    Args:
        states: those of a result that make a difference. A stale one is marked where it is shown; chapters show an
            adopted one as it was, and only the data of the list of runs tell it from a fresh one.
    """
    store = Store(project.results)

    def key(_: Path, cells: list[str]) -> str:
        text = "\n".join(cells)
        reached = reached_from(text)
        parts = [f"profile {project.profile}"] + [f"{name}\0{source}" for name, source in sorted(reached.items())]
        for name in loaded(text, reached, experiment_names(project.experiments)):
            planned = load_experiment(project.experiments, name, project.profile).runs
            parts.append((project.experiments / f"{name}.yaml").read_text(encoding="utf-8"))
            for s in status(planned, store):
                parts.append(f"{s.run.key} {store.content(s.run.key)}{f' {s.state}' if s.state in states else ''}")
        if "analysis.claims.load_claims" in reached:
            parts.append((project.experiments / CLAIMS).read_text(encoding="utf-8"))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    return key


def loaded(text: str, reached: Mapping[str, str], experiments: Iterable[str]) -> list[str]:
    """The experiments whose results are loaded by some code or by a definition that it reaches.

    A name is read where ``load_results`` is called, there itself or in a constant that is used there. Where reading
    can't tell which it is, it may be any.

    Args:
        text: the code.
        reached: ``module.name`` → source, of the definitions.
        experiments: the names of all.
    """
    known, found = list(experiments), set[str]()
    for name, source in {"": text, **reached}.items():
        used = uses_of(name) if name else set()
        if name == LOAD_RESULTS or not ("load_results" in source or LOAD_RESULTS in used):
            continue
        constants = [ast.parse(reached[other]) for other in used if other in reached]
        beside = {text for tree in constants if isinstance(tree.body[0], ast.Assign) for text in _strings(tree)}
        for named in _named(ast.parse(source), beside) or [set[str]()]:
            if not named & set(known):
                return known
            found |= named
    return [name for name in known if name in found]


def _named(tree: ast.Module, constants: set[str]) -> list[set[str]]:
    """For each mention of ``load_results``, the texts that can be asked for; none where reading can't tell."""
    mentions = [node for node in ast.walk(tree) if _is_load(node) or _is_renamed(node)]
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_load(node.func)]
    arguments = [[*call.args, *(k.value for k in call.keywords if k.arg == "name")] for call in calls]
    found = [_texts(argument[0], tree, constants) if argument else set[str]() for argument in arguments]
    return found + [set[str]()] * (len(mentions) - len(calls))


def _texts(asked: ast.expr, tree: ast.Module, constants: set[str]) -> set[str]:
    """What an expression can be: texts that stand in it, or where its name is bound; of the constants, any."""
    bound = [asked]
    if isinstance(asked, ast.Name):
        bound = [value for target, value in _bindings(tree) if any(n.id == asked.id for n in _names(target))] or bound
        if any(isinstance(node, ast.arg) and node.arg == asked.id for node in ast.walk(tree)):
            return set()  # its callers decide
    if any(isinstance(node, ast.Call | ast.JoinedStr | ast.BinOp) for value in bound for node in ast.walk(value)):
        return set()
    texts = {text for value in bound for text in _strings(value)}
    return texts | constants if any(_names(value) for value in bound) else texts


def _bindings(tree: ast.Module) -> Iterator[tuple[ast.expr, ast.expr]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.For | ast.comprehension):
            yield node.target, node.iter
        elif isinstance(node, ast.Assign):
            yield from ((target, node.value) for target in node.targets)


def _is_load(node: ast.AST) -> bool:
    return isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node).endswith("load_results")


def _is_renamed(node: ast.AST) -> bool:
    return isinstance(node, ast.alias) and node.name == "load_results" and bool(node.asname)


def _names(expression: ast.AST) -> list[ast.Name]:
    return [node for node in ast.walk(expression) if isinstance(node, ast.Name)]


def _strings(tree: ast.AST) -> set[str]:
    return {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
