"""Running the cells: each chapter in a kernel of its own, once; not at all if the cache has its outputs."""

from __future__ import annotations

import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.cache.main import CacheBundleIn
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

from epistemics.book.assemble import TERMINAL_COLOUR, Output
from epistemics.book.chapter import Chapter
from epistemics.book.problems import BookError, Problem

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


def execute(
    root: Path,
    chapters: Sequence[Chapter],
    *,
    cache_folder: Path,
    chapter_key: Callable[[Path, list[str]], str],
    environment: Mapping[str, str],
    report: Callable[[str], None],
    workers: int,
) -> dict[Path, Executed]:
    """The outputs of every chapter, by its path.

    A chapter is taken from the cache if the code of its cells, `environment` and what `chapter_key` says are
    unchanged; the others execute at the same time, as many as there are `workers`. Raises BookError with every
    failed cell.
    """
    cache = get_cache(cache_folder)
    executed: dict[Path, Executed] = {}
    missing: list[tuple[Chapter, nbformat.NotebookNode]] = []
    for chapter in chapters:
        if not chapter.cells:
            executed[chapter.path] = Executed([], cached=True)
            continue
        key = chapter_key(chapter.path, [cell.code for cell in chapter.cells])
        notebook = _notebook(chapter, key, environment)
        try:
            _, filled = cache.merge_match_into_notebook(notebook)
        except (KeyError, ValueError, OSError):  # not there, or damaged
            missing.append((chapter, notebook))
        else:
            executed[chapter.path] = Executed(_outputs(filled), cached=True)
            report(f"{chapter.path.as_posix()}: unchanged, outputs from the cache")
    problems: list[Problem] = []

    kernels: list[AsyncKernelManager] = []

    def run(chapter: Chapter, notebook: nbformat.NotebookNode) -> tuple[list[Problem], float]:
        start = time.perf_counter()
        found = _run(root, chapter, notebook, environment, kernels)
        return found, time.perf_counter() - start

    with ThreadPoolExecutor(max(1, workers)) as pool:
        running = [(chapter, notebook, pool.submit(run, chapter, notebook)) for chapter, notebook in missing]
        try:
            for chapter, notebook, future in running:
                found, seconds = future.result()
                problems.extend(found)
                if not found:
                    bundle = CacheBundleIn(notebook, uri=str(root / chapter.path))
                    cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
                    executed[chapter.path] = Executed(_outputs(notebook), cached=False)
                    report(f"{chapter.path.as_posix()}: {len(chapter.cells)} cells executed in {seconds:.1f} s")
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            for kernel in kernels:
                if isinstance(kernel.provisioner, LocalProvisioner) and kernel.provisioner.pid:
                    os.kill(kernel.provisioner.pid, signal.SIGKILL)
            raise
    if problems:
        raise BookError(problems)
    return executed


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


def _run(
    root: Path,
    chapter: Chapter,
    notebook: nbformat.NotebookNode,
    environment: Mapping[str, str],
    kernels: list[AsyncKernelManager],
) -> list[Problem]:
    """Execute `notebook` in place, its kernel added to `kernels`; no problems if every cell succeeded."""
    with tempfile.TemporaryDirectory(prefix="kernel-") as own:
        # No start-up files and no shared history: a chapter sees its own code and the environment only.
        variables = {**os.environ, **environment, "IPYTHONDIR": own}
        manager = AsyncKernelManager(
            kernel_name="python3",
            kernel_spec_manager=ThisInterpreter(),
            transport="ipc",
            connection_file=f"{own}/kernel.json",
        )
        folder = (root / chapter.path).parent
        client = NotebookClient(
            notebook,
            km=manager,
            record_timing=False,
            timeout=None,
            resources={"metadata": {"path": str(folder)}},
        )
        log = Path(own, "log")
        try:
            # A kernel's last words are for the report of its death, not for the terminal.
            with log.open("wb") as errors:
                client.execute(env=variables, cleanup_kc=True, stderr=errors)
        except CellExecutionError:
            return list(_failures(chapter, notebook))
        except (DeadKernelError, RuntimeError):
            started = sum(cell.get("execution_count") is not None for cell in notebook.cells)
            cell = chapter.cells[min(started, len(chapter.cells) - 1)]
            said = log.read_text(encoding="utf-8", errors="replace").strip()
            message = "\n".join(filter(None, ["the kernel died while it executed this cell", said]))
            return [Problem(chapter.path, cell.line, message)]
    return []


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
