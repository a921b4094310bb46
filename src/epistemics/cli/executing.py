"""What a preview asks of a new process, so that changed code counts: see to what a render reads, execute the book.

``python -m epistemics.cli.executing FILE``, in the project: into the file goes an `Answer`, for the process that asked.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from epistemics.analysis.stored_runs import IncompleteResults
from epistemics.cli.book import make_ready, printed_by
from epistemics.cli.inventory import runs_of
from epistemics.declared.project import Project, find_project
from epistemics.declared.sections import SpecificationError
from epistemics.lab.status import RunStatus, status
from epistemics.store.fingerprint import UnknownDefinition
from epistemics.store.record import DamagedResult, UnknownFormat
from epistemics.store.store import Store
from qmdbook.book import Outputs

FAULTS = (SpecificationError, IncompleteResults, DamagedResult, UnknownFormat, UnknownDefinition, SyntaxError)
NAMED = 10
"""Of missing results, so many are named."""


@dataclass(frozen=True)
class Answer:
    """What came of it."""

    outputs: Outputs
    """Of each chapter's cells; none if there is a problem."""
    problems: Sequence[str] = ()
    lacking: int = 0
    """Results that are missing or stale: what ``epistemics run --all --stale`` would train."""


def answer(project: Project) -> Answer:
    """Execute what has to be, and train nothing: stale results are shown with a mark, missing ones are a problem."""
    import qmdbook
    from epistemics.publishing.chapter_keys import chapter_key

    lacking = 0
    try:
        found = status(runs_of(project, []), Store(project.results))
        lacking = sum(s.state not in ("fresh", "adopted") for s in found)
        if missing := [s for s in found if s.state in ("missing", "damaged")]:
            return Answer({}, [_missing(missing)], lacking)
        make_ready(replace(project, policy="stale"), argparse.Namespace(workers=1, device="cpu"))
        outputs = qmdbook.outputs(
            project.folder,
            chapter_key=chapter_key(project),
            environment=project.environment,
            report=lambda line: print(line, flush=True),
            workers=os.cpu_count() or 1,
            printed=printed_by(project),
        )
    except qmdbook.BookError as error:
        return Answer({}, [str(problem) for problem in error.problems], lacking)
    except FAULTS as error:
        return Answer({}, [str(error)], lacking)
    return Answer(outputs, (), lacking)


def _missing(missing: Sequence[RunStatus]) -> str:
    count = "1 result is" if len(missing) == 1 else f"{len(missing)} results are"
    lines = [f"  {s.run.key}  {s.run.label}" for s in missing[:NAMED]]
    lines += [f"  and {len(missing) - NAMED} more"] if len(missing) > NAMED else []
    said = (
        f"{count} missing. `epistemics run --all --dry-run` says what that costs, `epistemics run --all` trains, "
        "and so does a preview with --train:"
    )
    return "\n".join([said, *lines])


def read_answer(file: Path) -> Answer:
    """The answer in a file. Raises OSError or ValueError if there is none."""
    said = json.loads(file.read_text(encoding="utf-8"))
    return Answer({Path(path): cells for path, cells in said["outputs"].items()}, said["problems"], said["lacking"])


def main() -> int:
    """Answer into the file that is named."""
    said = answer(find_project())
    content = {
        "outputs": {path.as_posix(): cells for path, cells in said.outputs.items()},
        "problems": said.problems,
        "lacking": said.lacking,
    }
    Path(sys.argv[1]).write_text(json.dumps(content), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
