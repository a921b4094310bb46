"""What Ray and the driver cost: written by `python benchmarks/cluster.py`, not by hand."""

from typing import Any

MEASURED: dict[str, Any] = {
    "machine": "Intel(R) Xeon(R) Processor",
    "cores": 2,
    "load": 1.5283203125,
    "date": "2026-11-21",
    "versions": {"ray": "2.60.0", "torch": "2.13.0+cpu"},
    "task_seconds": 1.0,
    "rows": [
        {
            "workers": 1,
            "tasks": 8,
            "cluster_seconds": 4.37,
            "start_seconds": 4.81,
            "busy_seconds": 8.06,
            "overhead_seconds": 0.008,
        },
        {
            "workers": 2,
            "tasks": 16,
            "cluster_seconds": 4.23,
            "start_seconds": 4.48,
            "busy_seconds": 8.85,
            "overhead_seconds": 0.106,
        },
        {
            "workers": 4,
            "tasks": 32,
            "cluster_seconds": 6.91,
            "start_seconds": 7.49,
            "busy_seconds": 10.62,
            "overhead_seconds": 0.328,
        },
        {
            "workers": 8,
            "tasks": 64,
            "cluster_seconds": 8.75,
            "start_seconds": 9.31,
            "busy_seconds": 12.51,
            "overhead_seconds": 0.564,
        },
    ],
    "process_seconds": 9.58,
    "receive_seconds": 0.0109,
    "check_seconds": 0.0042,
    "result_bytes": 180828,
}
