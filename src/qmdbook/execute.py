"""Running the cells: each chapter in a kernel of its own, once; not at all if the cache has its outputs."""

from __future__ import annotations

import datetime
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.cache.main import CacheBundleIn
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

from qmdbook.assemble import TERMINAL_COLOUR, Output
from qmdbook.chapter import Cell, Chapter
from qmdbook.problems import BookError, Problem

LOOK_SECONDS = 0.2
"""How often what executes is looked at."""
FIRST_REPORT_SECONDS = 10.0
"""A cell that takes longer is named, and again whenever it has taken twice as long."""
OUTPUT_CHARACTERS = 20_000_000
"""What a cell may print or show; a page of a tenth of that is too much for a reader."""
DIED = "the kernel died while it executed this cell"
FRAME = re.compile(r"Cell In\[(\d+)\], line (\d+)")
Outputs = list[list[Output]]


@dataclass(frozen=True)
class Executed:
    """The outputs of a chapter's cells, and whether they came from the cache."""

    outputs: Outputs
    cached: bool


class ThisInterpreter(KernelSpecManager):
    """Kernels of the Python that runs the renderer, whatever is installed elsewhere as `python3`."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=command, display_name="Python 3", language="python")


@dataclass(frozen=True)
class Plan:
    """What the cache has of some chapters, and what is to be executed, as notebooks without outputs."""

    chapters: Sequence[Chapter]
    cached: Mapping[Path, Outputs]
    missing: Sequence[tuple[Chapter, nbformat.NotebookNode]]


def plan(
    chapters: Sequence[Chapter],
    *,
    cache_folder: Path,
    chapter_key: Callable[[Path, list[str]], str],
    environment: Mapping[str, str],
    report: Callable[[str], None],
) -> Plan:
    """Look the chapters up.

    A chapter is taken from the cache if the code of its cells, `environment` and what `chapter_key` says are unchanged.
    """
    cache = get_cache(cache_folder)
    cached: dict[Path, Outputs] = {}
    missing = []
    for chapter in chapters:
        if not chapter.cells:
            cached[chapter.path] = []
            continue
        key = chapter_key(chapter.path, [cell.code for cell in chapter.cells])
        notebook = _notebook(chapter, key, environment)
        try:
            _, filled = cache.merge_match_into_notebook(notebook)
        except (KeyError, ValueError, OSError):  # not there, or damaged
            missing.append((chapter, notebook))
        else:
            cached[chapter.path] = _outputs(filled)
            report(f"{chapter.path.as_posix()}: unchanged, outputs from the cache")
    return Plan(chapters, cached, missing)


def execute(
    root: Path,
    planned: Plan,
    *,
    cache_folder: Path,
    environment: Mapping[str, str],
    report: Callable[[str], None],
    workers: int,
    cell_seconds: float,
) -> dict[Path, Executed]:
    """The outputs of every chapter, by its path.

    What is missing executes at the same time, as many chapters as there are `workers`. A cell that takes long is
    reported, and stopped after `cell_seconds`. Raises BookError with every failed cell.
    """
    cache = get_cache(cache_folder)
    executed = {path: Executed(outputs, cached=True) for path, outputs in planned.cached.items()}
    missing = [Execution(root, chapter, notebook, environment) for chapter, notebook in planned.missing]
    problems: list[Problem] = []
    with ThreadPoolExecutor(max(1, workers)) as pool:
        running = {pool.submit(execution.run): execution for execution in missing}
        try:
            while running:
                done, _ = wait(running, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
                for future in done:
                    execution = running.pop(future)
                    problems.extend(found := future.result())
                    if not found:
                        chapter, notebook = execution.chapter, execution.notebook
                        bundle = CacheBundleIn(notebook, uri=str(root / chapter.path))
                        cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
                        executed[chapter.path] = Executed(_outputs(notebook), cached=False)
                        count, seconds = len(chapter.cells), execution.seconds
                        report(f"{chapter.path.as_posix()}: {count} cells executed in {seconds:.1f} s")
                for execution in running.values():
                    execution.watch(cell_seconds, report)
        except BaseException:  # Ctrl-C above all: the pool waits for its threads, and they for their kernels
            while running:
                for future, execution in running.items():
                    future.cancel()
                    execution.stop("stopped")
                running = {future: running[future] for future in wait(running, timeout=LOOK_SECONDS).not_done}
            raise
    if problems:
        raise BookError(problems)
    return {chapter.path: executed[chapter.path] for chapter in planned.chapters}


class Execution(NotebookClient):
    """The execution of one chapter, in a thread; another thread looks at how far it is, and may stop it."""

    def __init__(
        self, root: Path, chapter: Chapter, notebook: nbformat.NotebookNode, environment: Mapping[str, str]
    ) -> None:
        folder = (root / chapter.path).parent
        super().__init__(notebook, record_timing=False, timeout=None, resources={"metadata": {"path": str(folder)}})
        self.chapter, self.notebook, self.environment = chapter, notebook, environment
        self.cell: Cell | None = None
        """What executes now."""
        self.since = self.seconds = 0.0
        self.next_report = FIRST_REPORT_SECONDS
        self.printed = 0
        self.stopped = ""
        """Why it was stopped, if it was."""
        self.on_cell_execute = self._begin

    def run(self) -> list[Problem]:
        """Execute the notebook in place; no problems if every cell succeeded."""
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="kernel-") as own:
            # No start-up files and no shared history: a chapter sees its own code and the environment only.
            variables = {**os.environ, **self.environment, "IPYTHONDIR": own}
            self.km = AsyncKernelManager(
                kernel_name="python3",
                kernel_spec_manager=ThisInterpreter(),
                transport="ipc",  # files in its own folder: a port that was free may be taken before it is bound
                connection_file=f"{own}/kernel.json",
            )
            log = Path(own, "log")
            try:
                # A kernel's last words are for the report of its death, not for the terminal.
                with log.open("wb") as errors:
                    self.execute(env=variables, cleanup_kc=True, stderr=errors)
            except CellExecutionError:
                return list(_failures(self.chapter, self.notebook))
            except (DeadKernelError, RuntimeError):
                said = log.read_text(encoding="utf-8", errors="replace").strip()
                self.stopped = self.stopped or "\n".join(filter(None, [DIED, said]))
        self.seconds = time.monotonic() - start
        if self.stopped:  # which the last cell may not have noticed
            return [Problem(self.chapter.path, (self.cell or self.chapter.cells[0]).line, self.stopped)]
        return []

    def watch(self, cell_seconds: float, report: Callable[[str], None]) -> None:
        """Say what executes if it takes long, at ever longer intervals; stop it if it takes too long."""
        cell, took = self.cell, time.monotonic() - self.since
        if cell is None:
            return
        if took > cell_seconds:
            self.stop(f"the cell was stopped after {cell_seconds:g} s, the limit `cell_seconds`")
        elif took > self.next_report:
            self.next_report *= 2
            number, count = self.chapter.cells.index(cell) + 1, len(self.chapter.cells)
            began = datetime.datetime.now() - datetime.timedelta(seconds=took)
            place = f"{self.chapter.path.as_posix()}:{cell.line}"
            report(f"{place}: cell {number} of {count} executes since {began:%H:%M:%S}, for {took:.0f} s now")

    def stop(self, why: str) -> None:
        """End the kernel and what it has started, at once: `run` finds it dead."""
        self.stopped = self.stopped or why
        provisioner = self.km.provisioner if self.km is not None else None
        if isinstance(provisioner, LocalProvisioner) and provisioner.pgid:
            with suppress(ProcessLookupError):
                os.killpg(provisioner.pgid, signal.SIGKILL)

    def _begin(self, cell: nbformat.NotebookNode, cell_index: int) -> None:
        self.since, self.next_report, self.printed = time.monotonic(), FIRST_REPORT_SECONDS, 0
        self.cell = self.chapter.cells[cell_index]

    def output(self, outs: Any, msg: dict[str, Any], display_id: Any, cell_index: int) -> Any:
        """Take one output, as long as there are not too many: a loop that prints would fill the memory."""
        content = msg["content"]
        self.printed += sum(len(str(part)) for part in [content.get("text", ""), *content.get("data", {}).values()])
        if self.printed > OUTPUT_CHARACTERS:
            self.stop(f"the cell was stopped: its output is longer than {OUTPUT_CHARACTERS:,} characters")
            return None
        return super().output(outs, msg, display_id, cell_index)


def _notebook(chapter: Chapter, key: str, environment: Mapping[str, str]) -> nbformat.NotebookNode:
    # The cache hashes the source and the metadata of cells: what else the outputs depend on goes there.
    metadata = {
        "chapter": chapter.path.as_posix(),
        "key": key,
        "environment": dict(sorted(environment.items())),
        "python": sys.version,
    }
    cells = [
        nbformat.v4.new_code_cell(cell.code, metadata=metadata, id=f"cell-{number}")  # type: ignore[no-untyped-call]
        for number, cell in enumerate(chapter.cells, 1)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook: nbformat.NotebookNode
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})  # type: ignore[no-untyped-call]
    return notebook


def _outputs(notebook: nbformat.NotebookNode) -> Outputs:
    return [list(cell.outputs) for cell in notebook.cells]


def _failures(chapter: Chapter, notebook: nbformat.NotebookNode) -> Iterator[Problem]:
    """The failing cell, its traceback in the chapter's own lines."""
    for number, (cell, done) in enumerate(zip(chapter.cells, notebook.cells, strict=True), 1):
        for output in done.outputs:
            if output.output_type != "error":
                continue
            text = TERMINAL_COLOUR.sub("", "\n".join(output.traceback))
            frames = [(int(match[1]), int(match[2])) for match in FRAME.finditer(text)]
            line = next((cell.code_line + offset - 1 for where, offset in frames if where == number), cell.line)

            def in_chapter(match: re.Match[str]) -> str:
                where = chapter.cells[int(match[1]) - 1]
                return f"{chapter.path.as_posix()}, line {where.code_line + int(match[2]) - 1}"

            traceback = FRAME.sub(in_chapter, text)
            yield Problem(chapter.path, line, f"{output.ename}: {output.evalue}\n{traceback}")
