"""Provenance-tracked steps on structures: seeding a pattern, taking over a geometry, reading the verdict."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from aiida import orm
from aiida.engine import calcfunction
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData
from numpy.typing import NDArray

from aiida_redoxmlp.data.oxidation_states import OxidationStatesData
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.magnetic_order import moment_signs
from aiida_redoxmlp.redox.pattern import Pattern
from aiida_redoxmlp.redox.seeds import build_seed
from aiida_redoxmlp.search.counting import count_configurations, count_distinct
from aiida_redoxmlp.search.orbits import orbits_first
from aiida_redoxmlp.search.space import ConfigurationSpace

__all__ = ("at_positions", "compare_with_wanted", "list_patterns", "seed_structure", "with_positions")


@calcfunction
def list_patterns(structure: orm.StructureData, redox: orm.Dict, max_patterns: orm.Int) -> orm.Dict:
    """List charge-balanced patterns of a structure, one of every symmetry orbit before a second of any.

    Args:
        structure: the structure.
        redox: fields of :class:`~aiida_redoxmlp.redox.chemistry.RedoxChemistry`.
        max_patterns: how many are listed at most; what it takes does not grow with how many there are.

    Returns:
        ``sites``, ``oxidation_states`` (per atom, 0 on the redox sites) and ``patterns``, each with ``states``,
        ``orbit`` and ``multiplicity``; patterns of one orbit are equivalent by symmetry. ``n_patterns`` and
        ``n_distinct`` are the exact numbers of patterns that close the charge and of their orbits.
    """
    space = ConfigurationSpace.of_redox_states(structure.get_ase(), RedoxChemistry.model_validate(redox.get_dict()))
    rows, orbits, multiplicities = orbits_first(space, max_patterns.value)
    return orm.Dict(
        {
            "sites": list(space.sites),
            "oxidation_states": space.parent.oxidation_states.tolist(),
            "patterns": [
                {"states": list(space.pattern(row).states), "orbit": orbit, "multiplicity": multiplicity}
                for row, orbit, multiplicity in zip(rows, orbits.tolist(), multiplicities.tolist(), strict=True)
            ],
            "n_patterns": count_configurations(space),
            "n_distinct": count_distinct(space),
        }
    )


@calcfunction
def seed_structure(
    structure: HubbardStructureData, pattern: orm.List, redox: orm.Dict, seed: orm.Dict
) -> dict[str, orm.Data]:
    """Prepare a structure so that DFT lands on a wanted pattern.

    Args:
        structure: the structure with its Hubbard parameters, which belong to sites and are kept.
        pattern: wanted states of the redox sites.
        redox: fields of :class:`~aiida_redoxmlp.redox.chemistry.RedoxChemistry`.
        seed: ``magnetic_order`` (a name or a list of signs), ``pre_distortion``, ``strength`` (above 1 for a retry),
            ``hold_moment`` and ``pseudo_electrons``, the valence electrons of each element's pseudopotential.

    Returns:
        ``structure`` with one kind a redox site and shifted ligands, and ``parameters`` for pw.x, which turn spin
        polarisation off when no site of the pattern has a moment.
    """
    chemistry = RedoxChemistry.model_validate(redox.get_dict())
    atoms = structure.get_ase()
    symbols = atoms.get_chemical_symbols()
    sites, _ = chemistry.sites_and_background(symbols)
    wanted = Pattern(sites, tuple(pattern.get_list()))
    options = seed.get_dict()
    made = build_seed(
        atoms,
        wanted,
        signs=moment_signs(atoms, sites, options["magnetic_order"], states=wanted.states),
        valence_electrons={symbol: one.valence_electrons for symbol, one in chemistry.table().elements.items()},
        pseudo_electrons=options["pseudo_electrons"],
        strength=options["strength"] * options["pre_distortion"],
        hold_occupations=options["strength"] > 1,
        hold_moment=options.get("hold_moment", False),
        low_spin_sites=chemistry.low_spin_sites(symbols, wanted),
    )
    seeded = HubbardStructureData(
        cell=structure.cell,
        sites=[
            (symbol, kind, tuple(position))
            for symbol, kind, position in zip(symbols, made.kinds, made.positions.tolist(), strict=True)
        ],
        hubbard=structure.hubbard,
    )
    return {"structure": seeded, "parameters": orm.Dict(made.pw_parameters)}


@calcfunction
def with_positions(structure: HubbardStructureData, geometry: orm.StructureData) -> HubbardStructureData:
    """Return the structure with its Hubbard parameters at the cell and positions of another of the same atoms."""
    atoms = geometry.get_ase()
    return at_positions(structure, atoms.cell.tolist(), atoms.positions)


def at_positions(
    structure: HubbardStructureData, cell: Sequence[Sequence[float]], positions: NDArray[np.float64]
) -> HubbardStructureData:
    """Return an unstored structure of the same atoms with their Hubbard parameters in a cell at positions (Å)."""
    return HubbardStructureData(
        cell=cell,
        sites=[
            (structure.get_kind(site.kind_name).symbol, site.kind_name, tuple(position))
            for site, position in zip(structure.sites, positions.tolist(), strict=True)
        ],
        hubbard=structure.hubbard,
    )


@calcfunction
def compare_with_wanted(oxidation_states: OxidationStatesData, wanted: orm.List) -> orm.Dict:
    """Compare the pattern DFT found at the last ionic step with the wanted one.

    Returns ``wanted``, ``found``, ``landed``, ``ambiguous``, ``confidence`` (the least sure site) and ``margin`` (in
    nats; null when only one assignment closes the charge).
    """
    found = oxidation_states.pattern()
    margin = float(oxidation_states.get_array("margins")[-1])
    return orm.Dict(
        {
            "wanted": wanted.get_list(),
            "found": list(found.states),
            "landed": list(found.states) == wanted.get_list(),
            "ambiguous": bool(oxidation_states.get_array("ambiguous")[-1]),
            "confidence": float(oxidation_states.get_array("confidences")[-1].min()),
            "margin": margin if margin < float("inf") else None,
        }
    )
