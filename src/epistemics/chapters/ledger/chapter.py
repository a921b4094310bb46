"""Every claim of the log with our verdict."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence

from epistemics.analysis.claims import Claim, Evidence, Judgement, counted, judged, load_claims
from epistemics.analysis.provenance_line import Origin, published
from epistemics.analysis.stored_runs import Results
from epistemics.analysis.tables import Shown, Table, table_of
from epistemics.chapters.adversarial import chapter as adversarial
from epistemics.chapters.batch_size import chapter as batch_size
from epistemics.chapters.contents import Share, chapter_of
from epistemics.chapters.joint import chapter as joint
from epistemics.chapters.phase_1_1 import chapter as phase_1_1
from epistemics.chapters.phase_1_2 import chapter as phase_1_2
from epistemics.chapters.trilemma import chapter as trilemma
from epistemics.declared.experiments import CLAIMS
from epistemics.declared.project import Project, find_project
from epistemics.declared.sections import SpecificationError

CLAIMS_FILE = f"experiments/{CLAIMS}"
JUDGEMENTS = "ledger.judgements"
"""The table of all of them, as readers get it in ``data/``."""
ALIKE = 0.85
"""From how alike on one id is taken for another, misspelt; the id of a new claim is less like every one."""


def judgements(project: Project | None = None) -> list[Judgement]:
    """Every claim, judged by the stored results."""
    one, two, both = phase_1_1.load(project), phase_1_2.load(project), joint.load(project)
    evidence = {
        **phase_1_1.evidence(one),
        **phase_1_2.evidence(two),
        **batch_size.evidence(batch_size.load(project)),
        **joint.evidence(both, two),
        **adversarial.evidence(adversarial.load(project)),
        **trilemma.evidence(trilemma.load(project), trilemma.load_single(project)),
    }
    claims = claims_of(project)
    without = evidence.keys() - {claim.id for claim in claims}
    for claim in claims:
        if claim.id not in evidence and (near := difflib.get_close_matches(claim.id, without, n=1, cutoff=ALIKE)):
            # Not "not run yet", which is what a claim without evidence counts as otherwise.
            raise SpecificationError(
                f"{CLAIMS_FILE}: no results answer the claim {claim.id!r}; did you mean {near[0]!r}?"
            )
    return judged(claims, evidence, one.experiment.profile)


def claims_of(project: Project | None = None) -> list[Claim]:
    """Every claim, in the order of the file."""
    return load_claims((project or find_project()).experiments)


def by_id(project: Project | None = None) -> dict[str, Claim]:
    """Every claim by its id."""
    return ClaimsById((claim.id, claim) for claim in claims_of(project))


class ClaimsById(dict[str, Claim]):
    """Claims, and an error that names what is there in place of one that is not."""

    def __missing__(self, id: str) -> Claim:
        near = difflib.get_close_matches(id, self, n=1)
        meant = f"; is {near[0]!r} meant to be it?" if near else ""
        raise SpecificationError(f"{CLAIMS_FILE}: no claim has the id {id!r}, which results answer{meant}")


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
