"""The one list of the book's chapters: what each follows of the log, asks, and gives to its prose and to readers.

A chapter gives variables, shown as ``{{< var chapter.name >}}``, and tables, which lie in ``data/chapter.name.csv``, by
``share(project)`` in its folder's ``chapter``. If it judges claims of the log, ``evidence_of(project)`` beside it says
what its results say to them: claim's id → evidence. Whatever else needs a list of chapters takes it from here.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from epistemics.analysis.tables import Numbers, Table

EVIDENCE = "evidence_of"
"""The function by which a chapter says what its results say to the log's claims."""

Share = tuple[Numbers, Mapping[str, Table]]
"""The numbers of the prose, its variables, and tables by name."""


@dataclass(frozen=True)
class Chapter:
    """A chapter that follows entries of the log, or shows what is computed."""

    path: str
    entries: tuple[int, ...] = ()
    """The log's entries that it follows; none for an appendix."""
    question: str = ""
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Experiments that it shows → operations that each of their models has to learn; none: any."""

    @property
    def name(self) -> str | None:
        """Of its folder here, and of its variables and data: that of its path. None if it computes nothing."""
        name = PurePosixPath(self.path).stem.replace("-", "_")
        return name if Path(__file__).with_name(name).joinpath("chapter.py").is_file() else None

    @property
    def prints(self) -> bool:
        """Whether its cells print sections, of which ``sections.expected`` beside them says the labels before."""
        return self.name is not None and Path(__file__).with_name(self.name).joinpath("sections.py").is_file()

    @property
    def label(self) -> str:
        """As it is referred to."""
        return f"sec-{PurePosixPath(self.path).stem}"


ALONE, BOTH = ("add",), ("add", "mul")
"""Operations that chapters cut out of a model."""

CHAPTERS = (
    Chapter("chapters/epistemology.qmd", (1, 2), "What can be known about a neural network?"),
    Chapter("chapters/debate.qmd", (3, 4), "Does debate between liars and honest players help a weak judge?"),
    Chapter("chapters/von-neumann.qmd", (5,), "When can a machine make what is as complex as itself?"),
    Chapter("chapters/scaling-laws.qmd", (6,), "How is compute best divided, and what does a larger batch buy?"),
    Chapter("chapters/phase-1-1.qmd", (7,), "What decides how soon a network groks?", needs={"phase-1-1": ()}),
    Chapter(
        "chapters/phase-1-2.qmd",
        (8,),
        "Does weight decay decide how hard a skill is to cut out?",
        needs={"phase-1-2": ALONE},
    ),
    Chapter("chapters/full-length.qmd", (8, 11), "Does resistance last?", needs={"full-length": ALONE}),
    Chapter("chapters/baselines.qmd", (8, 11), "What has a cut to be compared with?", needs={"baselines": ALONE}),
    Chapter(
        "chapters/batch-size.qmd", (6,), "Do small batches grok in fewer samples, and why?", needs={"batch-size": ()}
    ),
    Chapter("chapters/literature.qmd", (9,), "What was known, and what of it is new?"),
    Chapter("chapters/open-questions.qmd", (10,), "Does resisting a cut mean resisting an input?"),
    Chapter(
        "chapters/joint.qmd",
        (11,),
        "Can one skill be cut out of a model that has two?",
        needs={"joint": BOTH, "joint-search": BOTH},
    ),
    Chapter(
        "chapters/adversarial.qmd",
        (13,),
        "Can training make a skill hard to cut out?",
        needs={"adversarial": BOTH, "adversarial-sweep": BOTH},
    ),
    Chapter("chapters/trilemma.qmd", (12,), "Can a model be separable, robust and efficient at once?"),
    Chapter("chapters/ledger.qmd", (6, 7, 8, 11, 12, 13), "Which of the log's claims hold over several seeds?"),
    Chapter("chapters/method.qmd", needs={"precision": (), "gradient": ()}),
    Chapter("chapters/architecture.qmd"),
    Chapter("chapters/code.qmd"),
    Chapter("chapters/api.qmd"),
    Chapter("chapters/cluster.qmd"),
    Chapter("chapters/runs.qmd"),
)
"""In the order of the book."""


def judging() -> tuple[str, ...]:
    """The names of the chapters that judge claims of the log, by an ``evidence_of`` beside their ``share``.

    They are read, not imported: what they compute is heavy.
    """
    folders = {chapter.name: Path(__file__).with_name(chapter.name) for chapter in CHAPTERS if chapter.name}
    return tuple(name for name, folder in folders.items() if _defines(folder / "chapter.py", EVIDENCE))


def _defines(path: Path, name: str) -> bool:
    """Whether a module has a function of a name."""
    statements = ast.parse(path.read_text(encoding="utf-8")).body
    return any(isinstance(statement, ast.FunctionDef) and statement.name == name for statement in statements)


def chapter_of(module: str) -> Chapter:
    """The chapter in whose folder a module lies, given as ``epistemics.chapters.phase_1_2.figures``."""
    name = module.split(".")[2]
    return next(chapter for chapter in CHAPTERS if chapter.name == name)


FOLLOWING = tuple(chapter for chapter in CHAPTERS if chapter.entries)
"""Those that follow the log."""
