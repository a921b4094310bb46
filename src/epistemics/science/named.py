"""Definitions of the package by name. Whoever names one as text can be read without importing what it needs."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def named(definition: str) -> Any:
    """What ``module.name`` of the package is bound to. Importing its module may take torch."""
    module, _, name = definition.rpartition(".")
    return getattr(import_module(f"epistemics.{module}"), name)
