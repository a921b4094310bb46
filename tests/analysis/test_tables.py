"""Tables as a chapter prints them."""

from __future__ import annotations

from epistemics.analysis.tables import (
    ABSENT,
    Shown,
    listed,
    name_of_value,
    number,
    of_setting,
    percent,
    ranked_median,
    shares,
    spread,
    table_of,
)


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


def test_names_tell_the_values_of_a_setting_apart_and_each_has_a_point() -> None:
    assert [name_of_value(decay) for decay in (0.0, 0.01, 0.1, 1, 10.0)] == ["0_0", "0_01", "0_1", "1_0", "10_0"]


def test_of_a_setting_that_was_not_run_no_number_is_shown_however_deep() -> None:
    numbers = {"seeds": "3", "removed": {"attention": "12%"}}
    assert of_setting(numbers, there=True) == numbers
    assert of_setting(numbers, there=False) == {"seeds": ABSENT, "removed": {"attention": ABSENT}}


def test_what_is_no_number_is_shown_as_if_it_were_not_there() -> None:
    """Of a run that diverged: no median is of it, and no reader gets a nan."""
    nan = float("nan")
    assert (number(nan), percent(nan), ranked_median([1, nan, 3, None])) == ("–", "–", 3)
    assert spread([nan, 3, 2, 1]) == "2 (1–3), 1 diverged"
    assert spread([nan, nan]) == "2 diverged"
    assert table_of([{"k": nan, "of": "add"}]).to_csv() == "k,of\n,add\n"
