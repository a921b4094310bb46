"""Times of this machine: our steps, the matrix products in them at their own speed, and where a step's time goes.

Runs in a process of its own, as a worker does: ``python -m epistemics.benchmarks.timing WHAT`` with a stack's
configurations as JSON on standard input. ``steps`` says that it is ready (compiled, warm) and waits for a line, so that
several can be timed at the same moment.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from epistemics.science.configuration import Configuration, configuration_from_json
from epistemics.science.layers import onednn_product
from epistemics.science.training import Stack, initial_state

PRODUCTS = ("mm", "bmm", "onednn_product")
"""The operators that multiply matrices: torch's, and that of ``science.layers``."""

Product = tuple[tuple[int, ...], tuple[int, ...], bool, bool, torch.dtype]
"""Shapes of the operands, whether each lies transposed in memory, and their type."""

WARM_UP = 5
AT_ONCE = 10
"""Steps between two looks at the clock."""


def stack_of(configurations: Sequence[Configuration], device: str) -> Stack:
    """A stack at step 0."""
    place = torch.device(device)
    return Stack(configurations, initial_state(configurations, place), place)


def step_seconds(stack: Stack, seconds: float) -> list[float]:
    """Seconds a step, in goes of ten."""
    took: list[float] = []
    began = time.perf_counter()
    while time.perf_counter() - began < seconds or len(took) < 3:
        started = time.perf_counter()
        stack.advance(AT_ONCE)
        if stack.device.type == "cuda":
            torch.cuda.synchronize()
        took.append((time.perf_counter() - started) / AT_ONCE)
    return took


class _Products(TorchDispatchMode):
    """Notes every matrix product."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: Counter[Product] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__ in PRODUCTS:
            a, b = args
            self.found[tuple(a.shape), tuple(b.shape), a.stride(-1) != 1, b.stride(-1) != 1, a.dtype] += 1
        return func(*args, **(kwargs or {}))


def products_of(stack: Stack) -> Counter[Product]:
    """The matrix products of one step, and how often each is in it."""
    noted = _Products()
    with noted:
        stack.advance(1)
    return noted.found


def operations_of(products: Counter[Product]) -> int:
    """Floating-point operations."""
    return sum(2 * count * torch.Size(a).numel() * b[-1] for (a, b, *_), count in products.items())


def products_seconds(products: Counter[Product], device: str) -> float:
    """What these matrix products take one by one, each at its median of many: the ceiling of a step's speed.

    Each the quickest way that there is: on a CPU in float32 there are two, whichever of them the step takes.
    """
    total = 0.0
    for (a_shape, b_shape, a_turned, b_turned, dtype), count in products.items():
        a, b = _operand(a_shape, a_turned, dtype, device), _operand(b_shape, b_turned, dtype, device)
        ways: list[Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = [torch.matmul]
        if dtype == torch.float32 and device == "cpu" and a.dim() == 2:
            ways.append(onednn_product)
        total += count * min(_median_seconds(way, a, b, device) for way in ways)
    return total


def _median_seconds(
    way: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], a: torch.Tensor, b: torch.Tensor, device: str
) -> float:
    took = []
    for _ in range(25):
        started = time.perf_counter()
        way(a, b)
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        took.append(time.perf_counter() - started)
    return median(took)


def _operand(shape: tuple[int, ...], turned: bool, dtype: torch.dtype, device: str) -> torch.Tensor:
    if not turned:
        return torch.randn(shape, device=device).to(dtype)
    return torch.randn((*shape[:-2], shape[-1], shape[-2]), device=device).to(dtype).transpose(-1, -2)


def profile(stack: Stack) -> dict[str, float]:
    """Milliseconds a step by what they are spent on: matrix products, each compiled kernel, the rest."""
    with torch.profiler.profile() as profiled:
        stack.advance(AT_ONCE)
    spent: Counter[str] = Counter()
    for event in profiled.key_averages():
        if event.key in ("aten::mm", "aten::bmm", "mkldnn::_linear_pointwise"):
            name = "matrix products"
        elif "cpp_fused" in event.key or event.key.startswith("triton"):
            name = event.key[event.key.index("fused") :].strip("_0123456789")
        else:
            name = "the rest"
        spent[name] += event.self_cpu_time_total / 1000 / AT_ONCE
    return dict(spent.most_common())


def main() -> int:
    """Answer one question about a stack as JSON."""
    what, device, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    torch.set_flush_denormal(True)
    configurations = [configuration_from_json(content) for content in json.loads(sys.stdin.readline())]
    if what == "ceiling":
        plain = [dataclasses.replace(c, compiled=False) for c in configurations]  # compiled steps can't be watched
        products = products_of(stack_of(plain, device))
        took = products_seconds(products, device)
        print(json.dumps({"operations": operations_of(products), "seconds": took}))
        return 0
    if what == "profile":
        import torch._inductor.config as compiler

        compiler.cpp.enable_kernel_profile = True
        compiler.cpp.descriptive_names = "original_aten"
    stack = stack_of(configurations, device)
    started = time.perf_counter()
    stack.advance(WARM_UP)
    if what == "profile":
        print(json.dumps(profile(stack)))
        return 0
    print(json.dumps({"compile_seconds": round(time.perf_counter() - started, 1)}), flush=True)
    sys.stdin.readline()
    print(json.dumps(step_seconds(stack, seconds)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
