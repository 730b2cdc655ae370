"""Where a walker has left what the committee knows, and why in one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from ase.data import chemical_symbols, covalent_radii
from ase.neighborlist import neighbor_list

from aiida_redoxmlp.active_learning.exploration.settings import Limits
from aiida_redoxmlp.active_learning.exploration.snapshot import Snapshot
from aiida_redoxmlp.redox.configuration import Configuration

__all__ = ("Stop", "StopKind", "stop_after_step", "stop_at")

StopKind = Literal["not_finite", "too_close", "uncertain", "energy", "temperature"]


@dataclass(frozen=True)
class Stop:
    """Why a walker stopped.

    Attributes:
        kind: which limit it crossed.
        reason: the same in one sentence, with the numbers.
    """

    kind: StopKind
    reason: str


def stop_at(snapshot: Snapshot, limits: Limits) -> Stop | None:
    """Return why a structure is not to be trusted, whatever was before it; None where it is."""
    if not snapshot.is_finite:
        return Stop("not_finite", "The committee gave no finite energy and forces.")
    return _too_close(snapshot.configuration, limits) or _uncertain(snapshot, limits)


def stop_after_step(
    before: Snapshot, after: Snapshot, limits: Limits, highest_temperature: float | None = None
) -> Stop | None:
    """Return why a walker is not to be trusted after a step; None where it is.

    Args:
        before: the walker before the step, with the same pattern.
        after: the walker after it.
        limits: what is allowed.
        highest_temperature: K, of the walk's stages; None where there is no temperature.
    """
    stop = stop_at(after, limits)
    if stop is not None:
        return stop
    jump = (after.energy - before.energy) / len(after.configuration)
    if limits.energy_jump is not None and abs(jump) > limits.energy_jump:
        return Stop(
            "energy",
            f"The energy changed by {jump:+.3g} eV per atom in one step, more than {limits.energy_jump:g} eV per atom.",
        )
    if limits.temperature_factor is None or highest_temperature is None:
        return None
    if after.temperature > limits.temperature_factor * highest_temperature:
        return Stop(
            "temperature",
            f"The temperature reached {after.temperature:.0f} K, more than {limits.temperature_factor:g} times the "
            f"highest of the walk, {highest_temperature:g} K.",
        )
    return None


def _too_close(configuration: Configuration, limits: Limits) -> Stop | None:
    if not limits.closest:
        return None
    radii = limits.closest * covalent_radii[configuration.numbers]
    first, second, distances = neighbor_list("ijd", configuration.to_ase(), radii)
    once = first <= second
    if not once.any():
        return None
    first, second, distances = first[once], second[once], distances[once]
    worst = int(np.argmin(distances / (radii[first] + radii[second])))
    one, other = int(first[worst]), int(second[worst])
    return Stop(
        "too_close",
        f"{_atom(configuration, one)} and {_atom(configuration, other)} are {distances[worst]:.2f} Å apart, less than "
        f"{limits.closest:g} of the sum of their covalent radii, {radii[one] + radii[other]:.2f} Å.",
    )


def _uncertain(snapshot: Snapshot, limits: Limits) -> Stop | None:
    spreads = limits.force_factor * snapshot.force_spreads
    atom = int(spreads.argmax())
    if limits.force_spread is None or spreads[atom] <= limits.force_spread:
        return None
    return Stop(
        "uncertain",
        f"{_atom(snapshot.configuration, atom)} has a force spread of {spreads[atom]:.3g} eV/Å, above the ceiling of "
        f"{limits.force_spread:g} eV/Å.",
    )


def _atom(configuration: Configuration, index: int) -> str:
    return f"{chemical_symbols[configuration.numbers[index]]} (atom {index})"
