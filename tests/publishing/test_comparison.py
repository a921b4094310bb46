"""What counts as a change of the book, and how it is told."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from epistemics.publishing.changes.comparison import (
    Change,
    Experiment,
    Figure,
    Result,
    Snapshot,
    Verdict,
    compare,
)
from epistemics.publishing.changes.told import Span, as_json, as_page, as_text

SPAN = Span("HEAD~2", "a" * 40, "2026-01-02T03:04:05+00:00", "Sizes <b>", "b" * 40, 1)
BOOK = Snapshot(
    numbers={"sizes.runs": "2", "sizes.best": "98%"},
    verdicts={"order": Verdict("Short runs learn less", "not reproduced", "no")},
    tables={"sizes.runs": "model,seed,accuracy\nshort,0,0.5\nlong,0,0.98\nlong,1,0.97\n"},
    figures={"fig-sizes": Figure("chapters/sizes.qmd", "image/svg+xml", "<svg>1</svg>", ("sizes.runs",))},
    experiments={"sizes": Experiment("Two sizes", {"aa": "short", "bb": "long"})},
    results={"aa": Result("short", {"final_step": 20}, {"curve": "h1"}, "code 1")},
)


def test_of_the_same_book_nothing_changed() -> None:
    found = compare(BOOK, replace(BOOK))
    assert not found
    assert "nothing changed: no number, verdict, table, figure, experiment or result" in as_text(SPAN, found)


def test_numbers_come_go_and_change() -> None:
    found = compare(BOOK, replace(BOOK, numbers={"sizes.runs": "3", "sizes.worst": "50%"}))
    assert found.numbers == (
        Change("sizes.best", "98%", None),
        Change("sizes.runs", "2", "3"),
        Change("sizes.worst", None, "50%"),
    )
    said = as_text(SPAN, found)
    assert "numbers: 1 changed, 1 gone, 1 new" in said
    assert "sizes.runs: 2 → 3" in said
    assert "unchanged: verdicts, tables, figures, experiments, results" in said


def test_a_verdict_moves() -> None:
    moved = {"order": Verdict("Short runs learn less", "reproduced", "yes")}
    assert "order: not reproduced (no) → reproduced (yes)" in as_text(
        SPAN, compare(BOOK, replace(BOOK, verdicts=moved))
    )


def test_rows_of_a_table_are_told_apart_by_their_first_columns() -> None:
    """Here by model and seed, for a model has two rows; a row that moved is the same row."""
    other = "model,seed,accuracy,steps\nlong,1,0.97,200\nshort,0,0.6,20\nlong,2,0.9,200\n"
    (table,) = compare(BOOK, replace(BOOK, tables={"sizes.runs": other})).tables
    assert table.columns == ("model", "seed")
    assert table.new == (("long", "2"),)
    assert table.gone == (("long", "0"),)
    assert table.changed == ((("short", "0"), (Change("accuracy", "0.5", "0.6"),)),)
    assert table.new_columns == ("steps",)
    assert table.moved


def test_rows_that_nothing_tells_apart_are_compared_by_place() -> None:
    before, after = (replace(BOOK, tables={"t": f"x\n1\n1\n{last}\n"}) for last in (2, 3))
    (table,) = compare(before, after).tables
    assert table.columns == ()
    assert table.changed == ((("3",), (Change("x", "2", "3"),)),)


def test_a_table_that_only_stands_in_another_order_says_so() -> None:
    other = "model,seed,accuracy\nlong,1,0.97\nshort,0,0.5\nlong,0,0.98\n"
    assert "sizes.runs.csv: in another order" in as_text(
        SPAN, compare(BOOK, replace(BOOK, tables={"sizes.runs": other}))
    )


def test_a_figure_says_whether_its_data_changed() -> None:
    drawn = {"fig-sizes": replace(BOOK.figures["fig-sizes"], image="<svg>2</svg>")}
    assert "its data are the same and it is drawn otherwise" in as_text(
        SPAN, compare(BOOK, replace(BOOK, figures=drawn))
    )
    other = replace(BOOK, figures=drawn, tables={"sizes.runs": "model\nshort\n"})
    assert "its data changed: sizes.runs.csv" in as_text(SPAN, compare(BOOK, other))


def test_a_figure_of_the_same_picture_is_no_change() -> None:
    moved = {"fig-sizes": replace(BOOK.figures["fig-sizes"], chapter="chapters/other.qmd", data=("sizes.more",))}
    assert not compare(BOOK, replace(BOOK, figures=moved))


def test_a_figure_that_one_side_could_not_draw_is_not_called_new() -> None:
    before = replace(BOOK, figures={}, undrawn={"fig-sizes": "KeyError: 0.3"})
    found = compare(before, BOOK)
    assert not found.figures
    assert "fig-sizes: then: KeyError: 0.3" in as_text(SPAN, found)


def test_experiments_and_their_runs() -> None:
    others = {
        "sizes": Experiment("Three sizes", {"aa": "short", "cc": "longer"}),
        "more": Experiment("More", {"dd": "more"}),
    }
    more, sizes = compare(BOOK, replace(BOOK, experiments=others)).experiments
    assert (more.what, dict(more.new)) == ("new", {"dd": "more"})
    assert sizes.title == Change("title", "Two sizes", "Three sizes")
    assert (dict(sizes.new), dict(sizes.gone)) == ({"cc": "longer"}, {"bb": "long"})


def test_of_a_result_its_values_count_and_then_its_code() -> None:
    result = BOOK.results["aa"]
    for other, what, also in (
        (replace(result, code="code 2"), "sealed anew", ""),
        (replace(result, arrays={**result.arrays, "noise": "h2"}), "extended", "new noise"),
        (replace(result, arrays={"curve": "h3"}), "changed", "other values of curve"),
        (replace(result, metrics={"final_step": 40}, code="code 2"), "changed", "final_step 20 → 40"),
    ):
        found = compare(BOOK, replace(BOOK, results={"aa": other}))
        assert [change.what for change in found.results] == [what]
        assert also in as_text(SPAN, found)
    found = compare(BOOK, replace(BOOK, results={"bb": result}))
    assert [(change.key, change.what) for change in found.results] == [("aa", "gone"), ("bb", "new")]


def test_what_a_version_does_not_tell_is_not_compared_and_says_why() -> None:
    old = Snapshot(results=BOOK.results, lacking=dict.fromkeys(("numbers", "tables"), "2 results are not stored"))
    found = compare(old, BOOK)
    assert not found.numbers
    assert not found.tables
    assert "numbers are not compared: then: 2 results are not stored" in as_text(SPAN, found)


def test_programs_get_everything_but_the_pictures() -> None:
    drawn = {"fig-sizes": replace(BOOK.figures["fig-sizes"], image="<svg>2</svg>")}
    told = json.loads(json.dumps(as_json(SPAN, compare(BOOK, replace(BOOK, figures=drawn, numbers={})))))
    assert told["from"] == "a" * 40
    assert told["numbers"][0] == {"name": "sizes.best", "before": "98%", "after": None}
    (figure,) = told["figures"]
    assert figure["before"]["sha256"] != figure["after"]["sha256"]
    assert "<svg>" not in json.dumps(told)


def test_the_page_needs_no_other_file_and_shows_figures_old_beside_new() -> None:
    drawn = {"fig-sizes": replace(BOOK.figures["fig-sizes"], image="<svg>2</svg>")}
    verdicts = {"order": Verdict("Short runs learn <less>", "reproduced", "yes")}
    page = as_page(SPAN, compare(BOOK, replace(BOOK, figures=drawn, verdicts=verdicts)))
    assert len(re.findall(r'<img src="data:image/svg\+xml;base64,', page)) == 2
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert "prefers-color-scheme: dark" in page
    assert "Short runs learn &lt;less&gt;" in page
    assert "Sizes &lt;b&gt;" in page
