"""From a model, wherever it is, to an ASE calculator in one call."""

from __future__ import annotations

from pathlib import Path

from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.engines.calculator import CommitteeCalculator
from aiida_redoxmlp.engines.given_states import Given
from aiida_redoxmlp.engines.registry import load_potential

__all__ = ("load_calculator",)


def load_calculator(
    model: ModelData | Path | str | int,
    oxidation_states: Given | None = None,
    spins: Given | None = None,
    *,
    device: str = "auto",
    member: int | None = None,
) -> CommitteeCalculator:
    """Return an ASE calculator for a committee.

    Args:
        model: a node, its PK, UUID or label, or a folder with ``model.json`` and its safetensors. A folder needs no
            AiiDA profile; a PK, UUID or label loads the default profile unless one is loaded.
        oxidation_states: by element, one state or one for each of its atoms, such as ``{"Mn": [2, 3]}``; or a list with
            one for each atom, or for each atom whose element the potential knows in several states. Elements the
            potential knows in one state need no mention. None to take the atoms' array ``oxidation_states``.
        spins: likewise, unpaired electrons, negative where they point down, for potentials that resolve them. None to
            take the atoms' array ``spins``.
        device: ``cpu``, ``cuda``, or ``auto`` for a GPU where there is one.
        member: only this member of the committee, counted from 0.

    Raises:
        InputError: if there is no such model, member or device, or its engine is not installed.
        ModelIntegrityError: if the files are not what was saved.
    """
    found = ModelData.find(model)
    potential = load_potential(found, device) if isinstance(found, Path) else found.load(device)
    if member is not None:
        potential = potential.member(member)
    return CommitteeCalculator(potential, oxidation_states, spins)
