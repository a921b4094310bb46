"""The stored runs of an experiment, for analysis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from epistemics.declared.experiments import Experiment, experiment_names, load_experiment
from epistemics.declared.project import Project, find_project
from epistemics.declared.runs import Run, namesakes
from epistemics.declared.sections import SpecificationError
from epistemics.lab.status import stored
from epistemics.store.record import Result
from epistemics.store.store import Store
from epistemics.study import Configuration


class IncompleteResults(LookupError):
    """Some results of an experiment are not stored, or are damaged; the message lists all of them."""


@dataclass(frozen=True)
class StoredRun:
    """A planned run with its result."""

    run: Run
    result: Result
    """All that is stored of it: metrics, and arrays by name, such as ``history.validation_accuracy``."""
    state: str
    """fresh, adopted or stale, as in ``RunStatus``."""

    @property
    def stale(self) -> bool:
        """Whether the code that made it has changed since, or the run that it continues."""
        return self.state == "stale"

    @property
    def configuration(self) -> Configuration:
        """All that decides the result."""
        return self.run.configuration

    @property
    def metrics(self) -> dict[str, Any]:
        """What is said of the training at its end: steps, and accuracies as shares; None is never."""
        return self.result.metrics


@dataclass(frozen=True)
class Results:
    """Every run of one experiment, in the order of its file."""

    experiment: Experiment
    runs: tuple[StoredRun, ...]

    def __iter__(self) -> Iterator[StoredRun]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)

    def where(self, **fields: Any) -> list[StoredRun]:
        """Runs whose configuration has these values."""
        return [r for r in self.runs if all(getattr(r.configuration, k) == v for k, v in fields.items())]

    @property
    def stale(self) -> list[StoredRun]:
        """Those whose code has changed since."""
        return [r for r in self.runs if r.stale]


def load_results(name: str, project: Project | None = None) -> Results:
    """Every result of experiment ``name`` under the project's profile.

    Args:
        name: of a file in ``experiments/``, without its ending.
        project: the one of the working directory if none is given.

    Raises:
        IncompleteResults: if any is missing or damaged.
        SpecificationError: if there is no such experiment, or its file has a fault.
        NoProject: if none is given and the working directory is in none.
    """
    project = project or find_project()
    experiment = load_experiment(project.experiments, name, project.profile)
    found = list(stored(experiment.runs, Store(project.results)))
    if absent := [s for s, _ in found if s.state in ("missing", "damaged")]:
        lines = [f"  {s.run.key}  {s.state:8} {s.run.label}{f'  ({s.fault})' if s.fault else ''}" for s in absent]
        raise IncompleteResults(
            f"{name} ({project.profile}): {len(absent)} of {len(found)} results can't be had; "
            f"`epistemics run {name} --profile {project.profile}` makes them:\n" + "\n".join(lines)
        )
    return Results(experiment, tuple(StoredRun(s.run, result, s.state) for s, result in found if result is not None))


def together(*several: Results) -> Results:
    """The runs of several experiments, as the last one's.

    Raises:
        SpecificationError: if two of their models have one name, and so would be taken for one.
    """
    runs = tuple(run for results in several for run in results)
    for run, said in namesakes(run.run for run in runs):
        raise SpecificationError(f"experiments/{run.experiment}.yaml: {run.group!r} {said}")
    return Results(several[-1].experiment, runs)


def load_every(project: Project | None = None) -> dict[str, Results]:
    """The results of every experiment that has a file, by its name; a run may be in several.

    A chapter that calls this executes again when any of them changes.

    Raises:
        IncompleteResults, SpecificationError, NoProject: as ``load_results``.
    """
    project = project or find_project()
    return {name: load_results(name, project) for name in experiment_names(project.experiments)}
