"""The trainer that people write: torch.nn.TransformerEncoder, torch.optim.AdamW, a for loop, one run at a time.

What `epistemics bench` measures ours against, on the same task, model and batch. It reads a configuration as JSON on
standard input and prints the milliseconds of its steps:

    echo '{"operations": ["add"], "modulus": 97, …}' | python benchmarks/plain.py --seconds 10 --device cpu
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Transformer(nn.Module):
    """Pre-LayerNorm encoder over the tokens a, op, b, =; the answer is read at the last."""

    def __init__(self, p: int, operations: int, layers: int, d_model: int, heads: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(p + operations + 1, d_model)
        self.position = nn.Parameter(torch.randn(4, d_model) * 0.02)
        nn.init.normal_(self.embedding.weight, std=0.02)
        layer = nn.TransformerEncoderLayer(
            d_model, heads, 4 * d_model, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, layers, norm=nn.LayerNorm(d_model), enable_nested_tensor=False)
        self.unembedding = nn.Linear(d_model, p)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Final states [B, d] and logits [B, p] of tokens [B, 4]."""
        states = self.encoder(self.embedding(tokens) + self.position)[:, -1]
        return states, self.unembedding(states)


def questions_and_answers(p: int, operations: list[str]) -> tuple[Tensor, Tensor]:
    """Every question as four tokens, and its answer."""
    a, b = torch.meshgrid(torch.arange(p), torch.arange(p), indexing="ij")
    a, b = a.flatten(), b.flatten()
    tokens, answers = [], []
    for index, operation in enumerate(operations):
        op, equals = torch.full_like(a, p + index), torch.full_like(a, p + len(operations))
        tokens.append(torch.stack([a, op, b, equals], dim=1))
        answers.append((a + b) % p if operation == "add" else (a * b) % p)
    return torch.cat(tokens), torch.cat(answers)


def adversarial_loss(model: Transformer, states: Tensor, tokens: Tensor, answers: Tensor, p: int, k: int) -> Tensor:
    """Cross-entropy after the k strongest directions of each operation are projected out of its states."""
    cut = states.clone()
    for operation in tokens[:, 1].unique():
        own = tokens[:, 1] == operation
        fixed = states[own].detach()
        members = F.one_hot(answers[own], p).to(fixed.dtype)
        counts = members.sum(0)[:, None]
        mean = fixed.mean(0)
        contrasts = torch.where(counts > 0, members.T @ fixed / counts.clamp(min=1) - mean, 0.0)
        directions = torch.linalg.svd(contrasts, full_matrices=False).Vh[:k]
        cut[own] = states[own] - (states[own] - mean) @ directions.T @ directions
    return F.cross_entropy(model.unembedding(cut), answers)


def train(c: dict[str, Any], device: str, seconds: float) -> list[float]:
    """Milliseconds of each step, after a warm-up."""
    torch.manual_seed(c["seed"])
    tokens, answers = questions_and_answers(c["modulus"], c["operations"])
    chosen = torch.randperm(len(tokens))[: round(c["train_fraction"] * len(tokens))]
    tokens, answers = tokens[chosen].to(device), answers[chosen].to(device)
    model = Transformer(c["modulus"], len(c["operations"]), c["layers"], c["d_model"], c["heads"]).to(device)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=c["learning_rate"], weight_decay=c["weight_decay"], betas=(c["beta1"], c["beta2"])
    )
    took: list[float] = []
    step, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds or len(took) < 20:
        order = torch.randperm(len(tokens), device=device)
        for batch in order.split(c["batch_size"])[: len(tokens) // c["batch_size"]]:
            started = time.perf_counter()
            step += 1
            states, logits = model(tokens[batch])
            loss = F.cross_entropy(logits, answers[batch])
            if c["adversarial_weight"] and step > c["adversarial_from"] and step % c["adversarial_every"] == 0:
                k = c["adversarial_directions"]
                penalty = adversarial_loss(model, states, tokens[batch], answers[batch], c["modulus"], k)
                loss = loss + c["adversarial_weight"] * penalty
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if device.startswith("cuda"):
                torch.cuda.synchronize()
            if step > 10:
                took.append(1000 * (time.perf_counter() - started))
    return took


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    print(json.dumps(train(json.load(sys.stdin), options.device, options.seconds)))
