"""A folder of pages served on this machine, to a reader who is told when a page is new, and what is wrong.

Each page gets a script (`site/preview.js`), which listens to a stream of events and loads the page again where the
reader stood. Nothing of it is in the folder itself.
"""

from __future__ import annotations

import io
import json
import queue
import threading
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO

from qmdbook.site import LOOK

EVENTS, SCRIPT = "/.preview/events", "/.preview/preview.js"
TAG = f'<script src="{SCRIPT}" data-version="{{}}" defer></script></head>'
RENDERED = (".pdf", ".epub", ".md", ".ipynb")
"""What pages link to, and a preview does not make."""
BEAT_SECONDS = 10.0
"""How often an idle stream is written to, so that a reader who has gone is noticed."""


class Server(ThreadingHTTPServer):
    """Serves a folder to this machine alone. Port 0 is any that is free."""

    daemon_threads = True

    def __init__(self, folder: Path, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), partial(_Handler, directory=str(folder)))
        self.folder = folder
        self._readers: set[queue.SimpleQueue[dict[str, Any]]] = set()
        self._lock = threading.Lock()
        self._said: dict[str, Any] = {"version": 0, "pages": [], "problems": [], "busy": ""}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"

    @property
    def version(self) -> int:
        """How often pages were said to be new."""
        return int(self._said["version"])

    def say(
        self,
        *,
        pages: Sequence[str] | None = (),
        problems: Sequence[str] | None = None,
        busy: str = "",
    ) -> None:
        """Tell every reader.

        Args:
            pages: those that are new, as paths in the folder; None: all.
            problems: what is wrong now; None: as before.
            busy: what is being done; empty: nothing.
        """
        with self._lock:
            said = self._said
            new = pages is None or len(pages) > 0
            self._said = {
                "version": said["version"] + new,
                "pages": None if pages is None else list(pages),
                "problems": said["problems"] if problems is None else list(problems),
                "busy": busy,
            }
            for reader in self._readers:
                reader.put(self._said)

    def listen(self) -> queue.SimpleQueue[dict[str, Any]]:
        """A queue of what is said from now on, which begins with how things stand."""
        reader: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        with self._lock:
            reader.put(self._said | {"pages": []})
            self._readers.add(reader)
        return reader

    def leave(self, reader: queue.SimpleQueue[dict[str, Any]]) -> None:
        with self._lock:
            self._readers.discard(reader)


class _Handler(SimpleHTTPRequestHandler):
    server: Server
    extensions_map = SimpleHTTPRequestHandler.extensions_map | {".js": "text/javascript", ".woff2": "font/woff2"}

    def do_GET(self) -> None:
        if self.path.partition("?")[0] == EVENTS:
            self._events()
        else:
            super().do_GET()

    def send_head(self) -> Any:
        path = self.path.partition("?")[0]
        if path == SCRIPT:
            return self._send((LOOK / "preview.js").read_bytes(), "text/javascript")
        file = Path(self.translate_path(self.path))
        file = file / "index.html" if path.endswith("/") else file
        if file.suffix == ".html" and file.is_file():
            tag = TAG.format(self.server.version).encode()  # before the page is read: never newer than it
            return self._send(file.read_bytes().replace(b"</head>", tag, 1), "text/html; charset=utf-8")
        if file.suffix in RENDERED and not file.is_file():
            self.send_error(HTTPStatus.NOT_FOUND, explain="A preview makes the pages; a render makes this file.")
            return None
        return super().send_head()

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a terminal that lists every file is not read."""

    def _send(self, content: bytes, kind: str) -> BinaryIO:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        return io.BytesIO(content)

    def _events(self) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        reader = self.server.listen()
        try:
            while True:
                try:
                    text = f"data: {json.dumps(reader.get(timeout=BEAT_SECONDS))}\n\n"
                except queue.Empty:
                    text = ": still here\n\n"
                self.wfile.write(text.encode())
                self.wfile.flush()
        except OSError:  # the reader has left
            pass
        finally:
            self.server.leave(reader)
