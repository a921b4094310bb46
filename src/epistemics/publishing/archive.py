"""The archive: a folder to deposit, as at Zenodo, with all that the book is made of and all that was made of it.

It is the project as git tracks it, with the rendered site and the stored results at the paths that they have in the
project, so that the book renders in it again. ``crate`` describes it for machines.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import yaml

import qmdbook
from epistemics.analysis.stored_runs import IncompleteResults
from epistemics.declared.experiments import experiment_names, load_experiment
from epistemics.declared.project import Project
from epistemics.declared.runs import Run
from epistemics.lab.status import stored
from epistemics.publishing.crate import METADATA, RESULTS, About, Archived, Entity, crate
from epistemics.publishing.run_pages import FOLDER, said_of_state
from epistemics.store.store import Store

CITATION = "CITATION.cff"
NEEDED = {"title": "a line", "license": "an SPDX name such as MIT", "authors": "a list with the name of each"}
"""What an archive needs of the citation file, and what it is there."""


class CannotArchive(ValueError):
    """There is no archive to be made; the message says what is missing and what would be right."""


def write_archive(project: Project, site: Path, folder: Path, made: date, report: Callable[[int, int], None]) -> Entity:
    """Make the archive, whole or not at all; returns what its ``ro-crate-metadata.json`` says.

    Files are copied and not linked: who edits the archive does not edit the store.

    Args:
        site: the rendered one.
        folder: one that is not there yet, or empty.
        report: is told again and again how many bytes are copied, and of how many.

    Raises:
        CannotArchive: if the folder holds something, the site is missing or of other sources or results, git tracks
            nothing here, or ``CITATION.cff`` says too little.
        IncompleteResults: if a result that chapters read is not stored, or any is damaged.
        BookError: if there is no book.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CannotArchive(f"{folder}: is there already, and not empty; name a folder that is not there yet")
    again = f"`epistemics render --profile {project.profile}`"
    citation, sources = _citation(project), _sources(project, site)
    outline = qmdbook.outline(project.folder)
    for page in ("index.html", outline.pdf.as_posix()):
        if not (site / page).is_file():
            raise CannotArchive(f"{site.name}/{page}: missing; {again} makes it")
    newest = max(sources, key=lambda path: sources[path].stat().st_mtime)
    if sources[newest].stat().st_mtime > site.stat().st_mtime:
        raise CannotArchive(f"{site.name} is older than {newest}; {again} makes it anew")
    store = Store(project.results)
    runs = _archived(project, store)
    for archived in runs:
        if untracked := [path for path in archived.planned if path not in sources]:
            raise CannotArchive(f"{untracked[0]}: git does not track it, and the archive's sources are what it tracks")
        shown = site / FOLDER / f"{archived.run.key}.json"
        if not archived.run.awaited and not (shown.is_file() and shown.read_bytes() == store.text(archived.run.key)):
            raise CannotArchive(
                f"{site.name}: shows another result {archived.run.key} than is stored; {again} makes it anew"
            )
    pages = {f"{site.name}/{path.relative_to(site).as_posix()}": path for path in site.rglob("*") if path.is_file()}
    files = dict(sorted((sources | pages | _of_results(store, runs)).items()))
    sizes = {path: origin.stat().st_size for path, origin in files.items()}
    summary = outline.chapters[0].abstract or f"{outline.title}. {outline.subtitle}".strip()
    pdf = f"{site.name}/{outline.pdf.as_posix()}"
    described = crate(About(citation, summary, _commit(project), site.name, pdf, made), runs, sizes)
    done, total = 0, sum(sizes.values())
    with qmdbook.replacing(folder) as new:
        for path, origin in files.items():
            (new / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(origin, new / path)
            done += sizes[path]
            report(done, total)
        (new / METADATA).write_text(json.dumps(described, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return described


def _citation(project: Project) -> Mapping[str, Any]:
    try:
        said = yaml.safe_load((project.folder / CITATION).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CannotArchive(f"{CITATION}: missing; it says {', '.join(NEEDED)} of the archive") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CannotArchive(f"{CITATION}: not YAML: {' '.join(str(error).split())}") from None
    for key, what in NEEDED.items():
        if not isinstance(said, dict) or not said.get(key):
            raise CannotArchive(f"{CITATION}: {key}: missing; an archive needs it: {what}")
    return dict(said)


def _git(project: Project, *arguments: str) -> str:
    """What git says of the project; nothing if it fails, as outside a repository."""
    command = ["git", "-C", str(project.folder), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""


def _sources(project: Project, site: Path) -> dict[str, Path]:
    """What git tracks and is there, without what the archive has of its own."""
    listed = {path: project.folder / path for path in _git(project, "ls-files", "-z").split("\0") if path}
    others = (RESULTS, site.name, METADATA)
    sources = {path: file for path, file in listed.items() if path.split("/")[0] not in others and file.is_file()}
    if not sources:
        raise CannotArchive(f"{project.folder}: git tracks nothing here, and the archive's sources are what it tracks")
    return sources


def _commit(project: Project) -> str | None:
    """The commit of the sources, with ``+changes`` if they were edited since; None if there is none yet."""
    commit = _git(project, "rev-parse", "--verify", "HEAD").strip()
    changed = _git(project, "status", "--porcelain", "--untracked-files=no", "--", ".")
    return (commit + ("+changes" if changed else "")) or None


def _archived(project: Project, store: Store) -> list[Archived]:
    """Every run that an experiment names, but awaited ones that are not stored yet."""
    named: dict[str, list[Run]] = {}
    for name in experiment_names(project.experiments):
        experiment = load_experiment(project.experiments, name, project.profile)
        for run in (*experiment.runs, *experiment.awaited):
            named.setdefault(run.key, []).append(run)
    found, lacking = [], []
    for status, result in stored([min(runs, key=lambda run: run.awaited) for runs in named.values()], store):
        run = status.run
        if result is not None and status.state != "missing":
            planned = tuple(f"experiments/{name}.yaml" for name in {other.experiment: 0 for other in named[run.key]})
            state = said_of_state(status, result.provenance)
            found.append(Archived(run, planned, store.record(run.key), state))
        elif status.state == "damaged" or not run.awaited:
            lacking.append(f"  {run.key}  {status.state:8} {run.label}{f'  ({status.fault})' if status.fault else ''}")
    if lacking:
        what = f"{len(lacking)} of {len(named)} results can't be had; `epistemics run --all` makes them:"
        raise IncompleteResults("\n".join([what, *lacking]))
    return found


def _of_results(store: Store, runs: Sequence[Archived]) -> dict[str, Path]:
    """The files of the results, and the sources of what made them: path in the archive → file."""
    files = {}
    for archived in runs:
        key = archived.run.key
        for name in ("result.json", *(file.file for file in archived.record.files)):
            files[f"{RESULTS}/{key}/{name}"] = store.folder / key / name
        digests = {digest for part in archived.record.parts.values() for digest in part.definitions.values()}
        sources = [store.folder / "definitions" / f"{digest}.py" for digest in digests]
        files |= {f"{RESULTS}/definitions/{source.name}": source for source in sources if source.is_file()}
    return files
