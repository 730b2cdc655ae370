"""Which engines there are, and where their code is."""

from __future__ import annotations

from aiida_redoxmlp.errors import InputError

__all__ = ("ENGINES", "SUMMARIES", "require_engine")

ENGINES = {"mace": ("aiida_redoxmlp.engines.mace.engine", "MaceEngine")}
"""Module and class of each engine. The name is also the package's extra that installs the engine."""

SUMMARIES = {"mace": ("aiida_redoxmlp.engines.mace.summary", "summarise_folder")}
"""Module and function that reads a saved committee's description where the engine's packages are not installed."""


def require_engine(name: str) -> None:
    """Refuse a name that is no engine's.

    Raises:
        InputError: for an unknown name.
    """
    if name not in ENGINES:
        raise InputError(f"There is no engine {name!r}; the engines are {', '.join(sorted(ENGINES))}.")
