"""Figures of cellular automata: a pattern, and how well its centre column is foretold."""

from __future__ import annotations

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from epistemics.analysis.provenance_line import traced
from epistemics.analysis.style import BLUE, GREEN, INK, MUTED, ORANGE, RED, SETTINGS, WIDTH, Picture
from epistemics.analysis.tables import Table

RULE_COLOURS = {"rule 30": RED, "rule 90": BLUE, "rule 110": GREEN, "rule 250": ORANGE}
SHOWN = 24.5
"""Cells to either side of the centre that are drawn."""
APART = 0.11
"""Height between the points of two rules in one row."""


@traced
def predictions(table: Table, pattern: Table) -> Picture:
    """The pattern of rule 30 with its centre column, beside the share of held-out bits foretold."""
    rules = [name for name in RULE_COLOURS if name in table.column("sequence")]
    predictors = list(dict.fromkeys(table.column("predictor")))
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 3.4))
        left, right = figure.subplots(1, 2, width_ratios=(0.55, 1))
        for cells, colour in ((pattern, MUTED), (pattern.where(cell=0), RED)):
            left.scatter(cells.column("cell"), cells.column("row"), s=2.6, marker="s", color=colour, linewidths=0)
        left.set_xlim(-SHOWN, SHOWN)
        left.set_ylim(max(pattern.column("row")) + 1, -1)
        left.set_aspect("equal")
        left.axis("off")
        left.set_title("rule 30", color=RED)
        left.text(0, max(pattern.column("row")) + 2, "its centre column", color=RED, size=8.5, ha="center", va="top")
        for index, rule in enumerate(rules):
            own = table.where(sequence=rule)
            heights = [row + APART * (index - (len(rules) - 1) / 2) * 1.6 for row in range(len(predictors))]
            right.plot(own.column("accuracy"), heights, "o", markersize=5, color=RULE_COLOURS[rule], label=rule)
        right.set_yticks(range(len(predictors)), predictors)
        right.set_ylim(len(predictors) - 0.45, -0.55)
        right.tick_params(axis="y", length=0, labelcolor=INK)
        right.grid(visible=False, axis="y")
        right.set_xlim(0.44, 1.03)
        right.set_xticks((0.5, 0.75, 1.0))
        right.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.0%}"))
        right.set_xlabel("held-out bits foretold")
        right.legend(
            loc="lower center", bbox_to_anchor=(0.35, 1.0), ncols=2, labelcolor="linecolor", fontsize=8.5,
            handlelength=0.8, handletextpad=0.3, columnspacing=1.2,
        )  # fmt: skip
        figure.subplots_adjust(wspace=0.75)
        return Picture(figure)
