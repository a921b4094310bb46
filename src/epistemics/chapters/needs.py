"""What chapters need of an experiment file, whatever else it says: asked before anything trains."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from epistemics.declared.experiments import experiment_names, load_experiment
from epistemics.declared.project import Project
from epistemics.declared.sections import SpecificationError

OPERATIONS: Mapping[str, tuple[str, ...]] = {
    "phase-1-1": (),
    "phase-1-2": ("add",),
    "full-length": ("add",),
    "baselines": ("add",),
    "batch-size": (),
    "joint": ("add", "mul"),
    "joint-search": ("add", "mul"),
    "adversarial": ("add", "mul"),
    "adversarial-sweep": ("add", "mul"),
    "precision": (),
}
"""Experiments that chapters load by their names → the operations that each of their models has to learn; none: any."""


def require(project: Project, names: Collection[str] = ()) -> None:
    """See that chapters can show the experiments of these names; of all, if none is given.

    Raises:
        SpecificationError: with the first that has no run, or models of other operations than chapters cut.
    """
    for name in names or experiment_names(project.experiments):
        if name not in OPERATIONS:
            continue
        runs, shown = load_experiment(project.experiments, name, project.profile).runs, f"experiments/{name}.yaml"
        if not runs:
            where = f"{shown}: profiles.{project.profile}.groups"
            raise SpecificationError(f"{where}: [] must hold at least one group of runs: chapters show them")
        needed = OPERATIONS[name]
        for run in runs:
            if needed and set(run.configuration.operations) != set(needed):
                own, right = (f"[{', '.join(several)}]" for several in (run.configuration.operations, needed))
                where = f"{shown}: operations of group {run.group}"
                raise SpecificationError(f"{where}: {own} must be {right}: chapters cut these out of its models")
