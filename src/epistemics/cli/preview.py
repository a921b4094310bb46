"""The verb preview: the book on this machine while it is written, each page anew as soon as its source is saved.

A change of a chapter's text is built in this process, in about a second. For all else (cells, code, experiments,
results) a new process sees to the results and executes what has to be; the last good pages stay until it is done, with
what is wrong shown above them. The site that was rendered last is not touched.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import webbrowser
from collections.abc import Iterable
from pathlib import Path

import watchfiles

from epistemics.cli.book import FaultyBook
from epistemics.cli.executing import Answer, read_answer
from epistemics.declared.project import Project
from epistemics.publishing.unchanged import MADE
from qmdbook import BookError, outline
from qmdbook.draft import Draft
from qmdbook.server import Server

LOOK_MILLISECONDS = 100
"""How often it is asked whether a process has ended."""
QUIET_MILLISECONDS = 30
"""For how long nothing may change before what has changed is looked at: editors save in several steps."""
TEXTS = (".qmd", ".py", ".yml", ".yaml", ".bib", ".csl", ".csv", ".json", ".html", ".css", ".js", ".typ")
IMAGES = (".svg", ".png", ".jpg")
NOTHING_YET = "<!doctype html><html lang='en'><head><title>Preview</title></head><body></body></html>"


class Preview:
    """The pages, who reads them, and what is being done for them."""

    def __init__(self, project: Project, server: Server, train: bool) -> None:
        self.project, self.server, self.train = project, server, train
        self.draft = Draft(project.folder, Path(server.folder))
        self._own = tempfile.TemporaryDirectory(prefix="preview-")
        self._answer = Path(self._own.name) / "answer.json"
        self._executing: subprocess.Popen[bytes] | None = None
        self._training: subprocess.Popen[bytes] | None = None
        self._since = time.perf_counter()

    def changed(self, paths: Iterable[Path]) -> None:
        """See to sources that were saved, given by their paths in the project."""
        self._since = time.perf_counter()
        for path in sorted(paths):
            print(f"{path.as_posix()} is saved", flush=True)
            if path.suffix != ".qmd" or not self._text_alone(path):
                self.execute()
                return

    def _text_alone(self, path: Path) -> bool:
        """Build what a chapter's text has changed, if its text is all that has changed."""
        try:
            if self.draft.rebuild(path):
                self._built([path.with_suffix(".html").as_posix()])
            elif self.draft.has_same_cells():
                self.draft.build(self.draft.outputs)
                self._built(None)
            else:
                return False
        except BookError as error:
            self._wrong(map(str, error.problems))
        return True

    def execute(self) -> None:
        """Begin to see to results and cells. What was begun before is of older sources, and ends."""
        _end(self._executing)
        command = [sys.executable, "-m", "epistemics.cli.executing", str(self._answer)]
        self._executing = subprocess.Popen(command, cwd=self.project.folder, env=os.environ | self.project.environment)
        self.server.say(busy="results and cells are seen to …")

    def look(self) -> None:
        """If what was begun has ended, build its pages."""
        if self._executing is None or self._executing.poll() is None:
            return
        status, self._executing = self._executing.returncode, None
        try:
            answer = read_answer(self._answer)
            self._answer.unlink()
        except (OSError, ValueError):
            self._wrong([f"the process that executes cells ended with status {status}; the terminal has what it said"])
            return
        if answer.lacking and self.train:
            self._train()
        self._take(answer)

    def _take(self, answer: Answer) -> None:
        if answer.problems:
            self._wrong(answer.problems)
            return
        try:
            self.draft.build(answer.outputs)
        except BookError as error:
            self._wrong(map(str, error.problems))
        else:
            self._built(None)

    def _train(self) -> None:
        """Train what is missing or stale beside the preview, which takes up each result as it is stored."""
        if self._training is None or self._training.poll() is not None:
            command = [sys.executable, "-m", "epistemics", "run", "--all", "--stale", "--workers", "1"]
            environment = os.environ | self.project.environment
            self._training = subprocess.Popen(command, cwd=self.project.folder, env=environment)

    def end(self) -> None:
        """End what was begun."""
        _end(self._executing)
        _end(self._training)
        self._own.cleanup()

    def _built(self, pages: list[str] | None) -> None:
        self.server.say(pages=pages, problems=[])
        which = "all pages" if pages is None else ", ".join(pages)
        print(f"{which} built, {time.perf_counter() - self._since:.1f} s after the change", flush=True)

    def _wrong(self, problems: Iterable[str]) -> None:
        said = list(problems)
        self.server.say(problems=said)
        print("\n".join(["the last good pages stay:", *said]), file=sys.stderr, flush=True)


def preview(project: Project, options: argparse.Namespace) -> int:
    """Serve the book until Ctrl-C."""
    folder = project.workspace / "preview"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "index.html").is_file():
        (folder / "index.html").write_text(NOTHING_YET, encoding="utf-8")
    try:
        serving = Server(folder, options.port)
    except OSError as error:
        raise FaultyBook(f"--port {options.port}: {error.strerror}; name another, or none") from error
    with serving as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        shown = Preview(project, server, options.train)
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: nothing is left running
        try:
            address = f"{server.address}{_last_edited(project)}"
            print(f"the book is at {address}; Ctrl-C ends this", flush=True)
            shown.execute()
            if not options.no_browser:
                webbrowser.open(address)
            for changes in watchfiles.watch(
                project.folder,
                watch_filter=_Sources(project),
                step=QUIET_MILLISECONDS,
                rust_timeout=LOOK_MILLISECONDS,
                yield_on_timeout=True,
                ignore_permission_denied=True,
            ):
                if changes:
                    shown.changed({Path(path).relative_to(project.folder) for _, path in changes})
                shown.look()
        except KeyboardInterrupt:
            pass
        finally:
            shown.end()
            server.shutdown()
    print("\nthe preview has ended", flush=True)
    return 0


def _last_edited(project: Project) -> str:
    """The page whose source was saved last."""
    try:
        chapters = outline(project.folder).chapters
    except BookError:  # which the pages will say
        return ""
    last = max(chapters, key=lambda chapter: (project.folder / chapter.path).stat().st_mtime)
    return last.page.as_posix()


class _Sources(watchfiles.DefaultFilter):
    """What a person edits, and results; not what a preview makes of them."""

    def __init__(self, project: Project) -> None:
        super().__init__()
        self._folder, self._results = project.folder, project.results

    def __call__(self, change: watchfiles.Change, path: str) -> bool:
        file = Path(path)
        if file.is_relative_to(self._results):
            return file.name == "result.json"
        if not super().__call__(change, path) or not file.is_relative_to(self._folder):
            return False
        parts = file.relative_to(self._folder).parts
        is_hidden = any(part.startswith(".") or part == "_site" for part in parts)
        return file.suffix in (*TEXTS, *IMAGES) and not is_hidden and parts[0] not in MADE


def _end(process: subprocess.Popen[bytes] | None) -> None:
    """End a process, if it has not ended: as Ctrl-C does, so that it ends what it has begun itself."""
    if process is not None and process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.wait()
