"""Which engines there are, and where their code is."""

from __future__ import annotations

__all__ = ("ENGINES", "SUMMARIES")

ENGINES = {"mace": ("aiida_redoxmlp.engines.mace.engine", "MaceEngine")}
"""Module and class of each engine. The name is also the package's extra that installs the engine."""

SUMMARIES = {"mace": ("aiida_redoxmlp.engines.mace.summary", "summarise_folder")}
"""Module and function that reads a saved committee's description where the engine's packages are not installed."""
