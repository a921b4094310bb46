"""The book while it is written, in a browser that nobody reloads: a sentence, a cell that breaks, and its mending."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from rendering import Rendering, watched

pytestmark = pytest.mark.slow

MINUTES = 60_000  # milliseconds
CHAPTER = Path("chapters/von-neumann.qmd")
"""A chapter with cells that reads no result."""


@dataclass
class Previewed:
    folder: Path
    address: str


@pytest.fixture(scope="module")
def previewed(book: Rendering, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Previewed]:
    """A preview of a copy of the rendered book, whose cells have been executed."""
    folder = shutil.copytree(book.folder, tmp_path_factory.mktemp("previewed") / "project")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EPISTEMICS_")}
    environment |= {"PYTHONPATH": str(folder / "src"), "EPISTEMICS_PROFILE": "smoke"}
    log = folder.parent / "log"
    with log.open("w") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", "epistemics", "preview", "--no-browser"],
            cwd=folder, env=environment, stdout=written, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    while "all pages built" not in log.read_text("utf-8"):
        assert process.poll() is None, log.read_text("utf-8")
        time.sleep(0.2)
    address = re.search(r"http://127.0.0.1:\d+/", log.read_text("utf-8"))
    assert address is not None
    yield Previewed(folder, address[0])
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    with pytest.raises(ProcessLookupError):  # nothing of it runs on
        os.killpg(process.pid, 0)


@pytest.fixture
def page(previewed: Previewed, browser: Browser) -> Iterator[Page]:
    """The chapter's page, scrolled to its middle."""
    page = browser.new_page()
    page.set_default_timeout(2 * MINUTES)
    faults = watched(page, previewed.address)
    page.goto(f"{previewed.address}{CHAPTER.with_suffix('.html')}")
    page.evaluate("scrollTo({top: document.body.scrollHeight / 2, behavior: 'instant'})")
    yield page
    page.close()
    assert [fault for fault in faults if "/.preview/events" not in fault] == []  # which a reload breaks off


def edit(previewed: Previewed, old: str, new: str) -> None:
    path = previewed.folder / CHAPTER
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def a_sentence(previewed: Previewed) -> str:
    """The beginning of the chapter's last paragraph of plain words."""
    text = (previewed.folder / CHAPTER).read_text("utf-8")
    return str(re.findall(r"\n\n([A-Z][a-z]+ [a-z]+ [a-z]+ )", text)[-1])


def test_a_saved_sentence_is_on_the_page_where_its_reader_stands(previewed: Previewed, page: Page) -> None:
    sentence = a_sentence(previewed)
    page.locator("main details.code-fold summary").first.click()
    stood = page.evaluate("scrollY")
    edit(previewed, sentence, f"Now it says so. {sentence}")
    expect(page.locator("main")).to_contain_text("Now it says so.", timeout=2 * MINUTES)
    page.wait_for_function(f"Math.abs(scrollY - {stood}) < 100")
    assert page.locator("main details.code-fold").first.get_attribute("open") is not None
    edit(previewed, f"Now it says so. {sentence}", sentence)
    expect(page.locator("main")).not_to_contain_text("Now it says so.", timeout=2 * MINUTES)


def test_what_is_wrong_stands_above_the_last_good_page_until_it_is_mended(previewed: Previewed, page: Page) -> None:
    title = page.locator("h1").text_content()
    found = re.search(r"```\{python\}\n(#\|.*\n)*", (previewed.folder / CHAPTER).read_text("utf-8"))
    assert found is not None
    edit(previewed, found[0], f"{found[0]}1 / 0\n")
    said = page.locator("#preview")
    expect(said).to_contain_text("ZeroDivisionError: division by zero", timeout=5 * MINUTES)
    place = re.search(rf"{CHAPTER}:(\d+): ZeroDivisionError", said.text_content() or "")
    assert place is not None
    lines = (previewed.folder / CHAPTER).read_text("utf-8").split("\n")
    assert lines[int(place[1]) - 1] == "1 / 0"
    assert page.locator("h1").text_content() == title
    edit(previewed, f"{found[0]}1 / 0\n", found[0])
    expect(said).to_have_count(0, timeout=5 * MINUTES)
    assert page.locator("h1").text_content() == title


def test_a_fault_of_the_text_is_said_at_once(previewed: Previewed, page: Page) -> None:
    sentence = a_sentence(previewed)
    edit(previewed, sentence, f"See @fig-nowhere. {sentence}")
    expect(page.locator("#preview")).to_contain_text("@fig-nowhere: unresolved reference", timeout=2 * MINUTES)
    edit(previewed, f"See @fig-nowhere. {sentence}", sentence)
    expect(page.locator("#preview")).to_have_count(0, timeout=2 * MINUTES)


def test_the_site_that_was_rendered_is_not_touched(previewed: Previewed, book: Rendering) -> None:
    own = previewed.folder / book.site.relative_to(book.folder)
    made = {path.relative_to(own): path.read_bytes() for path in own.rglob("*") if path.is_file()}
    assert made == {path.relative_to(book.site): path.read_bytes() for path in book.site.rglob("*") if path.is_file()}
    with urllib.request.urlopen(f"{previewed.address}index.html") as page:
        assert b"preview.js" in page.read()
    assert b"preview.js" not in (previewed.folder / ".workspace/preview/index.html").read_bytes()
