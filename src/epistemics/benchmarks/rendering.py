"""What a first render takes, an unchanged one, an edit of prose and an edit of an experiment file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

EDITS = {
    "first": "the first time",
    "unchanged": "nothing changed",
    "prose": "a sentence changed",
    "experiment": "an experiment file changed",
}
"""Before each render that is timed, in this order: its name, and what it is to a reader."""


def rendering(folder: Path, report: Callable[[str], None]) -> list[dict[str, Any]]:
    """Seconds of each render on a copy of the project, by the embedded renderer and by Quarto where it is."""
    renderers = {"embedded": [sys.executable, "-m", "epistemics", "render"]}
    if quarto := shutil.which("quarto"):
        renderers["quarto"] = [quarto, "render"]
    found = []
    for name, command in renderers.items():
        with tempfile.TemporaryDirectory(prefix="epistemics-bench-") as temporary:
            copy = Path(temporary) / "book"
            shutil.copytree(
                folder, copy, ignore=shutil.ignore_patterns(".*", "_site", "_book", "data", "_variables.yml")
            )
            for edit in EDITS:
                report(f"rendering: {name}, {edit}")
                _edit(copy, edit)
                started = time.perf_counter()
                environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
                done = subprocess.run(command, cwd=copy, capture_output=True, text=True, env=environment)
                took = time.perf_counter() - started
                if done.returncode != 0:
                    raise RuntimeError(f"{name} failed after the edit «{edit}»:\n{done.stdout}{done.stderr}")
                found.append({"renderer": name, "edit": edit, "seconds": round(took, 2)})
    return found


def _edit(project: Path, edit: str) -> None:
    """Make one edit in the copy."""
    if edit == "prose":
        chapter = project / "chapters" / "phase-1-1.qmd"
        chapter.write_text(chapter.read_text(encoding="utf-8") + "\nA sentence more.\n", encoding="utf-8")
    if edit == "experiment":
        path = project / "experiments" / "phase-1-1.yaml"
        text = path.read_text(encoding="utf-8").replace('title: "', 'title: "Once more, ', 1)
        path.write_text(text, encoding="utf-8")
