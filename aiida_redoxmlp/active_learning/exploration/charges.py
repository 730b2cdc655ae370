"""Charges of many walkers at once: hops under detailed balance, or the lowest pattern of each geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from aiida_redoxmlp.active_learning.electrons import BeliefSettings, believe, with_believed_pattern
from aiida_redoxmlp.active_learning.exploration.settings import ChargeMoves, Limits
from aiida_redoxmlp.active_learning.exploration.walkers import Walker
from aiida_redoxmlp.engines.contract import CommitteePotential
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.configuration import Configuration

__all__ = ("move_charges",)


def move_charges(
    walkers: Sequence[Walker],
    potential: CommitteePotential,
    chemistry: RedoxChemistry,
    limits: Limits,
    patterns: BeliefSettings,
) -> None:
    """Move the charges of all walkers for which that is due, with one batch for each attempt.

    Args:
        walkers: after their step.
        potential: the committee.
        chemistry: charges of the material.
        limits: where walkers stop.
        patterns: how the lowest pattern is found, for walkers that follow it.
    """
    due = [walker for walker in walkers if walker.hops_due]
    _follow([one for one in due if _moves(one).mode == "adiabatic"], potential, chemistry, limits, patterns)
    hopping = [one for one in due if _moves(one).mode == "metropolis"]
    for attempt in range(max((_moves(one).attempts for one in hopping), default=0)):
        _hop([one for one in hopping if attempt < _moves(one).attempts and one.stop is None], potential, limits)


def _hop(walkers: Sequence[Walker], potential: CommitteePotential, limits: Limits) -> None:
    """Try one hop in every walker: Metropolis' rule by mean energies, the ions fixed."""
    proposed: list[tuple[Walker, Configuration]] = []
    for walker in walkers:
        walker.tried += 1
        hopped = None if walker.hops is None else walker.hops.proposed(walker.snapshot.configuration, walker.random)
        if hopped is not None:
            proposed.append((walker, hopped))
    if not proposed:
        return
    evaluations = potential.evaluate([hopped for _, hopped in proposed])
    for (walker, hopped), evaluation in zip(proposed, evaluations, strict=True):
        temperature = _moves(walker).temperature or walker.target_temperature
        change = evaluation.energy - walker.snapshot.energy
        if walker.hops is not None and walker.hops.is_accepted(change, temperature, walker.random):
            walker.hop_to(hopped, evaluation, limits)


def _follow(
    walkers: Sequence[Walker],
    potential: CommitteePotential,
    chemistry: RedoxChemistry,
    limits: Limits,
    patterns: BeliefSettings,
) -> None:
    """Give every walker the lowest pattern of its geometry."""
    changed: list[tuple[Walker, Configuration]] = []
    for walker in walkers:
        walker.tried += 1
        here = walker.snapshot.configuration
        spins = walker.point.spins if potential.encoding.resolves_spins else None
        (belief,) = believe(potential, [replace(here, spins=spins)], chemistry, patterns)
        lowest = with_believed_pattern(potential, replace(here, spins=spins), belief)
        if not np.array_equal(lowest.oxidation_states, here.oxidation_states):
            changed.append((walker, lowest))
    if changed:
        evaluations = potential.evaluate([lowest for _, lowest in changed])
        for (walker, lowest), evaluation in zip(changed, evaluations, strict=True):
            walker.hop_to(lowest, evaluation, limits)


def _moves(walker: Walker) -> ChargeMoves:
    """Return how the charges of a walker move."""
    return walker.walk.charges or ChargeMoves()
