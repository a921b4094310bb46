"""What phase 1.1 measures of its runs, as tables (log entry 7).

Definitions, and the reading of the log that each follows:

- Grokking step: the first evaluation from which validation accuracy stays at the threshold for the next few.
- First touch: the first evaluation that reaches it. A log that prints the first evaluation above a threshold has this.
- Sweep: the runs that differ from the baseline in its own settings alone, and are of its precision. The baseline
  stands in each.
"""

from __future__ import annotations

from typing import Any

from epistemics.analysis.stored_runs import Results, StoredRun
from epistemics.analysis.tables import Table, ranked_median, table_of

DECAY = 1.0
"""The weight decay of all that the other sweeps train."""
SWEEPS = {"weight decay": ("weight_decay",), "train fraction": ("train_fraction",), "size": ("layers", "d_model")}
"""Sweep → the settings that it varies."""


def baseline(results: Results) -> dict[str, Any]:
    """The shared configuration of the three sweeps: layers, width and train fraction of the runs of phase-1-2."""
    first = _shared(results)[0].configuration
    return {"layers": first.layers, "d_model": first.d_model, "train_fraction": first.train_fraction}


def grokking_steps(results: Results) -> Table:
    """One row a run: sweep, its value, seed and both readings of "groks at".

    A run that belongs to several sweeps (the baseline) stands in each.
    """
    shared = baseline(results) | {"weight_decay": DECAY}
    rows = []
    for sweep, axes in SWEEPS.items():
        fixed = {name: value for name, value in shared.items() if name not in axes}
        for run in results.where(**fixed):
            c = run.configuration
            if c.precision != precision_of(results, sweep):
                continue
            rows.append(
                {
                    "sweep": sweep,
                    "weight_decay": c.weight_decay,
                    "train_fraction": c.train_fraction,
                    "layers": c.layers,
                    "d_model": c.d_model,
                    "precision": c.precision,
                    "seed": c.seed,
                    "grokking_step": run.metrics["grokking_step"],
                    "first_touch": run.metrics["first_touch"],
                    "trained_steps": run.metrics["final_step"],
                    "validation_accuracy": round(run.metrics["validation_accuracy"], 4),
                    "run": run.run.key,
                }
            )
    return table_of(rows)


def precision_of(results: Results, sweep: str) -> str:
    """The precision of one sweep's runs: of those that vary weight decay, or of those that vary anything else."""
    shared = baseline(results)
    others = [run for run in results if any(getattr(run.configuration, key) != value for key, value in shared.items())]
    chosen = _shared(results) if sweep == "weight decay" else others or list(results)
    return chosen[0].configuration.precision


def _shared(results: Results) -> list[StoredRun]:
    """The runs at another weight decay than the experiment's own; all runs, if there are none."""
    return [run for run in results if run.configuration.weight_decay != DECAY] or list(results)


def learning_curves(results: Results) -> Table:
    """Accuracies at every evaluation of every run of the sweep of weight decay: memorised early, understood late."""
    rows = []
    for run in results.where(**baseline(results), precision=precision_of(results, "weight decay")):
        arrays = run.result.arrays
        columns = (arrays[f"history.{name}"] for name in ("step", "train_accuracy", "validation_accuracy"))
        for step, train, validation in zip(*columns, strict=True):
            rows.append(
                {
                    "weight_decay": run.configuration.weight_decay,
                    "seed": run.configuration.seed,
                    "step": int(step),
                    "training": round(float(train), 4),
                    "validation": round(float(validation), 4),
                }
            )
    return table_of(rows)


def precisions(results: Results) -> Table:
    """The baseline under float32 and bfloat16: grokking steps by seed."""
    runs = results.where(**baseline(results), weight_decay=DECAY)
    return table_of(
        [
            {
                "precision": r.configuration.precision,
                "seed": r.configuration.seed,
                "grokking_step": r.metrics["grokking_step"],
                "first_touch": r.metrics["first_touch"],
                "run": r.run.key,
            }
            for r in runs
        ]
    )


def values_of(steps: Table, sweep: str) -> list[dict[str, Any]]:
    """The distinct values of one sweep, in order, each as the columns that it fixes."""
    axes = SWEEPS[sweep]
    found = sorted({tuple(record[axis] for axis in axes) for record in steps.where(sweep=sweep).records()})
    return [dict(zip(axes, value, strict=True)) for value in found]


def median_step(steps: Table, sweep: str, column: str = "grokking_step", **value: Any) -> float | None:
    """Median over seeds, None (never) ranked above every number."""
    chosen = steps.where(sweep=sweep, **value)
    return ranked_median(chosen.column(column)) if len(chosen) else None


def touches(steps: Table, sweep: str, **value: Any) -> list[float | None]:
    """First touches by seed; empty if the value was not run."""
    return steps.where(sweep=sweep, **value).column("first_touch") if value in values_of(steps, sweep) else []


def best_fractions(steps: Table) -> list[float]:
    """The train fractions with the fewest steps to the first touch, by the median over seeds."""
    medians = {
        value["train_fraction"]: median_step(steps, "train fraction", "first_touch", **value)
        for value in values_of(steps, "train fraction")
    }
    reached = {fraction: m for fraction, m in medians.items() if m is not None}
    return [fraction for fraction, m in reached.items() if m == min(reached.values())]
