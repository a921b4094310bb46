"""Figures of the chapter on clusters."""

from __future__ import annotations

import matplotlib as mpl
from matplotlib.figure import Figure

from epistemics.analysis.provenance_line import traced
from epistemics.analysis.style import BLUE, GREEN, MUTED, ORANGE, SETTINGS, WIDTH, Picture
from epistemics.analysis.tables import Table


@traced
def hours(table: Table) -> Picture:
    """Hours for the log against GPUs, a band for each number of seeds; dotted lines bound training alone."""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 3.4))
        axes = figure.subplots()
        gpus = sorted(set(table.column("gpus")))
        for seeds, colour in zip(sorted(set(table.column("seeds"))), (GREEN, ORANGE, BLUE), strict=True):
            fast, slow = (table.where(seeds=seeds, assumption=name) for name in ("fast", "slow"))
            axes.fill_between(gpus, fast.column("hours"), slow.column("hours"), color=colour, alpha=0.25, lw=0)
            for edge in (fast, slow):
                axes.plot(gpus, edge.column("hours"), color=colour, ls=(0, (5, 3)), lw=1)
                axes.plot(gpus, edge.column("hours_of_training_alone"), color=colour, ls=":", lw=1)
            middle = (fast.column("hours")[0] * slow.column("hours")[0]) ** 0.5
            axes.text(0.9, middle, f"{seeds} seeds", color=colour, ha="right", va="center", size=8.5)
        axes.set(
            xscale="log", yscale="log", xlabel="H100s, assumed", ylabel="hours, computed", xlim=(0.45, gpus[-1] * 1.2)
        )
        axes.set_xticks(gpus, [str(count) for count in gpus])
        axes.set_yticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
        axes.minorticks_off()
        axes.set_title("reckoned from assumed speeds: no GPU was measured", color=MUTED, weight="normal", size=8)
        return Picture(figure)
