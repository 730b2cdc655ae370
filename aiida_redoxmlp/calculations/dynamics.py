"""Provenance-tracked steps of molecular dynamics: velocities, going on, atoms that leave or come in."""

from __future__ import annotations

import numpy as np
from aiida import orm
from aiida.engine import calcfunction
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData
from ase import units
from numpy.typing import NDArray

from aiida_redoxmlp.calculations.hubbard import interactions_of, with_interactions
from aiida_redoxmlp.calculations.structures import at_positions
from aiida_redoxmlp.dynamics.settings import DynamicsSettings
from aiida_redoxmlp.dynamics.velocities import (
    RYDBERG_TIME,
    thermal_velocities,
    velocities_at_end,
    with_thermal_velocities,
)
from aiida_redoxmlp.hubbard.interactions import Interaction

__all__ = ("change_composition", "go_on", "start_moving")

_CARD = "ATOMIC_VELOCITIES"
_PW_VELOCITY = units.Bohr / RYDBERG_TIME
"""Rydberg atomic unit of velocity, that of pw.x's velocity card, in Å/fs."""


@calcfunction
def start_moving(structure: HubbardStructureData, dynamics: orm.Dict, segment: orm.Int, settings: orm.Dict) -> orm.Dict:
    """Give every atom a velocity at the temperature of a segment.

    Args:
        structure: where the segment starts.
        dynamics: fields of :class:`~aiida_redoxmlp.dynamics.settings.DynamicsSettings`.
        segment: its number, from 0.
        settings: of pw.x.

    Returns:
        The settings with the velocities.
    """
    asked = DynamicsSettings.model_validate(dynamics.get_dict())
    temperature = asked.segments[segment.value].temperature
    if temperature is None:
        raise ValueError("a segment without a temperature gives no new velocities")
    seed = asked.random_seed + segment.value
    return _with_velocities(settings, thermal_velocities(_masses(structure), temperature, seed))


@calcfunction
def go_on(
    structure: HubbardStructureData, trajectory: orm.TrajectoryData, settings: orm.Dict, dynamics: orm.Dict
) -> dict[str, orm.Data]:
    """Prepare the run that begins with the last step of another, as if that had not ended.

    Args:
        structure: what the other run started from.
        trajectory: what it gave.
        settings: of pw.x there, with the velocities it started with.
        dynamics: fields of :class:`~aiida_redoxmlp.dynamics.settings.DynamicsSettings`.

    Returns:
        ``structure`` at the last step, and ``settings`` with the velocities there.
    """
    timestep = DynamicsSettings.model_validate(dynamics.get_dict()).timestep
    positions = trajectory.get_array("positions")
    velocities = _velocities(settings)
    if len(positions) > 1:
        velocities = velocities_at_end(
            positions[-2:], trajectory.get_array("final_forces"), _masses(structure), timestep
        )
    return {
        "structure": at_positions(structure, structure.cell, positions[-1]),
        "settings": _with_velocities(settings, velocities),
    }


@calcfunction
def change_composition(
    structure: HubbardStructureData, dynamics: orm.Dict, segment: orm.Int, settings: orm.Dict
) -> dict[str, orm.Data]:
    """Take atoms out and put atoms in, as a segment asks; the others go on as they move.

    Args:
        structure: the last step of the segment before.
        dynamics: fields of :class:`~aiida_redoxmlp.dynamics.settings.DynamicsSettings`.
        segment: its number, from 0.
        settings: of pw.x, with the velocities.

    Returns:
        ``structure`` with the Hubbard parameters of the atoms that stay, and ``settings`` with the velocities.
    """
    asked = DynamicsSettings.model_validate(dynamics.get_dict())
    now = asked.segments[segment.value]
    stay = [site for site in range(len(structure.sites)) if site not in now.remove]
    made = orm.StructureData(cell=structure.cell, pbc=structure.pbc)
    for site in stay:
        kind = structure.get_kind(structure.sites[site].kind_name)
        made.append_atom(symbols=kind.symbol, name=kind.name, position=structure.sites[site].position)
    for one in now.insert:
        made.append_atom(symbols=one.symbol, position=np.array(one.position) @ np.array(structure.cell))
    kept = _interactions_that_stay(interactions_of(structure), stay)
    changed = with_interactions(made, kept, projectors=structure.hubbard.projectors)
    temperature = next(one.temperature for one in asked.segments[segment.value :: -1] if one.temperature is not None)
    velocities = with_thermal_velocities(
        _velocities(settings)[stay], _masses(changed), len(now.insert), temperature, asked.random_seed + segment.value
    )
    return {"structure": changed, "settings": _with_velocities(settings, velocities)}


def _interactions_that_stay(interactions: list[Interaction], stay: list[int]) -> list[Interaction]:
    new = {old: number for number, old in enumerate(stay)}
    return [
        Interaction(new[one.site], one.manifold, new[one.neighbour], one.neighbour_manifold, one.translation, one.value)
        for one in interactions
        if one.site in new and one.neighbour in new
    ]


def _masses(structure: orm.StructureData) -> NDArray[np.float64]:
    """Return the mass of every atom in u, as pw.x gets it."""
    return np.array([structure.get_kind(site.kind_name).mass for site in structure.sites])


def _velocities(settings: orm.Dict) -> NDArray[np.float64]:
    """Return the velocities in the settings of pw.x in Å/fs."""
    return np.array(settings[_CARD]) * _PW_VELOCITY


def _with_velocities(settings: orm.Dict, velocities: NDArray[np.float64]) -> orm.Dict:
    return orm.Dict({**settings.get_dict(), _CARD: (velocities / _PW_VELOCITY).tolist()})
