"""How work in progress and its duration are shown."""

from __future__ import annotations

import os
import sys
import time

from epistemics.lab.progress import Overview


class Display:
    """Progress: one line rewritten on a terminal, a line every half minute elsewhere."""

    def __init__(self) -> None:
        self.terminal = sys.stdout.isatty()
        self.shown_at = 0.0
        self.done = 0

    def __call__(self, overview: Overview) -> None:
        now = time.monotonic()
        finished = overview.done != self.done
        if not finished and now - self.shown_at < (0.2 if self.terminal else 30):
            return
        self.shown_at, self.done = now, overview.done
        speed = "" if overview.steps_per_second is None else f", {overview.steps_per_second:,.0f} steps a second"
        left = "" if overview.seconds_left is None else f", about {duration(overview.seconds_left)} left"
        head = f"{overview.done} of {overview.total} runs{speed}{left}"
        parts = []
        for p in overview.working:
            label = f"{p.runs[0].label} on {p.place}" if p.place else p.runs[0].label
            if p.phase == "train":
                parts.append(f"{label}: step {p.step:,}, {p.seen}")
            elif p.phase != "stored":
                parts.append(f"{label}: {p.phase}s" if p.phase == "measure" else f"{label}: starts")
        line = " | ".join([head, *parts])
        if self.terminal:
            # One column short: a line that fills the terminal wraps, and `\r` goes back over its last row only.
            width = os.get_terminal_size().columns
            print(f"\r\x1b[2K{line[: width - 1]}", end="\n" if overview.done == overview.total else "", flush=True)
        else:
            print(line, flush=True)


def duration(seconds: float) -> str:
    """In the unit that fits: seconds, minutes or hours."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
