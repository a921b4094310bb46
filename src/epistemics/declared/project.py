"""Where the project's files lie, and the settings that every command shares."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

PROFILE_VARIABLE = "EPISTEMICS_PROFILE"
RESULTS_VARIABLE = "EPISTEMICS_RESULTS"
POLICY_VARIABLE = "EPISTEMICS_POLICY"
MOMENTS_VARIABLE = "EPISTEMICS_MOMENTS"

POLICIES = {
    "compute": "adopt or train what is missing or stale before a render",
    "stored": "train nothing: a missing or stale result is an error",
    "stale": "train what is missing, show what is stale with a mark",
}


class UnknownPolicy(ValueError):
    """A policy that there is not."""


class NoProject(FileNotFoundError):
    """There is no project at or above the working directory."""


@dataclass(frozen=True)
class Project:
    """One checkout of the book, under one profile."""

    folder: Path
    profile: str
    results: Path
    """The store: ``results/`` for the paper profile, in the workspace for others, so that smoke never mixes in."""
    policy: str = "compute"
    """What a render does about results that are missing or stale, a key of ``POLICIES``."""

    @property
    def experiments(self) -> Path:
        return self.folder / "experiments"

    @property
    def workspace(self) -> Path:
        """Checkpoints, caches and other things that can be computed again."""
        return self.folder / ".workspace"

    @property
    def environment(self) -> dict[str, str]:
        """What a process started in this project needs to find the same results: for kernels.

        The profile's own store goes without saying, so that a moved project is still the same to caches.
        """
        environment = {PROFILE_VARIABLE: self.profile}
        if self.results != _own_results(self.folder, self.profile):
            environment[RESULTS_VARIABLE] = str(self.results)
        return environment


def find_project(
    profile: str | None = None, results: Path | None = None, start: Path | None = None, policy: str | None = None
) -> Project:
    """The project at or above the working directory (or ``start``).

    Profile, results and policy default to the environment's EPISTEMICS_PROFILE, EPISTEMICS_RESULTS and
    EPISTEMICS_POLICY, then to ``paper``, the profile's own store and ``compute``.

    Raises:
        UnknownPolicy: if the policy is not one of ``POLICIES``.
        NoProject: if no folder up to the root holds both ``_quarto.yml`` and ``experiments``.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "_quarto.yml").is_file() and (folder / "experiments").is_dir():
            break
    else:
        raise NoProject(f"{here}: no folder here or above holds _quarto.yml and experiments/; go to the project")
    profile = profile or os.environ.get(PROFILE_VARIABLE) or "paper"
    if results is None and (from_environment := os.environ.get(RESULTS_VARIABLE)):
        results = Path(from_environment)
    policy = policy or os.environ.get(POLICY_VARIABLE) or "compute"
    if policy not in POLICIES:
        raise UnknownPolicy(f"{POLICY_VARIABLE}: {policy!r} is no policy; there are {', '.join(POLICIES)}")
    return Project(folder, profile, (results or _own_results(folder, profile)).resolve(), policy)


def _own_results(folder: Path, profile: str) -> Path:
    return folder / "results" if profile == "paper" else folder / ".workspace" / f"{profile}-results"


def moments_folder(workspace: Path) -> Path:
    """Where the parameters of measured moments are kept: EPISTEMICS_MOMENTS, or in the workspace."""
    return Path(os.environ.get(MOMENTS_VARIABLE) or workspace / "moments").resolve()
