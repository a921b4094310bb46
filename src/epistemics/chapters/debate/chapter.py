"""Log entries 3 and 4: debate between perfect players about images, and between fallible ones about formulas."""

from __future__ import annotations

from collections.abc import Mapping

from epistemics.analysis.provenance_line import published
from epistemics.analysis.tables import Numbers, Table, number, percent
from epistemics.chapters.contents import Share
from epistemics.chapters.debate import formula_debate, pixel_debate
from epistemics.declared.project import Project


def tables() -> dict[str, Table]:
    """What the figures and tables of the chapter show, by name."""
    return published(
        __name__,
        {
            "pixels": pixel_debate.accuracies(),
            "example": pixel_debate.example(),
            "formulas": formula_debate.accuracies(),
        },
    )


def numbers(tables: Mapping[str, Table]) -> Numbers:
    """The numbers of the chapter's prose."""
    pixels, formulas = tables["pixels"], tables["formulas"]
    deepest = max(formula_debate.DEPTHS)
    digit, lie, _ = pixel_debate.EXAMPLE
    lines = pixel_debate.GLYPHS[0].split()
    found: Numbers = {
        "images": str(len(pixel_debate.images())),
        "digits": str(len(pixel_debate.GLYPHS)),
        "font": f"{len(lines[0])} × {len(lines)}",
        "board": f"{pixel_debate.WIDTH} × {pixel_debate.HEIGHT}",
        "digit": str(digit),
        "lie": str(lie),
        "shallowest": str(min(formula_debate.DEPTHS)),
        "depth": str(deepest),
        "leaves": number(2**deepest),
        "true_leaves": percent(formula_debate.GOLDEN, 1),
        "prior": percent(max(formula_debate.GOLDEN, 1 - formula_debate.GOLDEN), 1),
    }
    for k in pixel_debate.PIXELS:
        accuracies = pixels.where(pixels=k)
        found[f"pixels_{k}"] = {
            setting.replace(" ", "_"): percent(accuracies.where(setting=setting).column("accuracy")[0], 1)
            for setting in pixel_debate.SETTINGS
        }
    found["published"] = {
        f"pixels_{k}": {"alone": percent(alone, 1), "debate": percent(with_debate, 1)}
        for k, (alone, with_debate) in pixel_debate.PUBLISHED.items()
    }
    for name, *_ in formula_debate.ERRORS:
        accuracy = formula_debate.at_depth(formulas, name, deepest)
        found[name.replace(" ", "_").replace("%", "")] = percent(accuracy, 1)
    return found


def share(_: Project) -> Share:
    """What the chapter gives to its prose and to readers; see ``contents``."""
    made = tables()
    return numbers(made), made
