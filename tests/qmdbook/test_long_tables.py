"""A table in the PDF breaks over pages only if it is too long to stand on one, and then no row is lost."""

from __future__ import annotations

import io
from pathlib import Path

import pypdf
import pytest
import typst
from prose import PROJECT


def pages_with_rows(rows: int, folder: Path) -> list[int]:
    """How many rows of a table each page shows, after a page that is half full."""
    source = folder / "book.typ"
    cells = "..range(" + str(rows) + ").map(i => ([row #i], [x])).flatten()"
    source.write_text(
        (PROJECT / "src/qmdbook/site/book.typ").read_text(encoding="utf-8")
        + '\n#show: book.with(title: "Tables")\n= Chapter\n#v(9cm)\n'
        + f"#figure(kind: table, caption: [Rows], table(columns: 2, {cells}))\n#provenance[Where it is from]\n",
        encoding="utf-8",
    )
    pdf = pypdf.PdfReader(io.BytesIO(typst.compile(source)))
    return [count for page in pdf.pages if (count := page.extract_text().count("row "))]


@pytest.mark.parametrize(("rows", "pages"), [(4, 1), (12, 1), (80, 3)])
def test_rows_are_all_there(rows: int, pages: int, tmp_path: Path) -> None:
    found = pages_with_rows(rows, tmp_path)
    assert sum(found) == rows
    assert len(found) == pages
