"""The archive: a copy of all that the book is made of, which RO-Crate's own validator accepts."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import stored
import yaml
from prose import PROJECT
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests_cache import CachedSession
from rocrate_validator.models import Severity
from rocrate_validator.services import validate
from urllib3 import HTTPResponse

import qmdbook
from epistemics.cli import main
from epistemics.declared.experiments import load_experiment
from epistemics.declared.project import Project
from epistemics.declared.runs import Run
from epistemics.publishing.archive import write_archive
from epistemics.publishing.crate import CRATE, METADATA
from epistemics.science.configuration import Configuration
from epistemics.store.store import Store

STANDARDS = Path(__file__).with_name("standards")
CITATION = yaml.safe_load((PROJECT / "CITATION.cff").read_text(encoding="utf-8"))
EXPERIMENT = """\
title: Two seeds
entry: 7
profiles:
  paper: {{groups: [{{name: short, set: {settings}, seeds: [0, 1], keep_weights: [0]}}]}}
  smoke: {{groups: []}}
"""
BOOK = """\
project: {type: book}
book: {title: Seeds, subtitle: Two of them, author: Nobody, output-file: seeds, chapters: [index.qmd]}
"""


@pytest.fixture
def project(tmp_path: Path, configuration: Callable[..., Configuration], monkeypatch: pytest.MonkeyPatch) -> Project:
    """Two runs with results, named by two experiments, in a repository and on a site."""
    folder = tmp_path / "project"
    settings = json.loads(json.dumps(dataclasses.asdict(configuration())))
    del settings["seed"]
    (folder / "experiments").mkdir(parents=True)
    for name in ("one", "other"):
        text = EXPERIMENT.format(settings=json.dumps(settings))
        (folder / "experiments" / f"{name}.yaml").write_text(text)
    (folder / "_quarto.yml").write_text(BOOK)
    (folder / "index.qmd").write_text("# Seeds\n\nDoes a seed matter?\n")
    (folder / ".gitignore").write_text("/_site/\n/data/\n")
    shutil.copy2(PROJECT / "CITATION.cff", folder)
    project = Project(folder, "paper", folder / "results")
    for run in runs(project):
        Store(project.results).write(stored.result(run.configuration, run.keep_weights))
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "-c", "user.name=Nobody", "-c", "user.email=nobody@example.org", "commit", "--quiet", "-m", "Seeds")
    render(project, folder / "_site")
    monkeypatch.chdir(folder)
    for variable in ("EPISTEMICS_PROFILE", "EPISTEMICS_RESULTS"):
        monkeypatch.delenv(variable, raising=False)
    return project


def runs(project: Project) -> tuple[Run, ...]:
    return load_experiment(project.experiments, "one").runs


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def render(project: Project, site: Path) -> None:
    """What an archive looks for in a site, in place of a render."""
    (site / "data" / "runs").mkdir(parents=True)
    for path in (Path("index.html"), qmdbook.outline(project.folder).pdf):
        (site / path).write_text(path.name)
    for record in project.results.glob("*/result.json"):
        shutil.copy2(record, site / "data" / "runs" / f"{record.parent.name}.json")


@pytest.fixture
def archive(project: Project, tmp_path: Path) -> Path:
    folder = tmp_path / "deposit"
    assert main(["archive", str(folder)]) == 0
    return folder


class OnePage(HTTPAdapter):
    """The web, as far as a validation asks for it."""

    def send(self, request: PreparedRequest, *_: Any, **__: Any) -> Response:
        content = (STANDARDS / "ro-crate-1.1-context.jsonld").read_bytes()
        headers = {"Content-Type": "application/ld+json"}
        return self.build_response(
            request, HTTPResponse(io.BytesIO(content), headers, 200, preload_content=False, request_url=request.url)
        )


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The validator's cache of the web, with the one page that it needs: it asks for no other."""
    path = tmp_path_factory.mktemp("cache") / "web"
    with CachedSession(str(path), backend="sqlite", expire_after=-1) as session:
        session.mount("https://", OnePage())
        assert session.get(f"{CRATE}/context").json()["@id"] == f"{CRATE}/context"
    return path


def faults(folder: Path, cache: Path, severity: Severity) -> set[str]:
    """What RO-Crate's validator has to say against an archive, from this severity on."""
    found = validate(
        {
            "rocrate_uri": str(folder),
            "profile_identifier": "process-run-crate",
            "requirement_severity": severity,
            "offline": True,
            "cache_path": cache,
        }
    )
    assert found.executed_checks
    return {str(issue.message) for issue in found.get_issues(severity)}


def described(folder: Path) -> dict[str, dict[str, Any]]:
    """Entities by ``@id``."""
    return {entity["@id"]: entity for entity in json.loads((folder / METADATA).read_text(encoding="utf-8"))["@graph"]}


def each(references: Any) -> list[str]:
    """The ``@id`` of one reference or of several."""
    return [reference["@id"] for reference in (references if isinstance(references, list) else [references])]


def dangling(entities: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """What is referred to and not described."""
    values = [value for entity in entities.values() for value in entity.values()]
    referred = {
        one["@id"]
        for value in values
        for one in (value if isinstance(value, list) else [value])
        if isinstance(one, dict)
    }
    return referred - entities.keys() - {CRATE}


@pytest.mark.slow
def test_the_validator_misses_only_what_nobody_knows(archive: Path, cache: Path) -> None:
    assert faults(archive, cache, Severity.RECOMMENDED) == {
        "The Action SHOULD have an agent that is a Person or Organization",
        "The Action SHOULD have an endTime in ISO 8601 format",
        "The Application SHOULD have a url",
        "The SoftwareApplication id SHOULD be an absolute URI",
        "The `publisher` property of a `Root Data Entity` SHOULD be an `Organization`",
        "The organization SHOULD have a URL.",
    }


@pytest.mark.slow
def test_the_validator_notices_a_run_without_its_code(archive: Path, cache: Path) -> None:
    content = json.loads((archive / METADATA).read_text(encoding="utf-8"))
    del next(entity for entity in content["@graph"] if entity["@type"] == "CreateAction")["instrument"]
    (archive / METADATA).write_text(json.dumps(content))
    (said,) = faults(archive, cache, Severity.REQUIRED)
    assert said == "The Action MUST have an instrument property that references the executed tool"


@pytest.mark.slow
def test_the_validator_accepts_the_archive_of_this_book(cache: Path, tmp_path: Path) -> None:
    project = Project(PROJECT, "paper", PROJECT / "results")
    render(project, tmp_path / "_site")
    write_archive(project, tmp_path / "_site", tmp_path / "deposit", date(2026, 1, 1), lambda done, total: None)
    assert not dangling(described(tmp_path / "deposit"))
    assert faults(tmp_path / "deposit", cache, Severity.REQUIRED) == set()


def test_a_run_is_found_with_its_settings_code_device_and_result(project: Project, archive: Path) -> None:
    entities = described(archive)
    assert not dangling(entities)
    assert each(entities["./"]["mentions"]) == [f"#{run.key}" for run in runs(project)]
    for run in runs(project):
        action = entities[f"#{run.key}"]
        given = [entities[one] for one in each(action["object"])]
        settings = {entity["name"]: entity["value"] for entity in given if entity["@type"] == "PropertyValue"}
        assert settings == {
            name: value if isinstance(value, str | int | float) else json.dumps(value)
            for name, value in dataclasses.asdict(run.configuration).items()
        }
        files = [entity["@id"] for entity in given if entity["@type"] == "File"]
        assert files == ["experiments/one.yaml", "experiments/other.yaml"]
        program = entities[action["instrument"]["@id"]]
        assert program["version"] == stored.PROVENANCE["commit"].replace("+", ".")
        (torch,) = [entities[one] for one in each(program["softwareRequirements"])]
        assert (torch["name"], torch["version"]) == ("torch", "2.13.0")
        used = {entities[one]["name"]: entities[one]["value"] for one in each(action["resourceUsage"])}
        assert used["device"] == "A <processor>"
        assert (used["seconds"], used["measure_seconds"]) == (1234.5, 6.9)
        assert action["startTime"] == stored.PROVENANCE["date"]
        assert "endTime" not in action
        parts = [entities[one] for one in each(entities[action["result"]["@id"]]["hasPart"])]
        lying = {f"results/{run.key}/{path.name}" for path in (archive / "results" / run.key).iterdir()}
        assert {part["@id"] for part in parts} == lying
        for part in parts:
            content = (archive / part["@id"]).read_bytes()
            assert part["contentSize"] == str(len(content))
            assert part.get("sha256", digest(content)) == digest(content)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_it_is_the_project_with_its_site_and_results(project: Project, archive: Path) -> None:
    (project.folder / "notes.txt").write_text("mine\n")
    tracked = {path for path in git(project.folder, "ls-files").splitlines() if not path.startswith("results/")}
    copied = {path.relative_to(archive).as_posix() for path in archive.rglob("*") if path.is_file()}
    own = {path for path in copied if not path.startswith(("_site/", "results/"))}
    assert own == tracked | {METADATA}
    assert (archive / "_site" / "seeds.pdf").read_text() == "seeds.pdf"
    for run in runs(project):
        read = Store(archive / "results").read(run.key)
        assert read.metrics == Store(project.results).read(run.key).metrics
    root = described(archive)["./"]
    assert root["version"] == f"{CITATION['version']}+{git(project.folder, 'rev-parse', 'HEAD')}"
    assert root["license"] == {"@id": f"https://spdx.org/licenses/{CITATION['license']}"}
    assert root["description"].startswith("Does a seed matter? ")
    (archive / "index.qmd").write_text("# Mine\n")
    assert "Does a seed matter?" in (project.folder / "index.qmd").read_text()


def test_an_awaited_run_is_in_it_once_it_is_stored(project: Project, archive: Path, tmp_path: Path) -> None:
    for name in ("one", "other"):
        file = project.experiments / f"{name}.yaml"
        file.write_text(file.read_text().replace("seeds: [0, 1]", "seeds: [0], awaited: [1, 2]"))
    os.utime(project.folder / "_site")
    assert main(["archive", str(tmp_path / "again")]) == 0
    entities = described(tmp_path / "again")
    assert entities["./"]["mentions"] == described(archive)["./"]["mentions"]
    assert entities["./"]["version"].endswith(".changes")


def test_authors_and_address_are_those_of_the_citation_file(project: Project, tmp_path: Path) -> None:
    author = {"given-names": "Ada", "family-names": "Byron", "orcid": "https://orcid.org/0000-0001-2345-6789"}
    said = CITATION | {"authors": [author, {"name": "A lab"}], "repository-code": "https://example.org/seeds"}
    (project.folder / "CITATION.cff").write_text(yaml.safe_dump(said))
    os.utime(project.folder / "_site")
    assert main(["archive", str(tmp_path / "deposit")]) == 0
    entities = described(tmp_path / "deposit")
    person, lab = [entities[one] for one in each(entities["./"]["author"])]
    assert person == {"@id": author["orcid"], "@type": "Person", "name": "Ada Byron"}
    assert (lab["@type"], lab["name"]) == ("Organization", "A lab")
    programs = [entity for entity in entities.values() if entity.get("name") == "epistemics"]
    assert {program["url"] for program in programs} == {"https://example.org/seeds"}


Edit = Callable[[Project, Path], object]

REFUSED: dict[str, tuple[Edit, str]] = {
    "something is there": (
        lambda project, folder: shutil.copytree(project.experiments, folder),
        "is there already, and not empty; name a folder that is not there yet",
    ),
    "no site": (
        lambda project, folder: shutil.rmtree(project.folder / "_site"),
        "_site/index.html: missing; `epistemics render --profile paper` makes it",
    ),
    "no PDF": (
        lambda project, folder: (project.folder / "_site" / "seeds.pdf").unlink(),
        "_site/seeds.pdf: missing; `epistemics render --profile paper` makes it",
    ),
    "a chapter is newer": (
        lambda project, folder: os.utime(project.folder / "index.qmd", (2e9, 2e9)),
        "_site is older than index.qmd; `epistemics render --profile paper` makes it anew",
    ),
    "the site shows other results": (
        lambda project, folder: next((project.folder / "_site" / "data" / "runs").iterdir()).write_text("{}"),
        "than is stored; `epistemics render --profile paper` makes it anew",
    ),
    "a result is gone": (
        lambda project, folder: shutil.rmtree(project.results / runs(project)[0].key),
        "1 of 2 results can't be had; `epistemics run --all` makes them:",
    ),
    "an array is damaged": (
        lambda project, folder: next(project.results.rglob("noise-*")).write_bytes(b"?"),
        "its content does not match its checksum",
    ),
    "an experiment is not added": (
        lambda project, folder: git(project.folder, "rm", "--cached", "--quiet", "experiments/other.yaml"),
        "experiments/other.yaml: git does not track it",
    ),
    "no repository": (
        lambda project, folder: shutil.rmtree(project.folder / ".git"),
        "git tracks nothing here",
    ),
    "nothing to cite": (
        lambda project, folder: (project.folder / "CITATION.cff").unlink(),
        "CITATION.cff: missing; it says title, license, authors of the archive",
    ),
    "no license": (
        lambda project, folder: (project.folder / "CITATION.cff").write_text("title: Seeds\n"),
        "CITATION.cff: license: missing; an archive needs it: an SPDX name such as MIT",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_missing_is_said_and_nothing_is_made(
    project: Project, tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    edit, said = REFUSED[case]
    folder = tmp_path / "deposit"
    edit(project, folder)
    before = sorted(tmp_path.glob("deposit/*"))
    assert main(["archive", str(folder)]) == 1
    assert said in capsys.readouterr().err
    assert sorted(tmp_path.glob("deposit/*")) == before


def test_the_citation_file_is_valid_and_cites_this_version() -> None:
    schema = json.loads((STANDARDS / "citation-file-format-1.2.0.json").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator(schema, format_checker=jsonschema.Draft7Validator.FORMAT_CHECKER).validate(CITATION)
    with (PROJECT / "pyproject.toml").open("rb") as file:
        declared = tomllib.load(file)["project"]
    assert (CITATION["version"], CITATION["license"]) == (declared["version"], declared["license"])
