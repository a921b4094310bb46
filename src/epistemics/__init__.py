"""Epistemics: a research log on AI alignment, published as code.

What is imported below for type checkers is the public interface, at a Python prompt and in a chapter's cells:
``from epistemics import load_results``. A name is imported when it is first asked for, so that ``import epistemics``
loads no torch.
"""

import ast
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # `as` makes a name public to type checkers
    from epistemics.analysis.interactive import interactive as interactive
    from epistemics.analysis.provenance_line import provenance as provenance
    from epistemics.analysis.stored_runs import (
        IncompleteResults as IncompleteResults,
        Results as Results,
        StoredRun as StoredRun,
        load_every as load_every,
        load_results as load_results,
    )
    from epistemics.declared.experiments import (
        Experiment as Experiment,
        configured as configured,
        experiment_names as experiment_names,
        load_experiment as load_experiment,
    )
    from epistemics.declared.runs import Run as Run
    from epistemics.declared.project import Project as Project, find_project as find_project
    from epistemics.declared.sections import SpecificationError as SpecificationError
    from epistemics.science.abliteration import (
        accuracy_curve as accuracy_curve,
        falls_at as falls_at,
        project_out as project_out,
        survives as survives,
    )
    from epistemics.science.configuration import Configuration as Configuration
    from epistemics.science.geometry import (
        class_directions as class_directions,
        fourier_power as fourier_power,
        principal_directions as principal_directions,
        random_directions as random_directions,
        subspace_overlap as subspace_overlap,
        variance_rank as variance_rank,
    )
    from epistemics.science.grokking import (
        History as History,
        first_touch as first_touch,
        grokking_step as grokking_step,
    )
    from epistemics.science.measures import (
        Abliteration as Abliteration,
        Geometry as Geometry,
        Noise as Noise,
        final_states as final_states,
        measure_abliteration as measure_abliteration,
        measure_geometry as measure_geometry,
        measure_noise as measure_noise,
    )
    from epistemics.science.network import named_parameters as named_parameters
    from epistemics.science.noise import noise_scale as noise_scale
    from epistemics.science.residual_stream import accuracy_by_place as accuracy_by_place
    from epistemics.science.tasks import table as table, training_rows as training_rows
    from epistemics.science.train import train as train
    from epistemics.science.training import Evaluation as Evaluation, Moment as Moment, State as State

__version__ = "0.1.0"

# Cells, training and tests share the cores: a second thread of a process mostly waits, and sums in another order.
# NumPy and torch read this when they are loaded; a value that the environment already has wins.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def _public() -> dict[str, str]:
    """Name → module, read from the imports above: they are the one list."""
    tree = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}


PUBLIC = _public()
"""Each name of the public interface → the module that defines it."""

__all__ = [*PUBLIC]

if not TYPE_CHECKING:  # to a type checker, a module with a __getattr__ has every name that is asked for

    def __getattr__(name):
        if name not in PUBLIC:
            raise AttributeError(f"module 'epistemics' has no attribute {name!r}")
        from importlib import import_module

        globals()[name] = value = getattr(import_module(PUBLIC[name]), name)
        return value

    def __dir__():
        return sorted({*globals(), *PUBLIC})
