"""Where a result was made: device, versions, commit."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from epistemics import __version__
from epistemics.study import Configuration


def provenance_of(configurations: Sequence[Configuration], device: torch.device) -> dict[str, Any]:
    """Of a stack that begins to train now, in this process."""
    return {
        "seeds": [c.seed for c in configurations],
        "device": torch.cuda.get_device_name() if device.type == "cuda" else processor(),
        "threads": torch.get_num_threads(),
        "subnormals": "flushed to zero",
        "stack": len(configurations),
        "versions": {
            "epistemics": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
        "commit": commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": 0.0,
        "resumed": 0,
    }


def processor() -> str:
    """The CPU's name, as the system gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    except OSError:
        pass
    return platform.processor() or platform.machine()


def commit() -> str | None:
    """The commit that the source is at, with ``+changes`` if it was edited since; None outside a repository."""
    source = Path(__file__).parents[1]

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(source), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--", "*.py")
        return git("rev-parse", "HEAD") + ("+changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None
