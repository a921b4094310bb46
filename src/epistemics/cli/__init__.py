"""The command line of ``epistemics``: its verbs, their options, and how an error is said."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from epistemics.analysis.stored_runs import IncompleteResults
from epistemics.cli.archive import archive
from epistemics.cli.book import FaultyBook, bench, check, finish, prepare, readme, render, schema
from epistemics.cli.changes import CannotCompare, changes
from epistemics.cli.inventory import prune, show_status, why
from epistemics.cli.making import adopt, migrate, run, verify
from epistemics.cli.new import CannotBegin, new
from epistemics.declared.experiments import PROFILES
from epistemics.declared.project import POLICIES, NoProject, Project, UnknownPolicy, find_project
from epistemics.declared.sections import SpecificationError
from epistemics.lab.ray_cluster import NoCluster
from epistemics.lab.scheduler import MissingCompiler, RunFailed
from epistemics.store.fingerprint import UnknownDefinition
from epistemics.store.record import DamagedResult, UnknownFormat

EXAMPLES = """\
examples:
  epistemics status                       what is stored and what the rest would cost here
  epistemics run phase-1-1                train what experiment phase-1-1 is missing
  epistemics render                       the website and the PDF, in _site/
  epistemics render --profile smoke       the same book from models that train in seconds
"""


STOPPED = (
    "\nepistemics: stopped; what was trained and executed is kept, the last site is as it was, "
    "and the same command goes on from there"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        project = find_project(options.profile, options.results, policy=getattr(options, "policy", None))
        verb = {
            "run": run,
            "status": show_status,
            "why": why,
            "adopt": adopt,
            "migrate": migrate,
            "prune": prune,
            "verify": verify,
            "prepare": prepare,
            "finish": finish,
            "render": render,
            "preview": _preview,
            "bench": bench,
            "check": check,
            "readme": readme,
            "archive": archive,
            "changes": changes,
            "new": new,
            "schema": schema,
        }
        exit_status = verb[options.verb](project, options)
        sys.stdout.flush()
        return exit_status
    except (
        SpecificationError,
        IncompleteResults,
        NoProject,
        UnknownPolicy,
        MissingCompiler,
        NoCluster,
        RunFailed,
        FaultyBook,
        CannotBegin,
        CannotCompare,
        DamagedResult,
        UnknownFormat,
        UnknownDefinition,
    ) as error:
        print(f"epistemics: {error}", file=sys.stderr)
        return 1
    except PermissionError as error:
        print(f"epistemics: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of the output has seen enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is still to be flushed
        return 141


def _preview(project: Project, options: argparse.Namespace) -> int:
    from epistemics.cli.preview import preview  # imports the renderer, which takes a second

    return preview(project, options)


def _count(text: str) -> int:
    """A whole number from 1 on, as an option is given."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 on")
    return int(text)


def _positive(text: str) -> float:
    """A number above 0; `inf` is one."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not number > 0:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return number


def _device(text: str) -> str:
    if not re.fullmatch(r"cpu|cuda(:\d+)?", text):
        raise argparse.ArgumentTypeError(f"{text} is not cpu or cuda")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="epistemics",
        description="A book whose every figure is regenerated from code: run its experiments, render it.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, sentence: str, example: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(
            name,
            help=sentence,
            description=sentence[0].upper() + sentence[1:] + ".",
            epilog=f"example:\n  epistemics {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.add_argument("--profile", choices=PROFILES, help="paper: the log's scale (default); smoke: seconds")
        added.add_argument("--results", type=Path, metavar="DIR", help="another result store than the profile's own")
        return added

    def working(added: argparse.ArgumentParser) -> None:
        added.add_argument("--workers", type=_count, default=os.cpu_count() or 1, help="runs at once (default: cores)")
        added.add_argument("--device", type=_device, default="cpu", help="cpu (default) or cuda")

    def rendering(added: argparse.ArgumentParser) -> None:
        policies = "; ".join(f"{name}: {what}" for name, what in POLICIES.items())
        added.add_argument("--policy", choices=POLICIES, help=f"{policies} (default: compute)")
        working(added)

    added = verb("run", "train the runs of experiments whose results are missing", "run phase-1-1 --workers 2")
    added.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help="names of files in experiments/")
    added.add_argument("--all", action="store_true", help="every experiment")
    added.add_argument("--awaited", action="store_true", help="then also those of seeds that no chapter reads yet")
    added.add_argument("--stale", action="store_true", help="train stale results again, too")
    added.add_argument("--dry-run", action="store_true", help="only say what would train, and what it costs here")
    working(added)
    added.add_argument(
        "--on",
        metavar="CLUSTER",
        help="train on a Ray cluster: ray (that of RAY_ADDRESS, else one on this machine) or ray://HOST:PORT",
    )
    added.add_argument(
        "--gpu-share",
        type=_positive,
        default=1.0,
        metavar="N",
        help="GPUs that a stack takes there (default: 1)",
    )
    added = verb(
        "status", "say for every experiment which results are stored, and what the rest would cost", "status phase-1-1"
    )
    added.add_argument(
        "experiments", nargs="*", metavar="EXPERIMENT", help="only these, with every run (default: all, a line each)"
    )
    added.add_argument("--runs", action="store_true", help="every run of every experiment")
    added.add_argument("--json", action="store_true", help="every run, as a list of objects, for programs")
    added = verb("why", "say why a result is stale: what changed in its code, and how it gets there", "why 6f6ffafc")
    added.add_argument("result", metavar="RESULT", help="a result's key, or how it begins")
    added.add_argument("--json", action="store_true", help="a list of objects, for programs")
    added = verb(
        "adopt", "seal stale results anew whose changed code is shown to do the same, in seconds each", "adopt"
    )
    added.add_argument(
        "results_", nargs="*", metavar="RESULT", help="keys, or how they begin (default: all stale ones)"
    )
    added.add_argument(
        "--beside",
        metavar="COMMIT",
        help="run the code of this commit, which made the results, beside the present one on this machine; "
        "for results from another kind of machine",
    )
    added.add_argument("--device", type=_device, default="cpu", help="cpu (default) or cuda")
    verb("migrate", "convert results that an older version stored to the present format; computes nothing", "migrate")
    added = verb(
        "prune",
        "move results that no experiment file names under any profile to set-aside/ in the store; deletes nothing",
        "prune --dry-run",
    )
    added.add_argument("--dry-run", action="store_true", help="only list them")
    added = verb(
        "verify",
        "hold the log's claims against the results; with --rerun, train results again and hold them against the store",
        "verify --json",
    )
    added.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help="only these (default: all)")
    added.add_argument("--json", action="store_true", help="the verdicts as a list of objects, for programs")
    added.add_argument("--rerun", type=_count, metavar="N", help="train so many, chosen at random, again from nothing")
    added.add_argument("--seed", type=int, help="of the choice (default: another one each time)")
    working(added)
    added = verb("prepare", "see to the results, write _variables.yml and data/, refuse a faulty book", "prepare")
    rendering(added)
    verb("finish", "after a render with Quarto, complete its pages and put them in place of the last site", "finish")
    added = verb("render", "see to the results, then render the book with the embedded renderer", "render")
    added.add_argument("--output", type=Path, metavar="DIR", help="where to (default: _site)")
    added.add_argument("--force", action="store_true", help="even if nothing has changed since the last render")
    added.add_argument(
        "--cell-seconds",
        type=_positive,
        default=600.0,
        metavar="N",
        help="stop a cell after so long (default: 600)",
    )
    rendering(added)
    added = verb(
        "preview",
        "show the book while it is written: each page anew, in a browser, as soon as its source is saved",
        "preview",
    )
    added.add_argument("--train", action="store_true", help="train what is missing or stale in the background")
    added.add_argument("--port", type=_count, default=0, metavar="N", help="of this machine (default: any free one)")
    added.add_argument("--no-browser", action="store_true", help="open no browser, only say the address")
    added = verb(
        "bench", "measure training and rendering on this machine against plain code and its own limits", "bench"
    )
    added.add_argument("--only", choices=("training", "grokking", "rendering"), help="one of these (default: all)")
    added.add_argument("--device", type=_device, default="cpu", help="cpu (default) or cuda")
    added.add_argument("--json", action="store_true", help="one object, for programs")
    verb("check", "say what is wrong with the chapters, without executing them", "check")
    added = verb(
        "changes",
        "say what changed in the book since a commit: numbers, verdicts, tables, figures, experiments, results",
        "changes HEAD~1 --page changes.html",
    )
    added.add_argument("commit", metavar="REV", help="as git names it: a hash, a branch, HEAD~3, 'main@{yesterday}'")
    added.add_argument("--json", action="store_true", help="one object, for programs")
    added.add_argument("--page", type=Path, metavar="FILE", help="write a page, too, with figures old beside new")
    added = verb("new", "begin an experiment with a chapter of its own, which renders at once", "new learning-rate")
    added.add_argument("name", metavar="NAME", help="of small letters, digits and hyphens, as learning-rate")
    verb("schema", "write experiments/schema.json, by which editors complete and check experiment files", "schema")
    verb("readme", "write the README's tables from the results and from benchmarks/*.json", "readme")
    added = verb(
        "archive",
        "make a folder to deposit, as at Zenodo: site, PDF, sources and results, each run described for machines",
        "archive ../epistemics-archive",
    )
    added.add_argument("folder", type=Path, metavar="FOLDER", help="where to: a folder that is not there yet, or empty")
    return parser
