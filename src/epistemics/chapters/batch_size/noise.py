"""The noise scale of the gradient along grokking runs, from the measures of phase-1-2 (log entry 6)."""

from __future__ import annotations

from epistemics.analysis.stored_runs import Results
from epistemics.analysis.tables import (
    ABSENT,
    Numbers,
    Table,
    name_of_value,
    number,
    of_setting,
    ranked_median,
    spread,
    table_of,
)
from epistemics.science.noise import DRAWS, LARGE, SMALL, noise_scale

OPERATION = "add"
DECAYS = (0.1, 1.0)
"""The weight decays at which every run groks."""
BEYOND = "beyond measure"


def noise(along: Results) -> Table:
    """One row for each run and measured moment; a noise scale of None is more than the batches can see through."""
    rows = []
    for run in along:
        c, arrays = run.configuration, run.result.arrays
        if c.weight_decay not in DECAYS:
            continue
        squares = (arrays[f"{OPERATION}.gradient_{size}"] for size in ("small", "large"))
        for index, (small, large) in enumerate(zip(*squares, strict=True)):
            scale = noise_scale(float(small), float(large))
            step, grokked = run.metrics["moments"][index], run.metrics["grokking_step"]
            rows.append(
                {
                    "weight_decay": c.weight_decay,
                    "seed": c.seed,
                    "step": step,
                    "grokking_step": grokked,
                    "phase": _phase(step, grokked),
                    "noise_scale": None if scale == float("inf") else round(scale, 1),
                    "validation_accuracy": round(float(arrays[f"{OPERATION}.validation_accuracy"][index]), 4),
                    "batch_size": c.batch_size,
                    "run": run.run.key,
                }
            )
    return table_of(rows)


PHASES = ("before", "at", "after")


def _phase(step: int, grokked: int | None) -> str:
    """Where a moment lies to the grokking step; before, where there is none."""
    if grokked is None or step < grokked:
        return "before"
    return "at" if step == grokked else "after"


def needed(noise_scale: float | None, smallest: int, largest: int) -> float:
    """How many times the samples of the smallest batch size the largest needs by the theory of McCandlish et al. 2018.

    Args:
        noise_scale: in questions, constant along training; None for infinite.
    """
    return 1.0 if noise_scale is None else (noise_scale + largest) / (noise_scale + smallest)


def numbers(along: Results, smallest: int, largest: int) -> Numbers:
    """The numbers of the chapter's prose on the noise scale."""
    table = noise(along)
    early = table.where(weight_decay=1.0, phase="before").column("noise_scale")
    values = table.column("noise_scale")
    return {
        "small": str(SMALL),
        "large": str(LARGE),
        "draws": str(DRAWS),
        "moments": str(len(values)),
        "beyond": str(sum(value is None for value in values)),
        "none": str(sum(value == 0 for value in values)),
        "batch_size": str(next(iter(table.column("batch_size")), ABSENT)),
        "predicted_ratio": number(needed(ranked_median(early), smallest, largest), 1) if early else "unknown",
        "decay": {name_of_value(decay): _of_decay(table.where(weight_decay=decay)) for decay in DECAYS},
    }


def _of_decay(noise: Table) -> Numbers:
    found = {"seeds": str(len(set(noise.column("seed"))))}
    for phase in PHASES:
        chosen = noise.where(phase=phase).column("noise_scale")
        found[phase] = spread(chosen, never=BEYOND) if chosen else "not measured"
    return of_setting(found, bool(len(noise)))
