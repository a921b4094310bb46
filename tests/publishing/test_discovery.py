"""The book is found and followed: feed, llms.txt, sitemap, the index by class, and the workflow that publishes it."""

from __future__ import annotations

import dataclasses
import html
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from prose import PROJECT

import qmdbook
from epistemics.analysis.claims import load_claims
from epistemics.chapters.contents import CHAPTERS, FOLLOWING
from epistemics.cli.book import QUARTO_OUTPUT, SITE
from epistemics.declared.experiments import experiment_names, load_experiment
from epistemics.declared.project import POLICIES, Project
from epistemics.publishing.entries import CLASSES, ENTRIES, by_class
from epistemics.publishing.feed import ATOM, describe_pages, feed, llms, write_discovery
from epistemics.store.fingerprint import PACKAGE
from epistemics.store.store import Store
from qmdbook import project as projects
from qmdbook import site

WORKFLOW = PROJECT / ".github" / "workflows" / "publish.yml"
ADDRESS = "https://example.org/a-book"
SOURCES = ("_quarto.yml", "index.qmd", "references.qmd", "references.bib", "chapters", "experiments", "theme")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The book's sources without a repository around them, and the stored results."""
    folder = tmp_path_factory.mktemp("discovery") / "project"
    copy_sources(folder)
    (folder / "data").mkdir()
    (folder / "data" / "one.table.csv").write_text("a,b\n1,2\n")
    return Project(folder, "paper", PROJECT / "results")


def copy_sources(folder: Path) -> None:
    folder.mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (PROJECT / name).is_dir() else shutil.copy2
        copy(PROJECT / name, folder / name)


@pytest.fixture(scope="module")
def outline(project: Project) -> qmdbook.Outline:
    return at(qmdbook.outline(project.folder), "")


def at(outline: qmdbook.Outline, address: str) -> qmdbook.Outline:
    return dataclasses.replace(outline, site_url=address)


class Feed:
    """An Atom feed as a reader sees it."""

    def __init__(self, content: bytes) -> None:
        self.root = ElementTree.fromstring(content)
        assert self.root.tag == f"{{{ATOM}}}feed"
        self.entries = self.root.findall(f"{{{ATOM}}}entry")

    def texts(self, name: str) -> list[str]:
        return [entry.findtext(f"{{{ATOM}}}{name}", "") for entry in self.entries]

    def links(self) -> list[str]:
        return [link.attrib["href"] for link in self.root.iter(f"{{{ATOM}}}link")]


def test_the_feed_has_what_atom_requires(project: Project, outline: qmdbook.Outline) -> None:
    read = Feed(feed(outline, project))
    assert read.entries
    for element in (read.root, *read.entries):
        for name in ("title", "id", "updated"):
            assert element.findtext(f"{{{ATOM}}}{name}"), name
    assert read.root.findtext(f"{{{ATOM}}}author/{{{ATOM}}}name")
    identifiers = [element.findtext(f"{{{ATOM}}}id") for element in (read.root, *read.entries)]
    assert len(set(identifiers)) == len(identifiers)
    dates = [datetime.fromisoformat(date) for date in read.texts("updated")]
    assert dates == sorted(dates, reverse=True)
    assert all(read.texts("summary"))
    classes = {category.attrib["term"] for category in read.root.iter(f"{{{ATOM}}}category")}
    assert classes <= set(CLASSES)


def test_a_chapter_is_dated_by_its_newest_run(project: Project, outline: qmdbook.Outline) -> None:
    names = [n for n in experiment_names(project.experiments) if load_experiment(project.experiments, n).entry == 13]
    runs = [run for name in names for run in load_experiment(project.experiments, name).runs]
    newest = max(Store(project.results).read(run.key).provenance["date"] for run in runs)
    read = Feed(feed(outline, project))
    position = next(n for n, link in enumerate(read.links()[2:]) if link.endswith("chapters/adversarial.html"))
    assert datetime.fromisoformat(read.texts("updated")[position]) == datetime.fromisoformat(newest)


def test_identifiers_do_not_depend_on_the_address_and_links_do(project: Project, outline: qmdbook.Outline) -> None:
    nowhere, somewhere = (Feed(feed(at(outline, address), project)) for address in ("", ADDRESS))
    assert nowhere.texts("id") == somewhere.texts("id")
    assert all(not link.startswith("http") for link in nowhere.links())
    assert somewhere.links() == [f"{ADDRESS}/{link}" for link in nowhere.links()]


def test_without_history_a_chapter_without_runs_is_not_dated(tmp_path: Path, outline: qmdbook.Outline) -> None:
    """In a shallow clone the last commit of every file would be the clone's only one."""
    whole, shallow = tmp_path / "whole", tmp_path / "shallow"
    copy_sources(whole)

    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=Someone", "-c", "user.email=someone@example.org"]
        subprocess.run(["git", *identity, *arguments], check=True, capture_output=True, cwd=whole)

    git("init", "-q")
    git("add", ".")
    for message in ("first", "second"):
        git("commit", "-q", "--allow-empty", "-m", message)
    git("clone", "-q", "--depth=1", whole.as_uri(), str(shallow))
    linked = [
        set(Feed(feed(outline, Project(folder, "paper", PROJECT / "results"))).links()) for folder in (whole, shallow)
    ]
    assert linked[0] - linked[1] >= {"chapters/literature.html", "chapters/von-neumann.html"}
    assert linked[1] >= {"chapters/phase-1-1.html", "chapters/adversarial.html"}


def test_llms_txt_lists_every_chapter_with_its_abstract_and_the_data(
    project: Project, outline: qmdbook.Outline
) -> None:
    said = llms(outline, project.folder)
    assert said.startswith(f"# {outline.title}\n\n> ")
    for chapter in outline.chapters:
        if chapter.path != Path("references.qmd"):
            assert len(chapter.abstract.split()) > 10, chapter.path
            assert f"({chapter.markdown}): {chapter.abstract}" in said
    assert "(data/one.table.csv): columns a, b" in said
    assert f"]({ADDRESS}/chapters/" in llms(at(outline, ADDRESS), project.folder)


def test_llms_txt_of_quartos_site_lists_pages(project: Project, outline: qmdbook.Outline) -> None:
    said = llms(outline, project.folder, of_quarto=True)
    assert "(chapters/trilemma.html): " in said
    assert ".md)" not in said


def test_abstracts_are_plain_text(outline: qmdbook.Outline) -> None:
    for chapter in outline.chapters:
        assert not re.search(r"[@{}*`]|\b(sec|fig|tbl|eq)-", chapter.abstract), chapter.abstract
    trilemma = next(chapter for chapter in outline.chapters if chapter.path.stem == "trilemma")
    assert re.search(r"every model of (Chapter \d+, )+Chapter \d+ and Chapter \d+ is", trilemma.abstract)


def test_pages_of_quarto_are_given_their_description_and_the_feed(tmp_path: Path, outline: qmdbook.Outline) -> None:
    page = tmp_path / "chapters" / "trilemma.html"
    page.parent.mkdir()
    empty = '<meta property="og:description" content="">\n<meta name="twitter:description" content="">\n'
    references = (
        '<a href="x" class="quarto-xref"><span>15&nbsp; The <em>ledger</em></span></a> and '
        '<a href="y" class="quarto-xref"><span>Appendix D — Runs</span></a> and '
        '<a href="z" class="quarto-xref"><span>Figure&nbsp;6.2</span></a>'
    )
    page.write_text(f"<html><head>\n<title>T</title>\n{empty}</head><body>Text &amp; more {references}</body></html>")
    assert describe_pages(outline, tmp_path) == [tmp_path / "llms.txt", page]
    text = page.read_text()
    trilemma = next(chapter for chapter in outline.chapters if chapter.path.stem == "trilemma")
    said = html.escape(trilemma.abstract)
    assert re.findall(r'description" content="([^"]*)"', text) == [said, said]
    shown = re.findall(r"<span>(.*?)</span>", text)
    assert shown == ["Chapter&nbsp;15", "Appendix&nbsp;D", "Figure&nbsp;6.2"]
    assert '<link rel="alternate" type="application/atom+xml" href="../feed.xml">' in text
    assert "</head><body>Text &amp; more " in text
    assert describe_pages(outline, tmp_path) == []  # nor twice, where Quarto leaves a page as it was


def test_unchanged_files_are_left_alone(project: Project) -> None:
    assert {path.name for path in write_discovery(project)} == {"llms.txt", "feed.xml"}
    assert write_discovery(project) == []


@pytest.fixture
def small(tmp_path: Path) -> projects.Project:
    """A small book whose address is known."""
    root = shutil.copytree(PROJECT / "tests" / "qmdbook" / "book", tmp_path / "book")
    text = (root / "_quarto.yml").read_text()
    (root / "_quarto.yml").write_text(text.replace("book:\n", f"book:\n  site-url: {ADDRESS}/\n", 1))
    return projects.read(root, [])


def test_the_sitemap_names_every_page_and_robots_txt_the_sitemap(small: projects.Project, tmp_path: Path) -> None:
    site.write_sitemap(tmp_path, small, [Path("index.html"), Path("chapters/a & b.html")])
    found = ElementTree.parse(tmp_path / "sitemap.xml").getroot()
    assert [element.text for element in found.iter() if element.tag.endswith("loc")] == [
        f"{ADDRESS}/index.html",
        f"{ADDRESS}/chapters/a%20%26%20b.html",
    ]
    assert (tmp_path / "robots.txt").read_text() == f"Sitemap: {ADDRESS}/sitemap.xml\n"


def test_without_an_address_there_is_no_sitemap(tmp_path: Path) -> None:
    site.write_sitemap(tmp_path, projects.read(PROJECT / "tests" / "qmdbook" / "book", []), [Path("index.html")])
    assert list(tmp_path.iterdir()) == []


def test_every_numbered_chapter_follows_known_entries(outline: qmdbook.Outline) -> None:
    numbered = [c.path.as_posix() for c in outline.chapters if c.number and not c.appendix]
    assert [chapter.path for chapter in FOLLOWING] == numbered
    in_order = [c.path.as_posix() for c in outline.chapters if c.number]
    assert [chapter.path for chapter in CHAPTERS] == in_order
    assert {number for chapter in FOLLOWING for number in chapter.entries} == set(ENTRIES)
    assert set("".join(ENTRIES.values())) <= set(CLASSES)
    for chapter in CHAPTERS:
        title = (PROJECT / chapter.path).read_text("utf-8").splitlines()[0]
        assert f"{{#{chapter.label}}}" in title


def test_every_folder_of_the_chapters_is_that_of_a_page() -> None:
    folders = {path.parent.name for path in (PACKAGE / "chapters").glob("*/__init__.py")}
    assert folders == {chapter.name for chapter in CHAPTERS if chapter.name}


def test_the_ledger_is_said_to_follow_the_entries_of_its_claims() -> None:
    ledger = next(chapter for chapter in CHAPTERS if chapter.path == "chapters/ledger.qmd")
    assert set(ledger.entries) == {claim.entry for claim in load_claims(PROJECT / "experiments")}


def test_the_index_by_class_has_every_class_and_says_which_are_empty() -> None:
    lines = by_class().splitlines()
    assert [re.match(r"- \*\*(\w)\*\*", line)[1] for line in lines] == list(CLASSES)  # type: ignore[index]
    empty = [line for line in lines if line.endswith(": no entry")]
    assert [line[4] for line in empty] == ["C", "F"]
    mathematics = next(line for line in lines if line.startswith("- **M**"))
    assert "3 entries: @sec-epistemology (1), @sec-von-neumann (5), @sec-scaling-laws (6)" in mathematics


# --- The workflow ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def workflow() -> dict[Any, Any]:
    content: dict[Any, Any] = yaml.safe_load(WORKFLOW.read_text("utf-8"))
    return content


def steps(workflow: dict[Any, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, job in workflow["jobs"].items():
        for step in job["steps"]:
            yield name, step


def using(workflow: dict[Any, Any], action: str) -> list[tuple[str, dict[str, Any]]]:
    return [(name, step) for name, step in steps(workflow) if step.get("uses", "").startswith(f"{action}@")]


def before(workflow: dict[Any, Any], job: str) -> list[str]:
    """The jobs that have to succeed before one begins."""
    needs = workflow["jobs"][job].get("needs", [])
    direct = [needs] if isinstance(needs, str) else list(needs)
    return direct + [other for name in direct for other in before(workflow, name)]


def test_the_tests_run_before_anything_is_published(workflow: dict[Any, Any]) -> None:
    testing = {name for name, step in steps(workflow) if step.get("run") == ".ci/run"}
    publishing = {name for name, _ in using(workflow, "actions/deploy-pages")}
    assert testing
    assert publishing
    for job in publishing:
        assert testing <= set(before(workflow, job))


def test_it_renders_stored_results_with_quarto(workflow: dict[Any, Any]) -> None:
    (job,) = {name for name, step in steps(workflow) if step.get("run") == "quarto render"}
    assert workflow["jobs"][job]["env"]["EPISTEMICS_POLICY"] == "stored"
    assert "stored" in POLICIES
    (upload,) = [step for _, step in using(workflow, "actions/upload-pages-artifact")]
    book = yaml.safe_load((PROJECT / "_quarto.yml").read_text())["project"]
    assert book["post-render"].endswith(" finish")
    assert upload["with"]["path"] == SITE
    assert book["output-dir"] == QUARTO_OUTPUT


def test_actions_are_pinned_and_only_the_last_job_may_write(workflow: dict[Any, Any]) -> None:
    for _, step in steps(workflow):
        if "uses" in step:
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", step["uses"]), step
    writing = {
        name
        for name, job in workflow["jobs"].items()
        if "write" in {**workflow["permissions"], **job.get("permissions", {})}.values()
    }
    assert writing == {name for name, _ in using(workflow, "actions/deploy-pages")}


def test_its_commands_exist(workflow: dict[Any, Any]) -> None:
    commands = [step["run"] for _, step in steps(workflow) if "run" in step]
    assert ".ci/run" in commands
    assert os.access(PROJECT / ".ci" / "run", os.X_OK)
    made = [command.split()[1:] for command in commands if command.startswith("make ")]
    assert made
    for targets in made:
        subprocess.run(["make", "--dry-run", *targets], cwd=PROJECT, check=True, capture_output=True)


def test_it_tells_the_book_its_address(workflow: dict[Any, Any], tmp_path: Path) -> None:
    (step,) = [step for _, step in steps(workflow) if "SITE_URL" in step.get("env", {})]
    copy_sources(tmp_path / "project")
    environment = {**os.environ, "SITE_URL": ADDRESS}
    subprocess.run(["bash", "-ec", step["run"]], cwd=tmp_path / "project", env=environment, check=True)
    assert projects.read(tmp_path / "project", []).site_url == ADDRESS
