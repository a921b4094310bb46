"""A project with one experiment of tiny models, for tests of the command line and of what it calls."""

from __future__ import annotations

from pathlib import Path

import pytest

EXPERIMENT = """\
title: Two sizes
entry: 7
defaults:
  operations: [add]
  modulus: 11
  layers: 1
  d_model: 8
  heads: 2
  train_fraction: 0.5
  batch_size: 16
  learning_rate: 0.001
  weight_decay: 1
  beta1: 0.9
  beta2: 0.98
  steps: 20
  stop_after_grokking: null
  evaluate_every: 10
  grokking_accuracy: 0.95
  grokking_evaluations: 5
  measure_every: 0
  measure_after_grokking: [0]
  precision: float32
  compiled: false
profiles:
  paper:
    groups:
      - {name: short, seeds: [0]}
      - {name: long, set: {steps: 200}, seeds: [0]}
  smoke:
    groups: [{name: short, seeds: [0]}]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "_quarto.yml").write_text(
        "project: {type: book}\nbook: {title: Sizes, author: Nobody, chapters: [index.qmd]}\n"
    )
    (tmp_path / "index.qmd").write_text("# Sizes\n")
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "sizes.yaml").write_text(EXPERIMENT)
    monkeypatch.chdir(tmp_path)
    for variable in ("EPISTEMICS_PROFILE", "EPISTEMICS_RESULTS"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path
