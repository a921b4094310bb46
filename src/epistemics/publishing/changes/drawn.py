"""The figures of a checkout's chapters, drawn by its own code: ``python -P drawn.py``, in the folder of the book.

A process runs this file on the package of any version, so it relies on nothing of ours. It executes the cells of each
chapter down to its last labelled figure, in their order and in the chapter's folder, as a kernel does, and prints a
line of JSON for each chapter: the figures by label, each as the cell showed it. What fails is said, and ends nothing.

What is drawn is kept in the workspace, and taken from there where the version's own ``chapter_key`` says that it would
come out the same, as it does for a render.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import Any

import yaml

FENCE = re.compile(r"(`{3,}|~{3,})(.*)")
LABEL = re.compile(r"^#\|\s*label:\s*[\"']?(fig-[\w-]+)", re.MULTILINE)
IMAGES = ("image/svg+xml", "image/png")
KEPT = Path(".workspace/drawn")


def main() -> None:
    """Draw, and print to what was the standard output; what cells print goes to the standard error."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    drawn = [(path, cells) for path in chapters(Path.cwd()) if (cells := down_to_figures(path))]
    with tempfile.TemporaryDirectory(prefix="epistemics-") as own:
        os.environ |= {"IPYTHONDIR": own, "MPLBACKEND": "agg"}
        key = keys()
        for left, (path, cells) in zip(range(len(drawn) - 1, -1, -1), drawn, strict=True):
            out.write(json.dumps({"left": left, **kept_or_executed(path, cells, key(path, cells))}) + "\n")
            out.flush()


def chapters(folder: Path) -> list[Path]:
    """The chapters of the book in a folder, as its ``_quarto.yml`` lists them."""
    book = yaml.safe_load((folder / "_quarto.yml").read_text(encoding="utf-8"))["book"]
    return [Path(text) for text in _texts(book) if text.endswith(".qmd") and (folder / text).is_file()]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)


def down_to_figures(path: Path) -> list[str]:
    """The cells of a chapter down to its last labelled figure; none if it has none."""
    found = list(cells(path.read_text(encoding="utf-8")))
    labelled = [number for number, cell in enumerate(found, 1) if LABEL.search(cell)]
    return found[: max(labelled, default=0)]


def cells(text: str) -> Iterator[str]:
    """The blocks of a chapter that are executed, with their options."""
    lines = iter(text.splitlines())
    for line in lines:
        if fence := FENCE.match(line):
            body = "\n".join(takewhile(lambda line: not _closes(line, fence[1]), lines))
            if fence[2].strip().startswith("{python"):
                yield body


def _closes(line: str, fence: str) -> bool:
    return line.startswith(fence) and not line.strip().strip(fence[0])


def keys() -> Callable[[Path, list[str]], str]:
    """A function from a chapter's path and cells to what its figures hang on; empty where the version can't tell."""
    try:
        from epistemics.declared.project import find_project
        from epistemics.publishing.chapter_keys import chapter_key

        of_chapter = chapter_key(find_project())
    except Exception:  # a version that has none, or another one
        return lambda path, cells: ""

    def key(path: Path, cells: list[str]) -> str:
        try:
            parts = [of_chapter(path, cells), sys.version, *cells]
        except Exception:
            return ""
        beside = sorted(file for file in path.parent.iterdir() if file.is_file() and file.suffix != ".qmd")
        parts += [f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}" for file in beside]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    return key


def kept_or_executed(path: Path, cells: list[str], key: str) -> dict[str, Any]:
    """What the workspace keeps of a chapter, if it was drawn from the same, or what executing it gives."""
    file = KEPT / f"{'-'.join(path.with_suffix('').parts)}.json"
    with suppress(OSError, ValueError, KeyError):  # none, or damaged
        kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if key and kept.pop("key") == key:
            return kept
    told = executed(path, cells)
    if key and not told["failed"]:
        KEPT.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"key": key, **told}), encoding="utf-8")
    return told


def executed(path: Path, cells: list[str]) -> dict[str, Any]:
    """The figures of a chapter by label, and of those that there are not why."""
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output
    from traitlets.config import Config

    shell: Any = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    shell.reset()
    top, folder = Path.cwd(), path.parent.resolve()
    figures: dict[str, Any] = {}
    failed: dict[str, str] = {}
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    try:
        for cell in cells:
            with capture_output() as captured:
                done = shell.run_cell(cell)
            if label := LABEL.search(cell):
                shown = [output.data for output in captured.outputs]  # by `display`, and then the cell's last value
                shown.append(shell.display_formatter.format(done.result)[0])
                image = next((data for data in shown if any(kind in data for kind in IMAGES)), None)
                if image is not None:
                    kind = next(kind for kind in IMAGES if kind in image)
                    data = getattr(getattr(done.result, "origin", None), "data", ())
                    figures[label[1]] = {"kind": kind, "image": image[kind], "data": [name for name in data if name]}
                else:
                    error = done.error_before_exec or done.error_in_exec
                    failed[label[1]] = f"{type(error).__name__}: {error}" if error else "its cell shows no picture"
    finally:
        os.chdir(top)
        sys.path.remove(str(folder))
    return {"chapter": path.as_posix(), "figures": figures, "failed": failed}


if __name__ == "__main__":
    main()
