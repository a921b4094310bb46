"""The shortest change of an input: against a model whose answer is known, and on a model that is trained here."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from test_baselines import trained
from torch import Tensor

from epistemics.analysis.stored_runs import Results
from epistemics.chapters.baselines import chapter as baselines
from epistemics.chapters.open_questions import chapter as open_questions
from epistemics.chapters.open_questions.chapter import nearest_other, smallest_changes, with_first_number_changed
from epistemics.science.abliteration import falls_at
from epistemics.science.configuration import Configuration
from epistemics.science.network import named_parameters, network_of
from epistemics.science.tasks import table, training_rows

Make = Callable[..., Configuration]


def affine(classes: int, questions: int, dimensions: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return (
        torch.randn(classes, dimensions, generator=generator),
        torch.randn(questions, classes, generator=generator),
    )


def test_of_an_affine_model_it_is_the_distance_to_the_nearest_boundary() -> None:
    weight, bias = affine(classes=8, questions=50, dimensions=5)
    answers = bias.argmax(1)
    found = smallest_changes(lambda change: change @ weight.T + bias, answers, 5).norm(dim=1)
    for i, answer in enumerate(answers):
        lead = bias[i, answer] - bias[i]
        apart = (weight[answer] - weight).norm(dim=1)
        expected = min(float(lead[j] / apart[j]) for j in range(8) if j != answer)
        assert float(found[i]) == pytest.approx(expected, rel=2e-3)


def test_an_answer_that_is_wrong_needs_no_change_and_a_constant_one_has_none() -> None:
    weight, bias = affine(classes=8, questions=3, dimensions=5)
    wrong = bias.argmin(1)
    assert smallest_changes(lambda change: change @ weight.T + bias, wrong, 5).abs().max() == 0
    constant = smallest_changes(lambda change: change @ weight.T * 0 + bias, bias.argmax(1), 5)
    assert bool(constant.isnan().all())


def test_the_nearest_other_point_is_not_the_point_itself() -> None:
    points = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]])
    assert nearest_other(points).tolist() == pytest.approx([1.0, 18**0.5, 1.0])


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, configuration: Make) -> Results:
    """A model with weights that has learned something, and one whose weights are not kept."""
    base = configuration(layers=1, steps=400, learning_rate=1e-2, measure_every=0, evaluate_every=100)
    other = configuration(layers=1, steps=400, learning_rate=1e-2, measure_every=0, evaluate_every=100, seed=1)
    return trained(tmp_path_factory.mktemp("input"), [(base, True), (other, False)])


def test_untouched_logits_are_the_models_own(results: Results) -> None:
    run = results.runs[0]
    c, parameters = run.configuration, torch.from_numpy(run.result.weights["parameters"])
    questions = torch.from_numpy(table(c.modulus, c.operations).questions)
    logits = with_first_number_changed(c, parameters, questions)(torch.zeros(len(questions), c.d_model))
    network, flat = network_of(c.architecture), parameters[None]
    expected = network.read_out(flat, network.final_state(flat, questions[None]))[0]
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=1e-4)


def test_going_to_another_number_is_to_ask_about_it(results: Results) -> None:
    run = results.runs[0]
    c, parameters = run.configuration, torch.from_numpy(run.result.weights["parameters"])
    numbers = named_parameters(c.architecture, parameters[None])["embedding"][0]
    questions = torch.tensor([[1, 0, 4], [2, 0, 7]])
    asked = torch.tensor([[5, 0, 4], [9, 0, 7]])
    moved = with_first_number_changed(c, parameters, questions)(numbers[asked[:, 0]] - numbers[questions[:, 0]])
    untouched = with_first_number_changed(c, parameters, asked)(torch.zeros(2, c.d_model))
    torch.testing.assert_close(moved, untouched, atol=1e-4, rtol=1e-4)


def test_tables_hold_what_was_attacked_beside_the_stored_curve(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baselines, "UNDERSTOOD", 0.0)  # these models are too small to understand
    found = open_questions.tables(results)
    attacks, models = found["attacks"], found["models"]
    run = results.runs[0]
    c = run.configuration
    assert set(attacks.column("run")) == {run.run.key}  # only what has weights
    training = training_rows(table(c.modulus, c.operations), c.train_fraction, c.seed)
    for row in attacks.records():
        assert not training[row["a"] * c.modulus + row["b"]]  # held out
        assert row["length"] > 0  # and answered right
    (model,) = models.records()
    assert model["of_nearest"] == pytest.approx(float(np.median(attacks.column("of_nearest"))), abs=1e-4)
    assert model["k_at_95"] == falls_at(run.result.arrays["add.about_mean"][-1], 0.95)
    again = open_questions.attacks(results)
    assert again == attacks
    assert open_questions.numbers(results, found)["models"] == "1 model"


def test_a_weaker_correlation_needs_more_models() -> None:
    """29 for a correlation of 0.5 and 85 for 0.3, as in Cohen's tables (5%, two-sided, power 80%)."""
    assert [open_questions.models_needed(c) for c in (0.5, 0.3)] == pytest.approx([29, 85], abs=1)
