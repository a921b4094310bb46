"""Log entry 6, scaling laws: what loss, model and data cost in compute, and what a larger batch buys.

Functions with published constants; nothing is trained or fitted. N is parameters, D tokens seen once, C = 6ND compute
in floating-point operations (FLOP), L cross-entropy in nats a token, B a batch in tokens. The sources count N and D
differently (Kaplan et al. leave embeddings out) and read different text, so their losses are never compared.
"""

from __future__ import annotations

from dataclasses import dataclass

from epistemics.analysis.provenance_line import published
from epistemics.analysis.tables import Numbers, Shown, Table, Value, number, percent, table_of
from epistemics.chapters.contents import Share
from epistemics.declared.project import Project
from epistemics.science.configuration import Architecture
from epistemics.science.network import parameter_count

FLOP_PER_PARAMETER_AND_TOKEN = 6
"""Forward a multiplication and an addition, backward twice that (Kaplan et al. 2020, section 2.1)."""
PF_DAY = 1e15 * 24 * 3600
"""The FLOP of a petaflop/s for a day, the unit of Kaplan et al."""


@dataclass(frozen=True)
class ParametricLoss:
    """L(N, D) = E + A/N^α + B/D^β, approach 3 of Hoffmann et al. 2022 (arXiv:2203.15556, section 3.3)."""

    name: str
    irreducible: float
    """E, the loss that neither parameters nor data take away."""
    a: float
    b: float
    alpha: float
    beta: float

    def loss(self, parameters: float, tokens: float) -> float:
        return float(self.irreducible + self.a / parameters**self.alpha + self.b / tokens**self.beta)

    @property
    def exponent(self) -> float:
        """Of compute in the optimal number of parameters: N ∝ C^(β/(α+β))."""
        return self.beta / (self.alpha + self.beta)

    def optimal(self, compute: float) -> tuple[float, float]:
        """N and D of least loss among all with 6ND = C (Hoffmann et al. 2022, eq. 4)."""
        ratio = (self.alpha * self.a / (self.beta * self.b)) ** (1 / (self.alpha + self.beta))
        parameters = ratio * (compute / FLOP_PER_PARAMETER_AND_TOKEN) ** self.exponent
        return parameters, tokens_for(compute, parameters)


CHINCHILLA = ParametricLoss("Chinchilla, as printed", 1.69, 406.4, 410.7, 0.34, 0.28)
"""Hoffmann et al. 2022, eq. 10."""
UNROUNDED = ParametricLoss("Chinchilla, unrounded", 1.6934, 406.4, 410.7, 0.3392, 0.2849)
"""The same fit as it stands in the source of that paper's text, according to Besiroglu et al. 2024."""
REPLICATION = ParametricLoss("replication", 1.8172, 482.01, 2085.43, 0.3478, 0.3658)
"""Besiroglu et al. 2024, arXiv:2404.10102, table 1: the same form, fitted to data read off the figures."""
REPLICATION_ALPHA_ERROR = 0.02
"""Standard error of α of the replication, ibid."""
CHINCHILLA_EXPONENTS = (0.50, 0.49, 0.46)
"""Of compute in the optimal N by approaches 1, 2 and 3: Hoffmann et al. 2022, table 2."""
CHINCHILLA_SIZES = ((400e6, 8.0e9), (1e9, 20.2e9), (10e9, 205.1e9), (67e9, 1.5e12), (175e9, 3.7e12), (280e9, 5.9e12))
"""Parameters and their optimal tokens by approach 1: Hoffmann et al. 2022, table 3, up to the size of Gopher."""
GOPHER_BUDGET = 5.76e23
"""The compute of Gopher in FLOP, ibid."""
MODELS = {"GPT-3": (175e9, 300e9), "Gopher": (280e9, 300e9), "Chinchilla": (70e9, 1.4e12)}
"""Parameters and training tokens: Hoffmann et al. 2022, table 1."""
GOPHER_SIZES = (40e9, 70e9)
"""What Hoffmann et al. 2022 give as the best number of parameters for it, by their three approaches: section 1."""
RULE_OF_THUMB = 20
"""Tokens a parameter, as Chinchilla's result is mostly quoted."""

# Kaplan et al. 2020, arXiv:2001.08361; N without embeddings, compute in PF-days.
ALPHA_N, ALPHA_D, ALPHA_C_MIN = 0.076, 0.095, 0.050
"""Exponents of the loss in each of N, D and compute where the others are plenty: eqs. 1.1 to 1.3."""
KAPLAN_EXPONENT, KAPLAN_PARAMETERS = 0.73, 1.3e9
"""Optimal parameters at one PF-day of least compute, and the exponent of compute in them: table 6."""
OVERFIT_ALPHA_N, OVERFIT_ALPHA_D, OVERFIT_N, OVERFIT_D = 0.076, 0.103, 6.4e13, 1.8e13
"""Fit of L(N, D) with early stopping: table 2."""
OVERFIT_TOLERANCE = 0.02
"""Loss above that of unlimited data that still counts as none, about the spread over seeds: section 4.2."""
LEARNING_ALPHA_N, LEARNING_ALPHA_S, LEARNING_N, LEARNING_S = 0.077, 0.76, 6.5e13, 2.1e3
"""Fit of L(N, S), S in steps: table 3."""
CRITICAL_BATCH, CRITICAL_BATCH_ALPHA = 2e8, 0.21
"""B* in tokens and α_B: eq. 1.4."""
KAPLAN_PREDICTED = 0.71
"""The exponent of compute in the optimal N as they compute it from that fit: section 6.1."""
LOSSES = (4, 3, 2)
"""In nats, at which the chapter evaluates the critical batch."""
LARGEST_CONTEXT, LARGEST_WIDTH = 2048, 12288
"""Of GPT-3 (Brown et al. 2020, arXiv:2005.14165, table 2.1)."""


def compute_of(parameters: float, tokens: float) -> float:
    """C = 6ND, in FLOP."""
    return FLOP_PER_PARAMETER_AND_TOKEN * parameters * tokens


def tokens_for(compute: float, parameters: float) -> float:
    """The D that a compute leaves to N parameters."""
    return compute / (FLOP_PER_PARAMETER_AND_TOKEN * parameters)


def attention_share(context: int, width: int) -> float:
    """Operations of the attention scores over those that 6ND counts: context / (12 width).

    A layer with four times as wide a feed-forward block has 12 width² parameters, 24 width² FLOP a token forward, and
    its scores and their mixing 2 context × width (Kaplan et al. 2020, table 1 and eq. 2.2).
    """
    return context / (12 * width)


def kaplan_optimal(compute: float) -> tuple[float, float]:
    """N and D of least loss as Kaplan et al. 2020 measured it, training at the critical batch size.

    There half of the compute would do with a batch that is far smaller: C = 2 C_min (eq. 5.5, section 6.1).
    """
    parameters = KAPLAN_PARAMETERS * (compute / 2 / PF_DAY) ** KAPLAN_EXPONENT
    return parameters, tokens_for(compute, parameters)


def kaplan_predicted_exponent() -> float:
    """Of compute in the optimal N, from the fit of L(N, S) and the critical batch size (eqs. 1.7 and 1.8)."""
    return 1 / (1 / LEARNING_ALPHA_S + 1 / CRITICAL_BATCH_ALPHA + 1 / LEARNING_ALPHA_N) / LEARNING_ALPHA_N


def tokens_against_overfitting(parameters: float) -> float:
    """The least D at which early-stopped loss is within 2% of that with unlimited data (from eq. 4.3).

    This is the rule D ≳ 5·10³ N^0.74 (eq. 4.4). It says nothing of compute.
    """
    share = (1 + OVERFIT_TOLERANCE) ** (1 / OVERFIT_ALPHA_D) - 1
    tokens: float = OVERFIT_D * (parameters / OVERFIT_N) ** (OVERFIT_ALPHA_N / OVERFIT_ALPHA_D) / share
    return tokens


def critical_batch(loss: float) -> float:
    """B_crit in tokens when training to a loss (Kaplan et al. 2020, eq. 1.4)."""
    return float(CRITICAL_BATCH / loss ** (1 / CRITICAL_BATCH_ALPHA))


def steps_over_least(batch: float) -> float:
    """S / S_min at a batch that is so many critical ones (McCandlish et al. 2018, arXiv:1812.06162)."""
    return 1 + 1 / batch


def samples_over_least(batch: float) -> float:
    """E / E_min at a batch that is so many critical ones; with the steps, (S/S_min − 1)(E/E_min − 1) = 1."""
    return 1 + batch


LOG_MODEL, LOG_FRACTION = Architecture(modulus=97, operations=1, layers=2, d_model=128, heads=4), 0.3
"""The log's baseline, of entry 7, and the share of its questions that it trains on."""
LAWS = {
    "Kaplan": kaplan_optimal,
    "Chinchilla fit": CHINCHILLA.optimal,
    "replication": REPLICATION.optimal,
}
"""Law → its optimal N and D at a compute."""
DECADES = [10**power for power in range(18, 27)]
BATCHES = [2.0**power for power in range(-5, 6)]
"""Batch sizes over the critical one."""


def allocations() -> Table:
    """Each law's optimal parameters and tokens at a compute from 10^18 to 10^26 FLOP, four a decade."""
    rows: list[dict[str, Value]] = []
    for law, optimal in LAWS.items():
        for quarter in range(4 * 18, 4 * 26 + 1):
            compute = 10 ** (quarter / 4)
            parameters, tokens = optimal(compute)
            rows.append(_allocation(law, compute, parameters, tokens))
    return table_of(rows)


def published_models() -> Table:
    """Three models as they were trained."""
    return table_of([_allocation(name, compute_of(n, d), n, d) for name, (n, d) in MODELS.items()])


def _allocation(name: str, compute: float, parameters: float, tokens: float) -> dict[str, Value]:
    return {
        "name": name,
        "compute": float(f"{compute:.6g}"),
        "parameters": float(f"{parameters:.6g}"),
        "tokens": float(f"{tokens:.6g}"),
        "tokens_per_parameter": float(f"{tokens / parameters:.6g}"),
    }


def at_one_compute(compute: float = GOPHER_BUDGET) -> Table:
    """Loss above the least against parameters, all with the same compute, for the two fits."""
    rows: list[dict[str, Value]] = []
    for law in (CHINCHILLA, REPLICATION):
        optimum, tokens = law.optimal(compute)
        best = law.loss(optimum, tokens)
        for twentieth in range(-30, 31):
            parameters = optimum * 10 ** (twentieth / 20)
            above = law.loss(parameters, tokens_for(compute, parameters)) - best
            rows.append({"law": law.name, "parameters": float(f"{parameters:.6g}"), "above_least": round(above, 5)})
    return table_of(rows)


def trade_off() -> Table:
    """Steps and samples to the same loss, over the least of each, against the batch over the critical one."""
    return table_of(
        [
            {
                "batch_over_critical": b,
                "steps_over_least": steps_over_least(b),
                "samples_over_least": samples_over_least(b),
            }
            for b in BATCHES
        ]
    )


def by_compute() -> Shown:
    """Each law's optimum, every second decade: parameters, and tokens a parameter."""
    rows = []
    for compute in DECADES[::2]:
        row = [power(compute, 0)]
        for optimal in LAWS.values():
            parameters, tokens = optimal(compute)
            row.append(f"{counted(parameters)}, {_ratio(parameters, tokens)}")
        rows.append(row)
    return Shown(["Compute, FLOP", *LAWS], rows)


def by_batch() -> Shown:
    """What a batch costs in steps and in samples, over the least of each."""
    rows = [
        [f"{b:g}" if b >= 1 else f"1/{1 / b:g}", number(steps_over_least(b), 2), number(samples_over_least(b), 2)]
        for b in BATCHES[::2]
    ]
    return Shown(["Batch, in critical ones", "Steps, over the least", "Samples, over the least"], rows, left=0)


def _ratio(parameters: float, tokens: float) -> str:
    """Tokens a parameter, with the digits that count."""
    ratio = tokens / parameters
    return number(ratio, 0 if ratio >= 9.95 else 1 if ratio >= 1 else 2)


def power(value: float, digits: int = 1) -> str:
    """A number as Markdown: digits times a power of ten."""
    leading, exponent = f"{value:.{digits}e}".split("e")
    return f"$10^{{{int(exponent)}}}$" if leading == "1" else f"${leading} \\cdot 10^{{{int(exponent)}}}$"


def counted(value: float) -> str:
    """A large number in words, with two digits that count."""
    for unit, name in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if value >= 0.9995 * unit:
            scaled = value / unit
            return f"{number(scaled, 1 if scaled < 9.95 else 0)} {name}"
    return number(value)


def tables() -> dict[str, Table]:
    """What the figures of the chapter draw, by name."""
    return published(
        __name__,
        {
            "allocations": allocations(),
            "published_models": published_models(),
            "at_one_compute": at_one_compute(),
            "trade_off": trade_off(),
        },
    )


def numbers() -> Numbers:
    """The numbers of the chapter's prose."""
    found: Numbers = {
        "gopher_budget": power(GOPHER_BUDGET, 2),
        "alpha_n": f"{ALPHA_N}",
        "alpha_d": f"{ALPHA_D}",
        "alpha_c": f"{ALPHA_C_MIN:.3f}",
        "kaplan_n": f"{KAPLAN_EXPONENT}",
        "kaplan_d": f"{1 - KAPLAN_EXPONENT:.2f}",
        "kaplan_d_in_n": f"{(1 - KAPLAN_EXPONENT) / KAPLAN_EXPONENT:.2f}",
        "kaplan_predicted_n": f"{kaplan_predicted_exponent():.2f}",
        "kaplan_parameters_tenfold": f"{10**KAPLAN_EXPONENT:.1f}",
        "kaplan_data_tenfold": f"{10 ** (1 - KAPLAN_EXPONENT):.1f}",
        "overfit_exponent": f"{OVERFIT_ALPHA_N / OVERFIT_ALPHA_D:.2f}",
        "overfit_coefficient": number(round(tokens_against_overfitting(1.0), -2)),
        "overfit_c_exponent": f"{KAPLAN_EXPONENT * OVERFIT_ALPHA_N / OVERFIT_ALPHA_D:.2f}",
        "chinchilla_exponents": "{}, {} and {}".format(*(f"{x:.2f}" for x in CHINCHILLA_EXPONENTS)),
        "largest_attention_share": percent(attention_share(LARGEST_CONTEXT, LARGEST_WIDTH), 1),
        "largest_context": number(LARGEST_CONTEXT),
        "largest_width": number(LARGEST_WIDTH),
        "kaplan_printed_n": f"{KAPLAN_PREDICTED}",
        "overfit_tolerance": percent(OVERFIT_TOLERANCE),
        "gopher_sizes": "{:.0f} to {:.0f} billion".format(*(size / 1e9 for size in GOPHER_SIZES)),
        # In a formula Quarto takes a variable for Markdown, which would lose a backslash.
        "b_star_times": f"{CRITICAL_BATCH:.0e}".split("e")[0],
        "b_star_power": str(int(f"{CRITICAL_BATCH:.0e}".split("e")[1])),
        "alpha_b": f"{CRITICAL_BATCH_ALPHA}",
        "halving_doubling": percent(1 - 2**-CRITICAL_BATCH_ALPHA),
        "log_parameters": number(parameter_count(LOG_MODEL)),
        "log_questions": number(round(LOG_FRACTION * LOG_MODEL.modulus**2)),
        "log_tokens": number(len(LOG_MODEL.kinds) * round(LOG_FRACTION * LOG_MODEL.modulus**2)),
        **{f"loss_{loss}": {"batch": counted(critical_batch(loss))} for loss in LOSSES},
        "largest_batch": number(max(BATCHES)),
        "most_over_least": number(samples_over_least(max(BATCHES))),
        "at_critical": number(steps_over_least(1)),
    }
    printed, unrounded = (law.optimal(GOPHER_BUDGET)[0] for law in (CHINCHILLA, UNROUNDED))
    found["rounding_moves"] = percent(unrounded / printed - 1)
    sizes = [tokens / parameters for parameters, tokens in CHINCHILLA_SIZES]
    found["table_3_ratios"] = f"{min(sizes):.0f} to {max(sizes):.0f}"
    smallest, *_, largest = (parameters for parameters, _ in CHINCHILLA_SIZES)
    found["table_3_sizes"] = f"{smallest / 1e9:g} to {largest / 1e9:g} billion"
    for law, name in ((CHINCHILLA, "printed"), (UNROUNDED, "unrounded"), (REPLICATION, "replication")):
        parameters, tokens = law.optimal(GOPHER_BUDGET)
        best = law.loss(parameters, tokens)
        halved, doubled = (
            law.loss(f * parameters, tokens_for(GOPHER_BUDGET, f * parameters)) - best for f in (0.5, 2.0)
        )
        found[name] = {
            "alpha": f"{law.alpha}",
            "beta": f"{law.beta}",
            "n": f"{law.exponent:.2f}",
            "at_gopher_n": counted(parameters),
            "at_gopher_d": counted(tokens),
            "at_gopher_ratio": _ratio(parameters, tokens),
            "halved": f"{halved:.3f}",
            "doubled": f"{doubled:.3f}",
        }
    for exponent in (18, 22, 26):
        at = found[f"compute_1e{exponent}"] = {}
        for law_name, optimal in LAWS.items():
            n, d = optimal(10.0**exponent)
            at[f"{law_name.split()[0].lower()}_ratio"] = number(d / n, 0 if d > 9.5 * n else 1 if d > n else 2)
    for model, (n, d) in MODELS.items():
        key = model.lower().replace("-", "")
        found[key] = {"ratio": _ratio(n, d), "parameters": counted(n), "tokens": counted(d)}
    (large, few), (small, many) = MODELS["Gopher"], MODELS["Chinchilla"]
    found["chinchilla"] |= {"smaller": number(large / small), "more_data": number(many / few, 1)}
    found["replication"]["alpha_error"] = f"{REPLICATION_ALPHA_ERROR}"
    return found


def share(_: Project) -> Share:
    """What the chapter gives to its prose and to readers; see ``contents``."""
    return numbers(), tables()
