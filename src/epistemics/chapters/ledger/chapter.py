"""Every claim of the log with our verdict."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module

from epistemics.analysis.claims import Claim, Evidence, Judgement, counted, judged, load_claims, load_headings
from epistemics.analysis.provenance_line import Origin, provenance, published
from epistemics.analysis.stored_runs import Results
from epistemics.analysis.tables import Shown, Table, table_of
from epistemics.chapters.contents import Share, chapter_of, judging
from epistemics.chapters.ledger.sections import section
from epistemics.declared.experiments import CLAIMS
from epistemics.declared.project import Project, find_project
from epistemics.declared.sections import SpecificationError

CLAIMS_FILE = f"experiments/{CLAIMS}"
JUDGEMENTS = "ledger.judgements"
"""The table of all of them, as readers get it in ``data/``."""


def judgements(project: Project | None = None) -> list[Judgement]:
    """Every claim, judged by the results of the chapter that answers it, and so as that chapter judges it.

    Raises:
        SpecificationError: where claims and evidence don't have the same names.
    """
    project = project or find_project()
    claims = claims_of(project)
    answering: dict[str, Mapping[str, Evidence]] = {}
    for name in judging():
        evidence = import_module(f"epistemics.chapters.{name}.chapter").evidence_of(project)
        if twice := sorted(answering.keys() & evidence.keys()):
            raise SpecificationError(f"{CLAIMS_FILE}: two chapters answer the claim {twice[0]!r}; {name} is the second")
        answering |= dict.fromkeys(evidence, evidence)
    check_names(claims, answering)
    return [verdict for claim in claims for verdict in judged([claim], answering.get(claim.id, {}), project.profile)]


def check_names(claims: Sequence[Claim], answering: Mapping[str, Mapping[str, Evidence]]) -> None:
    """That results answer every claim but those that wait for theirs, and nothing else.

    Args:
        answering: claim's id → the evidence that answers it, together with whatever else the same chapter answers.

    Raises:
        SpecificationError: if not, with the claim's id.
    """
    ids = [claim.id for claim in claims]
    for claim in claims:
        if claim.id not in answering and not claim.waits:
            near = difflib.get_close_matches(claim.id, answering.keys() - set(ids), n=1)
            meant = f"did you mean {near[0]!r}?" if near else "write `waits: true` until some do"
            raise SpecificationError(f"{CLAIMS_FILE}: no results answer the claim {claim.id!r}; {meant}")
        if claim.id in answering and claim.waits:
            raise SpecificationError(f"{CLAIMS_FILE}: results answer the claim {claim.id!r}: leave out `waits`")
        if claim.in_kind and claim.in_kind not in answering.get(claim.id, {claim.in_kind}):
            raise SpecificationError(
                f"{CLAIMS_FILE}: the claim {claim.id!r} can't be reproduced in kind by {claim.in_kind!r}, which the "
                "results of another chapter answer"
            )
    for id in answering.keys() - set(ids):
        raise SpecificationError(_unclaimed(id, ids))


def _unclaimed(id: str, claims: Iterable[str]) -> str:
    near = difflib.get_close_matches(id, claims, n=1)
    meant = f"; is {near[0]!r} meant to be it?" if near else ""
    return f"{CLAIMS_FILE}: no claim has the id {id!r}, which results answer{meant}"


def claims_of(project: Project | None = None) -> list[Claim]:
    """Every claim, in the order of the file."""
    return load_claims((project or find_project()).experiments)


def by_id(project: Project | None = None) -> dict[str, Claim]:
    """Every claim by its id."""
    return ClaimsById((claim.id, claim) for claim in claims_of(project))


class ClaimsById(dict[str, Claim]):
    """Claims, and an error that names what is there in place of one that is not."""

    def __missing__(self, id: str) -> Claim:
        raise SpecificationError(_unclaimed(id, self))


def verdicts(evidence: Callable[..., Mapping[str, Evidence]], *results: Results) -> Shown:
    """The claims of a chapter's entries that its results answer, with their verdicts, as it prints them.

    Args:
        evidence: what the results say to the claims: a function of these in the chapter's folder.
    """
    found, entries = evidence(*results), chapter_of(evidence.__module__).entries
    own = [claim for claim in claims_of() if claim.entry in entries and claim.id in found]
    shown = _shown(judged(own, found, results[0].experiment.profile))
    shown.origin = Origin(evidence, (JUDGEMENTS,), results)
    return shown


def table(found: Sequence[Judgement]) -> Table:
    """One row a claim."""
    return table_of(
        [
            {
                "id": j.claim.id,
                "entry": j.claim.entry,
                "says": j.claim.says,
                "declared": j.claim.declared,
                "published": j.claim.shown,
                "ours": j.ours,
                "seeds": j.seeds,
                "measured": j.claim.measured,
                "criterion": j.claim.criterion,
                "verdict": j.verdict,
                "note": j.note,
            }
            for j in found
        ]
    )


HEADINGS = ("Claim", "Verdict", "Log", "Ours: median (range)")


def _shown(found: Sequence[Judgement]) -> Shown:
    rows = [[j.claim.says, j.verdict, j.claim.shown or "–", _ours(j)] for j in found]
    return Shown(HEADINGS, rows, left=2)


def shown_of(found: Sequence[Judgement], entry: int) -> Shown:
    """The claims of one log entry, each with where it is seen."""
    rows = [
        [f"{j.claim.says} ({j.seen})" if j.seen else j.claim.says, j.verdict, j.claim.shown or "–", _ours(j)]
        for j in found
        if j.claim.entry == entry
    ]
    shown = Shown(HEADINGS, rows, left=2)
    shown.origin = Origin(shown_of, (JUDGEMENTS,))
    return shown


def print_sections(project: Project | None = None) -> None:
    """Print a section for each entry of which there are claims: these, and by what they are judged."""
    project = project or find_project()
    found = judgements(project)
    for heading in load_headings(project.experiments):
        shown = shown_of(found, heading.entry)
        sys.stdout.write(f"{section(heading, shown._repr_markdown_())}\n")
        provenance(shown)
        sys.stdout.write(f"\n{criteria_of(found, heading.entry)}\n\n")


def criteria_of(found: Sequence[Judgement], entry: int) -> str:
    """By what the claims of one log entry are judged, as Markdown: each statement, and the figures by their measure."""
    own = [j.claim for j in found if j.claim.entry == entry]
    says = {j.claim.id: j.claim.says for j in found}
    lines = [f"- **{claim.says}**{_late(claim)}: {claim.criterion}" for claim in own if claim.statement]
    alike: dict[tuple[str, str | None], list[str]] = {}
    for claim in own:
        if not claim.statement:
            alike.setdefault((claim.measured, claim.in_kind), []).append(f"{claim.says}{_late(claim)}")
    for (measured, in_kind), figures in alike.items():
        order = f"; in kind where this holds: {says[in_kind]}" if in_kind else ""
        lines.append(f"- {'; '.join(figures)}. Measured: {measured}{order}")
    return "\n".join(['::: {.callout-note collapse="true" title="The criteria"}', *lines, ":::"])


def _late(claim: Claim) -> str:
    return " (declared when the runs were known)" if claim.declared == "after" else ""


def _ours(judgement: Judgement) -> str:
    return "; ".join(filter(None, [judgement.ours, judgement.note])) or "–"


def numbers(found: Sequence[Judgement]) -> dict[str, str]:
    """How many claims there are, and how many have each verdict."""
    return counted(found) | {
        "statements": str(sum(j.claim.statement for j in found)),
        "declared_after": str(sum(j.claim.declared == "after" for j in found)),
    }


def share(project: Project) -> Share:
    """What the chapter gives to its prose and to readers; see ``contents``."""
    found = judgements(project)
    return numbers(found), published(__name__, {"judgements": table(found)})
