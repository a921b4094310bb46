"""The sections of the ledger, one for each entry of the log that claims something: with verdicts, and before them.

Nothing here needs a result, so the book's references can be checked before anything is trained or executed.
"""

from __future__ import annotations

from epistemics.analysis.claims import Heading, load_headings
from epistemics.declared.project import Project


def section(heading: Heading, table: str) -> str:
    """A section's heading and table as Markdown.

    Args:
        table: a pipe table.
    """
    title = f"{heading.entry}: {heading.title}" if heading.title else f"{heading.entry}"
    return f"## Entry {title}\n\n::: {{#tbl-ledger-{heading.entry}}}\n{table}\n\n{heading.caption}\n:::\n"


def expected(project: Project) -> str:
    """The sections that the chapter will print, without verdicts: their labels are those of the book.

    Raises:
        SpecificationError: for anything that is wrong in the file of claims.
    """
    headings = load_headings(project.experiments)
    return "\n".join(section(heading, "| Claim |\n|:--|\n| |") for heading in headings)
