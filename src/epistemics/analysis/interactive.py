"""Figures that a reader can move: the lines of a table, described for the script that draws them in the browser.

The figure of matplotlib stays in the page, and is what paper, the PDF and a browser without JavaScript show.
``theme/interactive/interactive.js`` draws the lines in its place and has a button that leads back to it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from epistemics.analysis.tables import Table, is_no_number

FOLDER = "../theme/interactive"  # from a chapter's page


@dataclass(frozen=True)
class Series:
    """How the lines that share a value of the series column are named and drawn."""

    name: str
    """As the legend has it."""
    colour: str
    """As ``#rrggbb`` on the light page; the dark one turns it over as it does the static figure's."""
    dashed: bool = False


@dataclass(frozen=True)
class Lines:
    """Shares between 0 and 1 along x: a line for each series and seed, side by side in panels.

    The reader moves a mark along x and reads the median and range over seeds of each series; series and seeds can be
    hidden. Rows whose panel or series is not named are left out.
    """

    table: Table
    """Has a column ``seed`` beside the columns named below."""
    x: str
    """Column of the numbers along x."""
    y: str
    """Column of the shares."""
    panel: str
    """Column that says in which panel a row is."""
    series: str
    """Column that says to which series a row belongs."""
    panels: Mapping[Any, str]
    """Value of the panel column → title, in the order shown."""
    named: Mapping[Any, Series]
    """Value of the series column → its look, in the order shown."""
    x_label: str
    y_label: str
    start: float
    """Where the mark stands first; the nearest x is taken."""
    note: str
    """What this view shows and the static figure does not."""
    logarithmic: bool = False
    """Whether x is; an x of 0 is left out then."""

    def description(self) -> dict[str, Any]:
        """What the script reads: the x that occur, and for each line its y at each of them up to its last.

        None stands where a line has no y.

        Raises:
            ValueError: if no row is left, or two rows of one line have the same x.
        """
        rows = [
            record
            for record in self.table.records()
            if record[self.panel] in self.panels
            and record[self.series] in self.named
            and not (self.logarithmic and record[self.x] == 0)
        ]
        if not rows:
            raise ValueError(f"no row with {self.panel} in {list(self.panels)} and {self.series} in {list(self.named)}")
        places = sorted({record[self.x] for record in rows})
        index = {place: position for position, place in enumerate(places)}
        panels, series = list(self.panels), list(self.named)
        lines: dict[tuple[int, int, int], dict[int, float | None]] = {}
        for record in rows:
            key = (panels.index(record[self.panel]), series.index(record[self.series]), record["seed"])
            place, found = index[record[self.x]], lines.setdefault(key, {})
            if place in found:
                raise ValueError(
                    f"two rows with {self.panel} {record[self.panel]!r}, {self.series} {record[self.series]!r}, "
                    f"seed {record['seed']} and {self.x} {record[self.x]}: a line has one"
                )
            found[place] = None if is_no_number(record[self.y]) else record[self.y]
        nearest = min(places, key=lambda place: abs(place - self.start))
        return {
            "x": {"label": self.x_label, "values": places, "logarithmic": self.logarithmic, "start": index[nearest]},
            "y": {"label": self.y_label},
            "panels": list(self.panels.values()),
            "series": [{"name": s.name, "colour": s.colour, "dashed": s.dashed} for s in self.named.values()],
            "lines": [
                {"panel": panel, "series": number, "seed": seed, "y": [found.get(n) for n in range(max(found) + 1)]}
                for (panel, number, seed), found in sorted(lines.items())
            ],
            "note": self.note,
        }


def interactive(figure: str, lines: Lines) -> None:
    """Print what makes the figure of this label interactive, for HTML alone: its data, and the script that draws it.

    Nothing for lines without a row.

    Args:
        figure: the label of the figure, such as ``fig-cuts``.
        lines: what the reader can move.

    Raises:
        ValueError: if the table has rows but none of the panels and series named, or two of one line at the same x.
    """
    if not len(lines.table):  # the figure says so
        return
    # A `</script>` in a label would end the element.
    data = json.dumps(lines.description(), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    data = data.replace("<", r"\u003c")
    scripts = "\n".join(
        f'<script src="{FOLDER}/{name}.js" defer></script>' for name in ("d3.min", "plot.min", "interactive")
    )
    sys.stdout.write(
        f'\n```{{=html}}\n<link rel="stylesheet" href="{FOLDER}/interactive.css">\n'
        f'<script type="application/json" data-interactive="{figure}">{data}</script>\n{scripts}\n```\n'
    )
