"""What was measured, and on which machine, for a terminal."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    model = ""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = " ".join(lines[0].partition(":")[2].split()) if lines else ""
    return {
        "processor": model or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def shown(found: dict[str, Any]) -> str:
    """The figures for a terminal."""
    lines = [", ".join(str(value) for value in found["machine"].values())]
    if "cases" in found:
        figures = ("plain ms", "ours ms", "ratio", "member-steps/s", "GFLOP", "ceiling GFLOP/s", "share")
        head: tuple[str, ...] = ("", "precision", "gradient", *figures)
        rows = [head]
        for c in found["cases"]:
            values = (c["plain_ms"], c["ours_ms"], c["ratio"], c["member_steps_per_second"])
            shares = (f"{c['flop'] / 1e9:.2f}", f"{c['ceiling_gflops']:.0f}", f"{c['ceiling_share']:.0%}")
            rows.append((c["name"], c["precision"], c["gradient"], *(f"{value:.1f}" for value in values), *shares))
        lines += ["", *_columns(rows)]
        lines += [
            "",
            "ratio: member-steps a second, ours over plain. GFLOP: of the matrix products of one step, counted",
            "(the formula is arithmetic.step_operations). share: what the products alone take, of a step.",
        ]
    for c in found.get("cores", []):
        lines.append(
            f"{c['processes']} processes at once, {c['precision']}: {c['all']:.0f} steps a second "
            f"against {c['one']:.0f} of one alone, {c['ratio']:.2f} times"
        )
    for precision, spent in found.get("profile", {}).items():
        total = sum(spent.values())
        lines += ["", f"where a step goes (joint, {precision}, under the profiler):"]
        for name, ms in list(spent.items())[:12]:
            lines.append(f"  {ms:7.2f} ms  {ms / total:4.0%}  {name[:90]}")
    for task in found.get("grokking", []):
        times = ", ".join("never" if seconds is None else f"{seconds:.1f} s" for seconds in task["seconds"])
        lines.append(f"groks {task['name']}: {times}, after {task['compile_seconds']:.0f} s of compiling")
    if "rendering" in found:
        lines += [
            "",
            *_columns([("renderer", "edit", "seconds"), *(tuple(map(str, r.values())) for r in found["rendering"])]),
        ]
    return "\n".join(lines)


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
