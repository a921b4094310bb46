"""What Ray and the driver cost: written by `python benchmarks/cluster.py`, not by hand."""

from typing import Any

MEASURED: dict[str, Any] = {
    "machine": "Intel(R) Xeon(R) Processor",
    "cores": 2,
    "load": 6.79345703125,
    "date": "2026-11-21",
    "versions": {"ray": "2.60.0", "torch": "2.13.0+cpu"},
    "task_seconds": 1.0,
    "rows": [
        {
            "workers": 1,
            "tasks": 8,
            "cluster_seconds": 8.21,
            "start_seconds": 8.72,
            "busy_seconds": 8.04,
            "overhead_seconds": 0.005,
        },
        {
            "workers": 2,
            "tasks": 16,
            "cluster_seconds": 4.03,
            "start_seconds": 4.35,
            "busy_seconds": 8.76,
            "overhead_seconds": 0.095,
        },
        {
            "workers": 4,
            "tasks": 32,
            "cluster_seconds": 13.29,
            "start_seconds": 14.06,
            "busy_seconds": 9.64,
            "overhead_seconds": 0.205,
        },
        {
            "workers": 8,
            "tasks": 64,
            "cluster_seconds": 4.23,
            "start_seconds": 4.63,
            "busy_seconds": 9.96,
            "overhead_seconds": 0.245,
        },
    ],
    "process_seconds": 9.2,
    "receive_seconds": 0.04,
    "check_seconds": 0.0043,
    "result_bytes": 180828,
}
