"""The book of a checkout, asked of its own code in a copy of the checkout. The project gets caches in its workspace.

A commit may be older than this file. So it is asked for what every version of the book has had: its ``status``, what
its ``prepare`` writes, its ``verify``; its results are read as files, and ``drawn`` executes its chapters. No run is
trained; but where results are missing, ``status`` times some steps of training to say what the rest would cost.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import msgspec
import yaml

from epistemics.declared.project import PROFILE_VARIABLE, RESULTS_VARIABLE, Project, find_project
from epistemics.lab.commits import commit_of, git, laid_out
from epistemics.publishing.changes import comparison, drawn
from epistemics.publishing.changes.comparison import Experiment, Figure, Result, Snapshot, Verdict

Say = Callable[[str], None]

STEPS = ("results", "tables and numbers", "verdicts", "figures")
"""In which a book is asked, one after the other."""

MADE = ("prepared", "drawn")
"""Folders of a workspace with what was made of a chapter, under the key of all that it was made of."""

SPEEDS = "speeds.json"
"""What training was timed at on this machine, once."""

KEPT = 8
"""Snapshots of commits that the workspace keeps: the last ones asked for."""

JUDGEMENTS = "ledger.judgements"


class NotTold(ValueError):
    """Something that a version of the book does not tell; the message says why."""


def at_commit(project: Project, commit: str, say: Say, *, is_now: bool = False) -> Snapshot:
    """The book as a commit had it, by its own code, from its own results; kept in the workspace.

    Args:
        commit: its hash.
        is_now: whether the project's files are those of the commit.

    Raises:
        UnknownCommit: if it can't be laid out.
    """
    sources = [Path(str(module.__file__)).read_bytes() for module in (comparison, drawn)] + [
        Path(__file__).read_bytes()
    ]
    digest = hashlib.sha256(b"\0".join([sys.version.encode(), *sources])).hexdigest()
    kept = project.workspace / "changes" / f"{commit}-{digest[:8]}.json"
    with suppress(OSError, msgspec.MsgspecError):  # none, or damaged: it is asked again
        found = msgspec.json.decode(kept.read_bytes(), type=Snapshot)
        kept.touch()
        return found
    with laid_out(project.folder, commit) as folder:
        found = taken(folder, project, say)
        if is_now:
            _keep_made(folder, project)
    if not found.lacking:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(msgspec.json.encode(found))
        for old in sorted(kept.parent.glob("*.json"), key=lambda path: path.stat().st_mtime)[:-KEPT]:
            old.unlink(missing_ok=True)
    return found


def now(project: Project, say: Say) -> Snapshot:
    """The book as it stands in the project's folder, edits included."""
    head = commit_of(project.folder, "HEAD")
    if has_files_of(project, head):
        return at_commit(project, head, say, is_now=True)
    with copied(project.folder) as folder:
        found = taken(folder, project, say, project.results)
        _keep_made(folder, project)
        return found


def has_files_of(project: Project, commit: str) -> bool:
    """Whether the project's files are those of a commit, all of them and its results too: so its book is that one's."""
    if project.results != find_project(project.profile, start=project.folder).results:
        return False
    differing = ("diff", "--name-only", commit, "--", ".")
    new = ("ls-files", "--others", "--exclude-standard", "--", ".")
    return not any(git(project.folder, *command, fault=f"git {command[0]} failed") for command in (differing, new))


def _keep_made(folder: Path, project: Project) -> None:
    """Keep in the workspace what was made of the chapters in a copy of the project, and is the same in the project."""
    for name in MADE:
        with suppress(OSError, shutil.Error):
            shutil.copytree(folder / ".workspace" / name, project.workspace / name, dirs_exist_ok=True)


def require_book(folder: Path, commit: str) -> None:
    """That there was a book in a folder at a commit.

    Raises:
        UnknownCommit: if not.
    """
    for name in ("_quarto.yml", "experiments"):
        git(folder, "cat-file", "-e", f"{commit}:./{name}", fault=f"there was no book yet: it has no {name}")


@contextmanager
def copied(folder: Path) -> Iterator[Path]:
    """A copy of what git would commit of a folder, as it is now, for as long as the context lasts."""
    listed = git(
        folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard", fault=f"{folder}: no repository"
    )
    with tempfile.TemporaryDirectory(prefix="epistemics-") as name:
        target = Path(name)
        for file in filter(None, listed.split("\0")):
            if os.path.lexists(folder / file) and not (folder / file).is_dir():
                (target / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(folder / file, target / file, follow_symlinks=False)
        yield target


def taken(folder: Path, project: Project, say: Say, results: Path | None = None) -> Snapshot:
    """The snapshot of the book in a folder, by the package in its ``src``, or by this one if it has none.

    Args:
        project: whose workspace keeps what was made of chapters already; the code in the folder decides whether that
            is what it would make.
        say: is told each of ``STEPS`` as it begins, and what is left of it.
        results: another store than the folder's own.
    """
    environment = _environment(folder, results)
    lacking: dict[str, str] = {}

    def told(kinds: Sequence[str], ask: Callable[[], Any], otherwise: Any) -> Any:
        try:
            return ask()
        except NotTold as error:
            lacking.update(dict.fromkeys(kinds, str(error)))
            return otherwise

    (folder / ".workspace").mkdir(exist_ok=True)
    for name in MADE:
        with suppress(OSError, shutil.Error):
            shutil.copytree(project.workspace / name, folder / ".workspace" / name)
    with suppress(OSError):
        shutil.copy2(project.workspace / SPEEDS, folder / ".workspace" / SPEEDS)
    say(STEPS[0])
    runs = told(("experiments",), lambda: _runs(folder, environment), None)
    labels = {run["key"]: run["run"] for run in runs or ()}
    stored = _results(results or folder / "results", labels)
    say(STEPS[1])
    if runs is None:
        lacking |= dict.fromkeys(("numbers", "verdicts", "tables"), lacking["experiments"])
    else:
        told(("numbers", "verdicts", "tables"), lambda: _prepare(folder, environment, runs), None)
    numbers: Mapping[str, str] = {}
    tables: Mapping[str, str] = {}
    verdicts: Mapping[str, Verdict] = {}
    say(STEPS[2])
    if "tables" not in lacking:
        numbers = _flat(yaml.safe_load((folder / "_variables.yml").read_text(encoding="utf-8")) or {})
        tables = {path.stem: path.read_text(encoding="utf-8") for path in sorted((folder / "data").glob("*.csv"))}
        verdicts = told(("verdicts",), lambda: _verdicts(folder, environment, tables), {})
    say(STEPS[3])
    figures, undrawn = told(("figures",), lambda: _figures(folder, environment, say), ({}, {}))
    experiments = _experiments(folder, runs) if runs is not None else {}
    return Snapshot(numbers, verdicts, tables, figures, undrawn, experiments, stored, lacking)


def _environment(folder: Path, results: Path | None) -> dict[str, str]:
    """What a process needs to run the code of a folder on the results of the paper profile."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("EPISTEMICS_")}
    own = [str(folder / "src")] if (folder / "src" / "epistemics").is_dir() else []
    path = [*own, str(Path(__file__).parents[3]), *filter(None, [ours.get("PYTHONPATH")])]
    changed = {"PYTHONPATH": os.pathsep.join(path), PROFILE_VARIABLE: "paper"}
    return ours | changed | ({RESULTS_VARIABLE: str(results)} if results else {})


def _epistemics(folder: Path, environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "epistemics", *arguments]
    with _process(command, folder, environment, subprocess.PIPE) as process:
        said, errors = process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, said, errors)


@contextmanager
def _process(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], errors: int | IO[str]
) -> Iterator[subprocess.Popen[str]]:
    """A process of its own session, which ends with the context, and all that it has started with it."""
    process = subprocess.Popen(
        command, cwd=folder, env=dict(environment), stdout=subprocess.PIPE, stderr=errors, text=True,
        encoding="utf-8", errors="replace", start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _list(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """The list of objects that a verb has printed.

    Raises:
        NotTold: if it has not.
    """
    if done.returncode == 0:
        with suppress(ValueError):
            return list(json.loads(done.stdout))
    raise NotTold(_said(done.stderr))


def _said(errors: str) -> str:
    """What a process that failed says of it, in one line."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()] or ["it ends without a word"]
    return next((line for line in lines if line.startswith("epistemics: ")), lines[-1]).removeprefix("epistemics: ")


def _runs(folder: Path, environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """What its ``status`` says of each run."""
    return _list(_epistemics(folder, environment, "status", "--json"))


def _prepare(folder: Path, environment: Mapping[str, str], runs: Sequence[Mapping[str, Any]]) -> None:
    """Have its ``_variables.yml`` and ``data/`` written, if nothing has to be trained for them."""
    of_the_book = {run["key"]: run["state"] for run in runs if not run.get("awaited")}
    if lacking := sum(state in ("missing", "damaged") for state in of_the_book.values()):
        raise NotTold(f"{lacking} of its {len(of_the_book)} results are not stored, and nothing is trained here")
    # Of results that are all as the code would make them, every policy uses what is stored, and so did the time before
    # there were any.
    policy = ("--policy", "stale") if "stale" in of_the_book.values() else ()
    done = _epistemics(folder, environment, "prepare", *policy)
    if not (folder / "_variables.yml").is_file():  # a faulty chapter is found after it is written
        raise NotTold(_said(done.stderr))


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{above}{name}.") if isinstance(value, Mapping) else {f"{above}{name}": str(value)}
    return flat


def _verdicts(folder: Path, environment: Mapping[str, str], tables: Mapping[str, str]) -> dict[str, Verdict]:
    """From its table of them, where it has one: to judge again what is in it takes as long as all tables do."""
    if not (folder / "experiments" / "claims.yaml").is_file():
        return {}
    if JUDGEMENTS in tables:
        rows: list[dict[str, Any]] = comparison.records(tables[JUDGEMENTS])
    else:
        rows = _list(_epistemics(folder, environment, "verify", "--json"))
    return {str(row["id"]): Verdict(row["says"], row["verdict"], str(row.get("ours") or "")) for row in rows}


def _figures(folder: Path, environment: Mapping[str, str], say: Say) -> tuple[dict[str, Figure], dict[str, str]]:
    figures: dict[str, Figure] = {}
    undrawn: dict[str, str] = {}
    command = [sys.executable, "-P", str(drawn.__file__)]
    with tempfile.TemporaryFile("w+", errors="replace") as errors:
        with _process(command, folder, environment, errors) as process:
            assert process.stdout is not None
            for line in process.stdout:
                told = json.loads(line)
                for label, figure in told["figures"].items():
                    figures[label] = Figure(told["chapter"], figure["kind"], figure["image"], tuple(figure["data"]))
                undrawn |= told["failed"]
                if told["left"]:
                    say(f"{STEPS[3]}, chapters left: {told['left']}")
            status = process.wait()
        if status != 0:
            errors.seek(0)
            raise NotTold(_said(errors.read()))
    return figures, undrawn


def _experiments(folder: Path, runs: Sequence[Mapping[str, Any]]) -> dict[str, Experiment]:
    read: dict[str, dict[str, str]] = {}
    awaited: dict[str, list[str]] = {}
    for run in runs:
        if run.get("awaited"):
            awaited.setdefault(run["experiment"], []).append(run["key"])
        else:
            read.setdefault(run["experiment"], {})[run["key"]] = run["run"]
    titles: dict[str, str] = {}
    for path in sorted((folder / "experiments").glob("*.yaml")):
        with suppress(OSError, ValueError, yaml.YAMLError):
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
            if isinstance(content, dict) and "title" in content:
                titles[path.stem] = str(content["title"])
    return {
        name: Experiment(titles.get(name, ""), read.get(name, {}), tuple(awaited.get(name, ())))
        for name in sorted(titles.keys() | read.keys() | awaited.keys())
    }


def _results(folder: Path, labels: Mapping[str, str]) -> dict[str, Result]:
    """Of every stored result what it says, of whatever format its record is."""
    return {
        path.parent.name: _result(path, labels.get(path.parent.name, ""))
        for path in sorted(folder.glob("*/result.json"))
    }


def _result(path: Path, label: str) -> Result:
    try:
        record = json.loads(path.read_bytes(), parse_constant=str)  # what is no number is the same as itself
        made = [record, *record.get("parts", {}).values()]  # once a result had no parts
        metrics = {name: value for part in made for name, value in part.get("metrics", {}).items()}
        code = json.dumps([part.get("code") for part in made])
        arrays: dict[str, str] = {}
        for file in sorted(path.parent.glob("*.safetensors")):
            arrays |= _arrays(file.read_bytes())
    except (OSError, ValueError, AttributeError, TypeError, KeyError) as error:
        return Result(label, {"damaged": str(error)}, {}, "")
    return Result(label, metrics, arrays, code)


def _arrays(content: bytes) -> dict[str, str]:
    """Name → hash of type, shape and values, of a safetensors file: a header in JSON, its length before it."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    hashes = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            kind = json.dumps([entry["dtype"], entry["shape"]]).encode()
            hashes[name] = hashlib.sha256(kind + content[start + begin : start + end]).hexdigest()[:16]
    return hashes
