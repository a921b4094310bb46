"""What the log claims, and what is made of it: ``experiments/claims.yaml`` held against our runs.

Data flows one way: a claim is read from the file, each experiment's module turns its results into evidence, and
``judged`` puts the two together. The criteria stand in the file, and were committed before the runs that they judge
where the file says so. Only runs at the log's own scale, the paper profile, are judged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from epistemics.analysis.tables import listed, number, ranked_median, spread
from epistemics.declared.experiments import CLAIMS
from epistemics.declared.sections import Section, SpecificationError, number_meant, read

REPRODUCED = "reproduced"
IN_KIND = "reproduced in kind"
NOT_REPRODUCED = "not reproduced"
CANNOT_BE_JUDGED = "can't be judged"
VERDICTS = (REPRODUCED, IN_KIND, NOT_REPRODUCED, CANNOT_BE_JUDGED)

NEVER = "never"

MOST_DIGITS = 10

Figure = float | tuple[float, float] | None
"""A published figure: a number, a range of numbers, or None for "never"."""


@dataclass(frozen=True)
class Claim:
    """One thing that the log says."""

    id: str
    entry: int
    """Number of the log entry."""
    says: str
    declared: str
    """before or after the runs that judge it."""
    published: Figure
    """None for "never", and for statements."""
    digits: int
    """Decimals with which the figure is written."""
    measured: str
    """How the figure is measured here; empty for statements."""
    criterion: str
    """When it counts as reproduced."""
    statement: bool
    """Whether it is a statement of order or kind, and not a figure."""
    in_kind: str | None
    """The statement by which a figure that is not reproduced is reproduced in kind."""
    waits: bool = False
    """Whether there are no runs yet that answer it."""

    @property
    def shown(self) -> str:
        """The published figure for reading; empty for statements."""
        if self.statement:
            return ""
        if isinstance(self.published, tuple):
            return " to ".join(f"{bound:g}" for bound in self.published)
        return number(self.published, self.digits, missing=NEVER)


@dataclass(frozen=True)
class Heading:
    """What stands above the claims of one log entry."""

    entry: int
    title: str
    """Empty for an entry that the file gives none."""
    caption: str
    """Of the table of its claims."""


@dataclass(frozen=True)
class Evidence:
    """What our runs say to a claim."""

    seen: str
    """The figure or table that shows it, as a reference: ``@fig-weight-decay``."""
    values: Sequence[float | None] = ()
    """For a figure: a value for each seed; None where it never happened."""
    accepted: Sequence[float | None] = ()
    """Values by a second reading that the claim allows."""
    along: Sequence[float | None] = ()
    """Values at other moments of the same runs."""
    holds: bool | None = None
    """For a statement: whether its criterion holds; None if the runs can't decide."""
    said: str = ""
    """For a statement: what was compared, or why it can't be judged."""


@dataclass(frozen=True)
class Judgement:
    """A claim with its verdict."""

    claim: Claim
    verdict: str
    ours: str
    """Median and range over seeds, or what was compared; for reading."""
    seeds: int
    note: str
    """Why it can't be judged, or what else was found; may be empty."""
    seen: str
    """As in ``Evidence``; empty if there is none."""


def load_claims(folder: Path) -> list[Claim]:
    """The claims in a folder of experiments, in the order of the file.

    Raises:
        SpecificationError: for anything that is wrong in the file.
    """
    sections = _file(folder).sections("claims")
    claims = [_claim(section) for section in sections]
    statements = {claim.id for claim in claims if claim.statement}
    for section, claim in zip(sections, claims, strict=True):
        if [other.id for other in claims].count(claim.id) > 1:
            section.fail("id", claim.id, "is there twice")
        if claim.in_kind is not None and claim.in_kind not in statements:
            section.fail("in_kind", claim.in_kind, "must be the id of a claim with a criterion")
    return claims


def load_headings(folder: Path) -> list[Heading]:
    """What stands above the claims of each entry that has some, in the order of the file's ``entries``, then of claims.

    Raises:
        SpecificationError: for anything that is wrong in the file.
    """
    named = [_heading(section) for section in _file(folder).sections("entries", [])]
    claimed = dict.fromkeys(claim.entry for claim in load_claims(folder))
    others = claimed.keys() - {heading.entry for heading in named}
    return [
        *(heading for heading in named if heading.entry in claimed),
        *(Heading(entry, "", f"The log's claims of entry {entry}.") for entry in claimed if entry in others),
    ]


def _heading(section: Section) -> Heading:
    section.allow("entry", "title", "caption")
    return Heading(section.value("entry", int), section.line("title"), section.line("caption"))


def _file(folder: Path) -> Section:
    shown = f"{folder.name}/{CLAIMS}"
    path = folder / CLAIMS
    if not path.is_file():
        raise SpecificationError(f"{shown}: there is no such file; it holds what the log claims")
    file = read(path, shown)
    file.allow("entries", "claims")
    return file


def _claim(section: Section) -> Claim:
    section.allow("id", "entry", "says", "declared", "published", "digits", "measured", "criterion", "in_kind", "waits")
    statement = "criterion" in section.content
    if statement == ("published" in section.content):
        raise SpecificationError(f"{section.path_to('published')}: a claim has either `published` or `criterion`")
    declared = section.value("declared", str)
    if declared not in ("before", "after"):
        section.fail("declared", declared, "must be before or after")
    published = None if statement else _published(section)
    criterion = {
        float: "lies within our range over seeds",
        tuple: "holds our median over seeds",
        type(None): "none of our seeds gets there",
    }[type(published)]
    digits = section.value("digits", int, 0)
    if not 0 <= digits <= MOST_DIGITS:
        section.fail("digits", digits, f"must lie between 0 and {MOST_DIGITS}: so many decimals are written")
    return Claim(
        id=section.value("id", str),
        entry=section.value("entry", int),
        says=section.line("says"),
        declared=declared,
        published=published,
        digits=digits,
        measured="" if statement else section.line("measured"),
        criterion=section.line("criterion") if statement else criterion,
        statement=statement,
        in_kind=section.value("in_kind", str) if "in_kind" in section.content else None,
        waits=section.value("waits", bool, False),
    )


def _published(section: Section) -> Figure:
    value = section.content["published"]
    if value == NEVER:
        return None
    if type(value) in (int, float):
        return float(value)
    if isinstance(value, list) and len(value) == 2 and all(type(v) in (int, float) for v in value):
        return float(value[0]), float(value[1])
    section.fail("published", value, f"must be a number, a range [low, high] or {NEVER}{number_meant(value)}")
    return None


def judged(claims: Sequence[Claim], evidence: Mapping[str, Evidence], profile: str) -> list[Judgement]:
    """A verdict for each claim.

    Args:
        evidence: claim's id → what our runs say; a claim without any can't be judged.
        profile: of the runs.
    """
    holding = {id for id, found in evidence.items() if found.holds}
    return [_judged(claim, evidence.get(claim.id), profile, holding) for claim in claims]


def counted(judgements: Sequence[Judgement]) -> dict[str, str]:
    """How many ``claims`` there are; and ``verdicts``, to be read after "Of so many claims": how many have each."""
    counts = Counter(judgement.verdict for judgement in judgements)
    said = [
        f"{counts[verdict]} {'is' if counts[verdict] == 1 else 'are'} {verdict}"
        for verdict in (REPRODUCED, IN_KIND, NOT_REPRODUCED)
        if counts[verdict]
    ]
    if counts[CANNOT_BE_JUDGED]:
        said.append(f"{counts[CANNOT_BE_JUDGED]} {CANNOT_BE_JUDGED}")
    return {"claims": str(len(judgements)), "verdicts": listed(said)}


def _judged(claim: Claim, found: Evidence | None, profile: str, holding: set[str]) -> Judgement:
    if found is None or (not claim.statement and not found.values):
        return Judgement(claim, CANNOT_BE_JUDGED, "", 0, "not run yet", "")
    ours = found.said if claim.statement else spread(found.values, lambda v: number(v, claim.digits))

    def judgement(verdict: str, note: str = "") -> Judgement:
        return Judgement(claim, verdict, ours, len(found.values), note, found.seen)

    if profile != "paper":
        return judgement(CANNOT_BE_JUDGED, f"{profile} profile")
    if claim.statement:
        if found.holds is None:
            return Judgement(claim, CANNOT_BE_JUDGED, "", 0, found.said, found.seen)
        return judgement(REPRODUCED if found.holds else NOT_REPRODUCED)
    if is_reproduced(claim.published, [*found.values, *found.accepted]):
        return judgement(REPRODUCED)
    elsewhere = "inside at another moment" if is_reproduced(claim.published, found.along) else ""
    return judgement(IN_KIND if claim.in_kind in holding else NOT_REPRODUCED, elsewhere)


def is_reproduced(published: Figure, ours: Sequence[float | None]) -> bool:
    """Whether a figure lies between the lowest and the highest of ours, or a published range holds our median.

    A None of ours is "never" and ranks above every number: with one, the range has no upper end. A published "never"
    asks that all of ours are.
    """
    if published is None:
        return bool(ours) and all(value is None for value in ours)
    reached = [value for value in ours if value is not None]
    if not reached:
        return False
    if isinstance(published, tuple):
        middle = ranked_median(ours)
        return middle is not None and published[0] <= middle <= published[1]
    return min(reached) <= published and (len(reached) < len(ours) or published <= max(reached))
