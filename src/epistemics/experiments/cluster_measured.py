"""What Ray and the driver cost: written by `python benchmarks/cluster.py`, not by hand."""

from typing import Any

MEASURED: dict[str, Any] = {
    "machine": "x",
    "cores": 2,
    "load": 1.0,
    "date": "2026-11-21",
    "versions": {"ray": "2.60.0", "torch": "2.13.0"},
    "task_seconds": 1.0,
    "rows": [dict(workers=1, tasks=8, cluster_seconds=3.0, start_seconds=5.0, busy_seconds=8.4, overhead_seconds=0.05)],
    "process_seconds": 3.0,
    "receive_seconds": 0.01,
    "check_seconds": 0.001,
    "result_bytes": 184000,
}
