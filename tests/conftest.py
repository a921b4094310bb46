"""What the tests share: a browser, the book as a new reader makes it, and small configurations.

Configurations differ from one default by what a test is about.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from playwright.sync_api import Browser, sync_playwright
from prose import PROJECT
from rendering import Rendering, render

from epistemics.science.configuration import Configuration

CHROMIUM_OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def interrupts_are_heard() -> None:
    """A shell without job control starts background jobs with SIGINT ignored, and all their children inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.fail("Chromium is needed to open pages of the book (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def book(tmp_path_factory: pytest.TempPathFactory) -> Rendering:
    """The project's files without any result, rendered."""
    folder = tmp_path_factory.mktemp("project")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT, check=True, capture_output=True, text=True,
    ).stdout.split("\0")  # fmt: skip
    for name in listed:
        if name and not name.startswith("results/") and (PROJECT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, folder / name)
    rendering = render(folder)
    assert rendering.exit_status == 0, rendering.log
    return rendering


@pytest.fixture(scope="session")
def address(book: Rendering, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the site is served: below the root, as project pages are."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "book").symlink_to(book.site)

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/book/"
        server.shutdown()


@pytest.fixture(scope="session")
def configuration() -> Callable[..., Configuration]:
    """A configuration that trains in a second; keyword arguments override."""

    def make(**changes: object) -> Configuration:
        values: dict[str, object] = {
            "operations": ("add",),
            "modulus": 11,
            "layers": 2,
            "d_model": 16,
            "heads": 4,
            "train_fraction": 0.6,
            "batch_size": 24,
            "learning_rate": 1e-3,
            "weight_decay": 1.0,
            "beta1": 0.9,
            "beta2": 0.98,
            "steps": 40,
            "stop_after_grokking": None,
            "evaluate_every": 10,
            "grokking_accuracy": 0.95,
            "grokking_evaluations": 5,
            "measure_every": 20,
            "measure_after_grokking": (0,),
            "precision": "float32",
            "compiled": False,
            "seed": 0,
        }
        return Configuration(**(values | changes))  # type: ignore[arg-type]

    return make
