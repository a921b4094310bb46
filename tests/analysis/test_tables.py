"""Tables as a chapter prints them."""

from __future__ import annotations

from epistemics.analysis.tables import Shown, listed, shares, spread, table_of


def test_a_range_in_a_cell_is_not_broken_and_in_data_is_plain() -> None:
    text = spread([3, 4, None], never="all")
    shown = Shown(["Model", "k@95%"], [["one – two", text], ["three", "–"]])._repr_markdown_()
    assert "| one – two | 4 (3\u2060–\u2060all) |" in shown
    assert shown.endswith("| three | – |")
    assert table_of([{"k": text}]).to_csv() == "k\n4 (3–all)\n"


def test_shares_are_in_per_cent_without_the_sign() -> None:
    assert shares([0.5, 0.955, 0.999], 1) == "95.5 (50.0–99.9)"
    assert shares([0.5, None, None]) == "never (50–never)"


def test_texts_are_listed_as_prose_lists_them() -> None:
    assert [listed(texts) for texts in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "none",
        "a",
        "a and b",
        "a, b and c",
    ]
