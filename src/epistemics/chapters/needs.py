"""What chapters need of an experiment file, whatever else it says: asked before anything trains."""

from __future__ import annotations

from collections.abc import Collection

from epistemics.chapters.contents import CHAPTERS
from epistemics.declared.experiments import experiment_names, load_experiment
from epistemics.declared.project import Project
from epistemics.declared.sections import SpecificationError


def require(project: Project, names: Collection[str] = ()) -> None:
    """See that chapters can show the experiments of these names; of all, if none is given.

    Raises:
        SpecificationError: with the first that has no run, or models of other operations than chapters cut, or of
            another network than they open.
    """
    needs = {name: operations for chapter in CHAPTERS for name, operations in chapter.needs.items()}
    for name in names or experiment_names(project.experiments):
        if name not in needs:
            continue
        experiment, shown = load_experiment(project.experiments, name, project.profile), f"experiments/{name}.yaml"
        runs = (*experiment.runs, *experiment.awaited)
        if not runs:
            where = f"{shown}: profiles.{project.profile}.groups"
            raise SpecificationError(f"{where}: [] must hold at least one group of runs: chapters show them")
        needed = needs[name]
        for run in runs:
            if needed and set(run.configuration.operations) != set(needed):
                own, right = (f"[{', '.join(several)}]" for several in (run.configuration.operations, needed))
                where = f"{shown}: operations of group {run.group}"
                raise SpecificationError(f"{where}: {own} must be {right}: chapters cut these out of its models")
            if needed and run.configuration.network != "transformer":
                where = f"{shown}: network of group {run.group}"
                own = repr(run.configuration.network)
                raise SpecificationError(f"{where}: {own} must be 'transformer': chapters open its residual stream")
