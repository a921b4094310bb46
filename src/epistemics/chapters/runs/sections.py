"""The sections of the list of runs, one for each experiment file: what they say once results are read, and before.

Nothing here needs a result, so the book's references can be checked before anything is trained or executed.
"""

from __future__ import annotations

import re

from epistemics.declared.experiments import Experiment, experiment_names, load_experiment
from epistemics.declared.project import Project

MARKUP = re.compile(r"([\\`*_{}\[\]<>#$@^~|])")


def section(experiment: Experiment, says: str, table: str) -> str:
    """A section as Markdown.

    Args:
        says: what stands above the table.
        table: a pipe table; none where the profile has no runs.
    """
    text = f"## {plain(experiment.title)} {{#sec-runs-{experiment.name}}}\n\n{says}\n"
    if table:
        caption = f"The runs of experiment {experiment.name}. Seconds are of training alone."
        text += f"\n::: {{#tbl-runs-{experiment.name}}}\n{table}\n\n{caption}\n:::\n"
    return text


def plain(text: str) -> str:
    """A text of an experiment file or a machine as Markdown that reads as it does, on one line."""
    return MARKUP.sub(r"\\\1", " ".join(text.split()))


def expected(project: Project) -> str:
    """The sections that the chapter will print, without what is stored: their labels are those of the book.

    Raises:
        SpecificationError: for anything that is wrong in an experiment file.
    """
    names = experiment_names(project.experiments)
    planned = [load_experiment(project.experiments, name, project.profile) for name in names]
    return "\n".join(section(e, "", "| Run |\n|:--|\n| |" if e.runs else "") for e in in_order(planned))


def in_order(experiments: list[Experiment]) -> list[Experiment]:
    """By the entry of the log that they follow, then by name."""
    return sorted(experiments, key=lambda experiment: (experiment.entry, experiment.name))
