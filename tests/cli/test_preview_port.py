"""A preview that can't be served says why in one line."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from small_project import project as project

from epistemics.cli import main


def test_a_port_that_is_taken_is_named(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["preview", "--no-browser", "--port", str(port)]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"epistemics: --port {port}: ")
    assert said.count("\n") == 1
