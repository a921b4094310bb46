"""The key of all that a chapter's output depends on besides its text."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path

from epistemics.analysis.package import documented, rooms
from epistemics.chapters.contents import judging
from epistemics.declared.experiments import CLAIMS, experiment_names, load_experiment
from epistemics.declared.project import Project
from epistemics.lab.status import status
from epistemics.store.fingerprint import code_fingerprint, reached_from, uses_of
from epistemics.store.store import Store

JUDGEMENTS = "chapters.ledger.chapter.judgements"
EVIDENCE = "\nfrom epistemics.chapters.{0} import chapter as judging_{0}\njudging_{0}.evidence_of"
LOAD_RESULTS = "analysis.stored_runs.load_results"

READ_FROM_SOURCE: Mapping[str, Callable[[], object]] = {
    "analysis.package.documented": documented,
    "analysis.package.rooms": rooms,
}
"""Functions whose answers hang on docstrings, annotations and imports, which the source that is reached is without."""


def chapter_key(project: Project, states: tuple[str, ...] = ("stale",)) -> Callable[[Path, list[str]], str]:
    """A function from a chapter's path and code cells to what its output depends on besides them.

    That is the source that the cells reach in this package, the experiment files and results that they load, and the
    log's claims where they are read. Two equal keys promise equal outputs; a change of prose changes none.

    Args:
        states: those of a result that make a difference. A stale one is marked where it is shown; chapters show an
            adopted one as it was, and only the data of the list of runs tell it from a fresh one.
    """
    store = Store(project.results)

    @cache  # most chapters load what others load too, and every result is read for it
    def stored(name: str) -> list[str]:
        planned = load_experiment(project.experiments, name, project.profile).runs
        text = (project.experiments / f"{name}.yaml").read_text(encoding="utf-8")
        # A run as a whole: where an experiment takes it over, its label is another file's.
        return [text] + [
            f"{s.run} {store.content(s.run.key)}{f' {s.state}' if s.state in states else ''}"
            for s in status(planned, store)
        ]

    def key(_: Path, cells: list[str]) -> str:
        text = code_of(cells)
        reached = reached_from(text)
        # Names, for they are shown below figures, and besides them what each is bound to.
        parts = [f"profile {project.profile}", code_fingerprint(text)]
        parts += [f"{name}\0{source}" for name, source in sorted(reached.items())]
        for name in loaded(text, reached, experiment_names(project.experiments)):
            parts += stored(name)
        if "analysis.claims.load_claims" in reached:
            parts.append((project.experiments / CLAIMS).read_text(encoding="utf-8"))
        parts += [repr(read()) for name, read in READ_FROM_SOURCE.items() if name in reached]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    return key


def code_of(cells: list[str]) -> str:
    """The code of some cells, and of what these call by names that reading does not see."""
    text = "\n".join(cells)
    if JUDGEMENTS in reached_from(text):  # which imports, by their names, the chapters that judge claims
        text += "".join(EVIDENCE.format(name) for name in judging())
    return text


def experiments_of(cells: list[str], experiments: Iterable[str]) -> list[str]:
    """Those of some experiments whose results the cells of a chapter load."""
    text = code_of(cells)
    return loaded(text, reached_from(text), experiments)


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
        constants = {other.rpartition(".")[2]: reached[other] for other in used if other in reached}
        asked = _asked(ast.parse(source), constants)
        if asked is None:
            return known
        found |= asked
    return [name for name in known if name in found]


def _asked(tree: ast.Module, constants: Mapping[str, str]) -> set[str] | None:
    """The texts that ``load_results`` is called with; None where reading can't tell."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_load(node.func)]
    if not calls or sum(map(_is_load, ast.walk(tree))) > len(calls):  # another name for it, or handed on
        return None
    asked = [[*call.args, *(k.value for k in call.keywords if k.arg == "name")] for call in calls]
    texts = [_texts(arguments[0], tree, constants) if arguments else None for arguments in asked]
    return None if None in texts else {text for some in texts for text in some or ()}


def _texts(value: ast.expr, tree: ast.Module, constants: Mapping[str, str]) -> set[str] | None:
    """What an expression can be: a text, some of these, a loop's variable over them, or a constant of the package."""
    match value:
        case ast.Constant(value=str(text)):
            return {text}
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            several = [_texts(part, tree, constants) for part in parts]
            return None if None in several else {text for some in several for text in some or ()}
        case ast.Name(id=name):
            bound = [node for node in ast.walk(tree) if _binds(node, name)]
            loops = [n for n in ast.walk(tree) if isinstance(n, ast.For | ast.comprehension) and n.target in bound]
            if len(bound) == 1 and loops:
                return _texts(loops[0].iter, tree, constants)
            if not bound and name in constants:
                (statement, *more) = ast.parse(constants[name]).body
                if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value and not more:
                    return _texts(statement.value, ast.Module([], []), {})
    return None


def _binds(node: ast.AST, name: str) -> bool:
    match node:
        case ast.Name(id=bound, ctx=ast.Store() | ast.Del()) | ast.arg(arg=bound):
            return bound == name
        case ast.FunctionDef(name=bound) | ast.ClassDef(name=bound):
            return bound == name
        case ast.alias():
            return node.asname == name
        case ast.ExceptHandler(name=bound) | ast.MatchAs(name=bound) | ast.MatchStar(name=bound):
            return bound == name
    return False


def _is_load(node: ast.AST) -> bool:
    return isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node).split(".")[-1] == "load_results"
