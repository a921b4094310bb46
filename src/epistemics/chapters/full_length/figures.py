"""A figure of A.3 at full length: resistance and rank, moment by moment."""

from __future__ import annotations

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from epistemics.analysis.provenance_line import traced
from epistemics.analysis.style import SETTINGS, WIDTH, Picture, decay_colour, median_of, name_beside
from epistemics.analysis.tables import Table
from epistemics.chapters.phase_1_2.measured import CALM


@traced
def along_training(table: Table) -> Picture:
    """k@95% and rank99 at every measured moment, thin for a seed, thick for their median; open points: in a dip."""
    decays = sorted(set(table.column("weight_decay")))
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 4.6))
        panels = figure.subplots(2, 1, sharex=True)
        for axes, column, label in zip(
            panels, ("k_at_95", "rank99"), ("k@95%, directions", "rank99, directions"), strict=True
        ):
            for decay in decays:
                colour, lines = decay_colour(decay), []
                for seed in sorted(set(table.where(weight_decay=decay).column("seed"))):
                    records = [
                        record
                        for record in table.where(weight_decay=decay, seed=seed).records()
                        if record["after_grokking"] is not None
                        and record["after_grokking"] >= 0
                        and record[column] is not None
                    ]
                    calm = [record for record in records if record["validation_accuracy"] >= CALM]
                    lines.append([(record["step"], record[column]) for record in calm])
                    for record in records:
                        if record not in calm:
                            axes.plot(
                                record["step"], record[column], "o", color=colour, mfc="none", markersize=3, mew=0.7,
                                clip_on=False,
                            )  # fmt: skip
                median_of(axes, lines, colour)
            axes.set_ylim(bottom=0)
            axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
            axes.set_ylabel(label)
        for place, decay in enumerate(decays):
            name_beside(panels[0], f"decay {decay:g}", 0.95 - 0.11 * place, decay_colour(decay))
        panels[1].set_xlim(left=0)
        panels[1].xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
        panels[1].set_xlabel("step")
        return Picture(figure)
