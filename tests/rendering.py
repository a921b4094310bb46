"""The project rendered in a folder of its own, and a page of it watched while it is open."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page


@dataclass(frozen=True)
class Rendering:
    """A folder with the project in it, and what rendering printed."""

    folder: Path
    exit_status: int
    log: str

    @property
    def site(self) -> Path:
        return self.folder / "_site"

    @property
    def executed(self) -> set[str]:
        return set(re.findall(r"^(\S+\.qmd): \d+ cells? executed", self.log, re.MULTILINE))


def python(folder: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run Python on a project's package in its folder, under the smoke profile; its errors are among its output."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EPISTEMICS_")}
    environment |= {"PYTHONPATH": str(folder / "src"), "EPISTEMICS_PROFILE": "smoke"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder, env=environment, input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def epistemics(folder: Path, verb: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return python(folder, "-m", "epistemics", verb, *arguments)


def render(folder: Path, *arguments: str) -> Rendering:
    done = epistemics(folder, "render", *arguments)
    return Rendering(folder, done.returncode, done.stdout)


def watched(page: Page, address: str) -> list[str]:
    """A list that fills with errors of the console, failed loads and requests to other hosts."""
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("requestfailed", lambda request: faults.append(f"{request.url}: {request.failure}"))
    page.on(
        "request",
        lambda request: None if request.url.startswith((address, "data:", "blob:")) else faults.append(request.url),
    )
    return faults
