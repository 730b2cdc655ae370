"""The search strategies by name."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import Field

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.search.strategies.annealing import Annealing, AnnealingSettings
from aiida_redoxmlp.search.strategies.contract import Problem, Strategy
from aiida_redoxmlp.search.strategies.enumeration import Exhaustive, ExhaustiveSettings
from aiida_redoxmlp.search.strategies.evolution import Evolution, EvolutionSettings
from aiida_redoxmlp.search.strategies.surrogate import SurrogateGuided, SurrogateSettings
from aiida_redoxmlp.search.strategies.tempering import Tempering, TemperingSettings

__all__ = ("STRATEGIES", "StrategySettings", "make_strategy", "strategy_settings")

StrategySettings = Annotated[
    ExhaustiveSettings | TemperingSettings | AnnealingSettings | EvolutionSettings | SurrogateSettings,
    Field(discriminator="name"),
]
"""Settings of any strategy; ``name`` tells which."""

STRATEGIES: dict[str, tuple[Any, Any]] = {
    "exhaustive": (ExhaustiveSettings, Exhaustive),
    "tempering": (TemperingSettings, Tempering),
    "annealing": (AnnealingSettings, Annealing),
    "evolution": (EvolutionSettings, Evolution),
    "surrogate": (SurrogateSettings, SurrogateGuided),
}
"""Settings and class of each strategy."""


def strategy_settings(name: str, **values: Any) -> StrategySettings:
    """Return settings of a strategy.

    Args:
        name: the strategy.
        **values: what differs from the defaults.

    Raises:
        InputError: for an unknown name.
        ValidationError: for values that are not allowed.
    """
    if name not in STRATEGIES:
        raise InputError(f"There is no search strategy {name!r}; the strategies are {', '.join(sorted(STRATEGIES))}.")
    settings: StrategySettings = STRATEGIES[name][0](**values)
    return settings


def make_strategy(settings: StrategySettings, problem: Problem, random: np.random.Generator) -> Strategy:
    """Return a run of the strategy that the settings are of."""
    strategy: Strategy = STRATEGIES[settings.name][1](settings, problem, random)
    return strategy
