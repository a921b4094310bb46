"""Runs an experiment file on Modal, a GPU for each stack of runs, and brings the results into the store.

    pip install modal && modal setup
    modal run examples/modal_run.py --experiment phase-1-2

Run it in the project's folder. Checkpoints, and results that nobody took, stay in a volume: the same command goes on
from there. Which GPU, and how many at once, is set below.
"""

from __future__ import annotations

import modal

from epistemics.lab import elsewhere as remote

image = (
    modal.Image.debian_slim(python_version="3.11")
    .apt_install("g++", "python3-dev")  # for compiled steps
    .uv_pip_install("torch==2.13.0", "numpy", "pyyaml", "safetensors", "msgspec")
    .env({remote.WORKSPACE_VARIABLE: "/workspace"})
    .add_local_python_source("epistemics")
)
app = modal.App("epistemics", image=image)
volume = modal.Volume.from_name("epistemics-workspace", create_if_missing=True)


@app.function(gpu="H100", cpu=1, max_containers=8, timeout=24 * 3600, retries=3, volumes={"/workspace": volume})
def make(request: str) -> remote.Made:
    """Make one stack of runs where this is called: bytes of its results' files."""
    return remote.made(request, print)


@app.local_entrypoint()
def main(experiment: str, profile: str = "paper", device: str = "cuda") -> None:
    """Ask for what an experiment file is missing, and store what comes, as it comes."""
    from epistemics.declared.experiments import load_experiment
    from epistemics.declared.project import find_project
    from epistemics.lab.scheduler import stacks
    from epistemics.lab.status import status
    from epistemics.store.store import Store

    project = find_project(profile)
    store = Store(project.results)
    runs = load_experiment(project.experiments, experiment, profile).runs
    missing = [s.run for s in status(runs, store) if s.state == "missing"]
    requests = [remote.request(stack, project.workspace, device) for stack in stacks(missing, device)]
    for made in make.map(requests, order_outputs=False):
        remote.receive(made, store)
        print("stored", *made)
